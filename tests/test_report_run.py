"""`curate report`: what it writes, and what it says where parts are missing or wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair")

from app.cli import main
from curation.runs import read_run, write_run
from curation.workspace import Workspace
from eval.compare.shared import shared
from eval.compare.sides import chosen
from eval.compare.trained import Exposure
from eval.measuring import Trust
from eval.recompute import write_numbers
from tests.compared import SUITE, base_of, built, right_at, run_of, sit
from tests.reported import arc, evaluated
from tests.review_data import evaluation


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = built(tmp_path_factory.mktemp("reports") / "work", 150, split={"ratios": {"train": 0.4, "validation": 0.6}})
    evaluated(made, base_of(made), right_at(0.3, "base"), arc(0.5, 0, 60))
    evaluated(made, run_of(made), right_at(0.9, "run"), arc(0.5, 1, 60))
    run_of(made, seed=9)  # experiment_003, never evaluated
    return made


@pytest.fixture
def made(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def report(made: Workspace, *words: str) -> int:
    return main(["report", *words, "-C", str(made.root)])


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_report_is_a_page_markdown_and_figures(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(made, "002", "--json") == 0
    found = told(capsys)
    folder = made.root / "reports"
    assert found["missing"] == []
    assert found["html"] == str(folder / "v1-experiment_002.html")
    page, text = (Path(found[name]).read_text() for name in ("html", "markdown"))
    assert "://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert "<script" not in page
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert shown
    assert all((folder / path).read_bytes().startswith(b"\x89PNG") for path in shown)
    names = sorted(Path(path).name for path in found["figures"])
    assert names == sorted(path.name for path in (folder / "figures" / "v1-experiment_002").iterdir())
    assert "experiment_002 (v1) is better than base on token_f1" in page
    assert not list(folder.rglob(".tmp-*"))


def test_the_same_report_again_is_the_same_and_leaves_no_old_figure(
    made: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(made, "002") == 0
    folder = made.root / "reports"
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    old = folder / "figures" / "v1-experiment_002" / "gone.png"
    old.write_bytes(b"")
    assert report(made, "002") == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first


def test_a_run_without_evaluation_has_a_report_that_says_what_to_do(
    made: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(made, "003", "--json") == 0
    found = told(capsys)
    assert found["missing"] == ["experiment_003 was not evaluated; curate eval experiment_003"]
    assert (
        "Not evaluated: experiment_003 was not evaluated; curate eval experiment_003."
        in Path(found["html"]).read_text()
    )


def test_an_interrupted_run(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.root / "experiments" / "experiment_003"
    write_run(folder, replace(read_run(folder), state="interrupted", detail="stopped at step 7"))
    assert report(made, "003", "--json") == 0
    found = told(capsys)
    assert "go on with curate train --resume experiment_003" in found["missing"][0]
    assert "- the run is interrupted: stopped at step 7" in Path(found["html"]).read_text()


def test_a_version_that_is_gone(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made.root / "experiments" / "experiment_002"
    write_run(folder, replace(read_run(folder), version={"name": "v7", "id": "ef" * 32, "rows": {"train": 9}}))
    assert report(made, "002", "--json") == 0
    line = "version v7 (efefefef) is not in this store (dropped, or built elsewhere); what is said of it comes from"
    line += " run.json"
    found = told(capsys)
    assert line in found["missing"]
    assert line in Path(found["html"]).read_text()


def test_a_moved_workspace_has_the_same_report(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(made, "002") == 0
    before = (made.root / "reports" / "v1-experiment_002.html").read_bytes()
    made.root.rename(tmp_path / "elsewhere")
    assert main(["report", "002", "-C", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "reports" / "v1-experiment_002.html").read_bytes() == before


def test_runs_without_a_workspace_and_what_models_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers with nothing beside them: no store, no suite, no journal, and no text of theirs becomes markup."""
    evaluation(tmp_path / "experiments", lambda i: "<script>alert(1)</script>" if i % 3 else f"answer {i}", items=40)
    assert main(["report", "-C", str(tmp_path), "--json"]) == 0
    found = told(capsys)
    assert "version v1 (12345678): there is no store here" in " ".join(found["missing"])
    page = Path(found["html"]).read_text()
    assert "0.350" in page  # 14 of 40 are right
    assert "<script" not in page
    assert "No tags yet" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("042",), 'run "042" is not known'),
        (("001", "002", "003"), "3 sides; name two"),
        (("001", "003"), "experiment_003 was not evaluated; curate eval experiment_003"),
        (("002", "--suite", "other"), "was not evaluated with suite other"),
        (("v1",), '"v1" is a version; name a run that was trained on it: experiment_002, experiment_003'),
        (("",), '"" names no run; known: experiment_001, experiment_002'),
    ],
)
def test_bad_input_is_one_line(
    made: Workspace, words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(made, *words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("curate report:")]
    assert len(lines) == 1
    assert said in lines[0]


def test_a_suite_that_is_named_is_the_one_reported_on(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = made.root / "experiments" / "experiment_002"
    shutil.copytree(run / "eval-1", run / "eval-2")
    newer = read_run(run / "eval-2")
    write_run(run / "eval-2", replace(newer, name="eval-2", settings={**newer.settings, "suite": "other"}))
    for suite, name in (("small", "eval-1"), ("other", "eval-2")):
        assert report(made, "002", "--suite", suite, "--json") == 0
        page = re.sub(r'<span class="o">(.*?)</span>', r"\1", Path(told(capsys)["html"]).read_text())
        assert f"experiment_002/{name}" in page
        assert f"curate eval experiment_002 --suite {suite}" in page


@pytest.fixture
def two_exams(tmp_path: Path) -> Workspace:
    made = built(tmp_path / "two", 150, split={"ratios": {"train": 0.4, "validation": 0.4, "test": 0.2}})
    base_of(made)
    return made


@pytest.mark.parametrize("base_too", [False, True])
def test_the_verdict_is_on_what_both_sides_sat_where_only_one_sat_the_newest_exam(
    two_exams: Workspace, base_too: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the workspace of `curate loop`: a run that was asked validation first, and its base that never was."""
    made, base = two_exams, two_exams.root / "experiments" / "experiment_001"
    run = run_of(made)
    for split, sitting in (("test", (base, run)), ("validation", (base, run) if base_too else (run,))):
        for folder in sitting:
            found = sit(made, folder, right_at(0.9 if folder == run else 0.2, folder.name), suite=_suite(split))
            write_run(found.path, replace(found.run, settings={**found.run.settings, "suite": split}))
            write_numbers(found, found.suite, Trust())
    capsys.readouterr()
    assert report(made, "002", "--json") == 0
    data = told(capsys)
    assert data["missing"] == []
    split = "validation" if base_too else "test"
    assert "experiment_002 (v1) is better than base on token_f1" in data["summary"][0]
    assert any(line.startswith(f"Exam: {split} of v1") for line in data["summary"])
    assert main(["card", "002", "-C", str(made.root)]) == 0
    for text in (Path(data["markdown"]).read_text(), (run / "README.md").read_text()):
        assert "is better than base" in text
        passed_over = "eval-2 (validation) is not compared, for experiment\\_001 was not asked it; "
        assert (f"{passed_over}curate compare base experiment\\_002 asks it" in text) is not base_too
    assert f"curate compare 002 --suite {split}" in Path(data["markdown"]).read_text() or base_too


def test_of_the_exams_that_both_sides_sat_the_newest_is_taken(two_exams: Workspace) -> None:
    base, run = two_exams.root / "experiments" / "experiment_001", run_of(two_exams)
    for name, split, sitting in (
        ("first", "test", (base, run)),
        ("second", "test", (base, run)),
        ("third", "validation", (run,)),
    ):
        for folder in sitting:
            found = sit(two_exams, folder, right_at(0.5, folder.name), suite=_suite(split))
            write_run(found.path, replace(found.run, settings={**found.run.settings, "suite": name}))
    both = shared(chosen(run.parent, ["base", run.name]), Exposure(None))
    assert both is not None
    assert (both.suite, both.over and both.over.name) == ("second", f"{run.name}/eval-3")


def test_what_nobody_else_sat_names_the_command_that_asks_it(
    two_exams: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made, run = two_exams, run_of(two_exams)
    for folder, split in ((made.root / "experiments" / "experiment_001", "test"), (run, "validation")):
        found = sit(made, folder, right_at(0.5, folder.name), suite=_suite(split))
        write_numbers(found, found.suite, Trust())
    capsys.readouterr()
    assert report(made, "002", "--json") == 0
    (line,) = told(capsys)["missing"]
    assert "that experiment_001 was not asked; curate compare base experiment_002 asks it, or name with" in line


def _suite(split: str) -> dict[str, Any]:
    return {**SUITE, "split": split, "benchmarks": []}


def test_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "-C", str(tmp_path)]) == 2
    assert "no training yet; make one with curate train" in capsys.readouterr().err


def test_missing_extras_name_the_install_line(
    made: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.cli.extras.find_spec", lambda name: None if name == "vl_convert" else find_spec(name))
    assert report(made, "002") == 2
    assert 'curate report: vl_convert is not installed; pip install "curate[app]"' in capsys.readouterr().err


def test_the_command_line_starts_without_drawing() -> None:
    heavy = "{'altair', 'pandas', 'torch', 'vl_convert'} & set(sys.modules)"
    code = f"import sys, app.cli.report, app.cli.card, app.cli.project; sys.exit(len({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("table", "counts"), [("items", "0 items and 90"), ("predictions", "90 items and 0")])
def test_an_evaluation_that_was_copied_in_part_is_one_line(
    made: Workspace, table: str, counts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of what has no items says so and shows the rest; nothing else can be said of it."""
    folder = made.root / "experiments" / "experiment_002" / "eval-1"
    (folder / f"{table}.parquet").unlink()
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    said = f"{folder}: holds {counts} answers, so a part of it is missing; copy the whole folder"
    commands = [["trace", "experiment_002:token_f1"], ["eval", "002", "--recompute"]]
    for words in [*commands, *([["report", "002"]] if table == "predictions" else [])]:
        assert main([*words, "-C", str(made.root)]) == 3
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(f"curate {words[0]}:")]
        assert len(lines) == 1
        assert said in lines[0]
    assert {path: path.read_bytes() for path in folder.iterdir()} == kept
    if table == "items":
        assert report(made, "002", "--json") == 0
        assert any("holds no items" in text for text in told(capsys)["missing"])
