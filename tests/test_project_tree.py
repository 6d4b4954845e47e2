"""`curate project`: a run as a folder of its own, whole, and never over somebody's files."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from app.cli import main
from curation.export.manifest import check_export
from curation.runs import read_run, write_run
from curation.workspace import Workspace
from eval.folder import EvalFolder
from tests.compared import base_of, build, built, right_at, row, run_of
from tests.lineage_workspace import write
from tests.reported import arc, evaluated
from train.config import load_training_config


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A base, a run of v1 off its defaults, evaluated, and one of v2 that is not."""
    made = built(tmp_path_factory.mktemp("project") / "work", 120)
    evaluated(made, base_of(made), right_at(0.3, "base"), arc(0.5, 0, 60))
    evaluated(made, run_of(made, learning_rate=1e-3, packing=False), right_at(0.6, "run"), arc(0.5, 1, 60))
    write(made.root, [row(number) for number in range(5, 140)])
    build(made)
    run_of(made, seed=7)
    return made


@pytest.fixture
def made(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def project(made: Workspace, folder: Path, *runs: str) -> int:
    return main(["project", str(folder), *runs, "-C", str(made.root)])


def test_the_tree_is_whole_and_its_numbers_are_the_stored_ones(made: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert project(made, out, "002") == 0
    assert check_export(out / "data" / "splits") == []
    config = load_training_config(out / "configs" / "training.yaml")
    run = read_run(made.root / "experiments" / "experiment_002")
    assert config.as_json() == {**(run.config or {}), "version": "v1"}
    with (out / "experiments" / "experiment_002" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stored = EvalFolder.open(made.root / "experiments" / "experiment_002" / "eval-1").metrics().to_pylist()
    told = {(r["split"], r["slice"], r["metric"]): r["value"] for r in rows}
    assert {(r["split"], r["slice"], r["metric"]): str(r["value"]) for r in stored}.items() <= told.items()
    assert {(r["hp_learning_rate"], r["hp_packing"]) for r in rows} == {("0.001", "false")}
    head = (out / "README.md").read_text().split("---")[1]
    assert len(yaml.safe_load(head)["model-index"][0]["results"]) == 2
    book = json.loads((out / "notebooks" / "example_prompts.ipynb").read_text())
    items = EvalFolder.open(made.root / "experiments" / "experiment_002" / "eval-1").items().to_pylist()
    assert json.loads(items[0]["messages"])[-1]["content"] in book["cells"][2]["source"]


def test_a_notebook_is_one_by_its_format(made: Workspace, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    assert project(made, tmp_path / "out") == 0
    nbformat.validate(json.loads((tmp_path / "out" / "notebooks" / "example_prompts.ipynb").read_text()))


def test_the_same_project_again_is_the_same(made: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert project(made, out, "002") == 0
    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert project(made, out, "002") == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == first


def test_a_run_of_another_version_does_not_stay(made: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert project(made, out, "002") == 0
    assert project(made, out, "003") == 0
    assert [path.name for path in (out / "experiments").iterdir()] == ["experiment_003"]


def test_a_run_that_was_not_evaluated_takes_its_questions_from_validation(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project(made, tmp_path / "out", "003") == 0
    told = capsys.readouterr().out
    assert "experiment_003 was not evaluated; curate eval experiment_003" in told
    assert "experiment_003 holds no adapter, without which the notebook cannot ask it" in told
    asked = json.loads((tmp_path / "out" / "data" / "splits" / "validation.jsonl").read_text().splitlines()[0])
    book = (tmp_path / "out" / "notebooks" / "example_prompts.ipynb").read_text()
    assert asked["messages"][0]["content"] in book


def test_no_path_of_this_machine_is_in_the_tree(made: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert project(made, out, "002") == 0
    answers = made.root / "experiments" / "experiment_001" / "eval-1" / "predictions.parquet"
    answers.write_bytes(b"damaged")  # so that the card says why it compares nothing
    assert project(made, out, "002") == 0
    assert "experiments/experiment\\_001/eval-1/predictions.parquet: cannot be read" in (out / "README.md").read_text()
    for path in out.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (("001",), "experiment_001: is the base model, not a training"),
        (
            ("002", "003"),
            "the runs are of several versions (experiment_002 v1, experiment_003 v2); a project holds one",
        ),
        (("042",), 'run "042" is not known'),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    made: Workspace, tmp_path: Path, runs: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project(made, tmp_path / "out", *runs) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_and_a_lost_version(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made.root / "experiments" / "experiment_002"
    run = read_run(folder)
    write_run(folder, replace(run, state="interrupted"))
    assert project(made, tmp_path / "out", "002") == 2
    assert "experiment_002: is interrupted; see curate runs show experiment_002" in capsys.readouterr().err
    write_run(folder, replace(run, version={"name": "v7", "id": "ef" * 32}))
    assert project(made, tmp_path / "out", "002") == 2
    assert "a project needs the version for its splits" in capsys.readouterr().err


def test_a_folder_of_somebody_else_stays(made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert project(made, tmp_path / "out", "002") == 2
    assert "holds files that curate project did not write" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
