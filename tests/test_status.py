"""What is waiting in a workspace: not built, trained, evaluated or looked at, each with its command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import main
from curation import unbuilt
from curation.library import build
from curation.reading.sources import hash_file
from curation.runs import read_run, run_place, write_run
from curation.store import open_store
from curation.workspace import Workspace, init_workspace
from tests.compared import base_of, built, right_at, run_of
from tests.reported import RATIOS, arc, evaluated
from tests.review_data import evaluation


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    made = init_workspace(tmp_path / "w")
    rows = [json.dumps({"question": f"What is {i} and {i + 1}?", "answer": f"Number {i * 7}."}) for i in range(30)]
    (made.root / "data" / "raw" / "a.jsonl").write_text("\n".join(rows) + "\n")
    return made


def waiting(here: Workspace, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["-C", str(here.root), "status", "--json"]) == 0
    return {one["command"]: one["what"] for one in json.loads(capsys.readouterr().out)["todo"]}


def test_each_thing_that_waits_is_said_with_its_command(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(waiting(here, capsys)) == {"curate build"}
    build(here)
    capsys.readouterr()
    assert main(["-C", str(here.root), "status"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(": 1 version · 0 runs · 0 evaluations")
    assert set(waiting(here, capsys)) == {"curate train --check"}
    one = evaluation(run_place(here).experiments, lambda i: f"answer {i % 25}")
    assert waiting(here, capsys) == {"curate tag": f"5 wrong outputs of {one.name} were seen by nobody"}
    write_run(one.of, replace(read_run(one.of), state="interrupted"))
    assert waiting(here, capsys)["curate train --resume experiment_001"] == "experiment_001 was stopped"


def test_a_newer_version_is_told_until_it_is_trained_on(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    build(here)
    evaluation(run_place(here).experiments)
    (here.root / "data" / "raw" / "b.jsonl").write_text(
        '{"question": "Where is the manual kept?", "answer": "In the drawer."}\n'
    )
    build(here)
    capsys.readouterr()
    assert waiting(here, capsys) == {"curate train": "v2 is newer than the last run, which is of v1"}


def test_gates_that_do_not_pass_are_said_with_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = built(tmp_path / "work", 120, split=RATIOS)
    evaluated(made, base_of(made), right_at(0.9, "base"), arc(0.5, 0, 60))
    evaluated(made, run_of(made), right_at(0.2, "run"), arc(0.5, 0, 60))
    capsys.readouterr()
    said = waiting(made, capsys)["curate compare --full"]
    assert main(["compare", "--stored", "--json", "-C", str(made.root)]) == 0
    checks = json.loads(capsys.readouterr().out)["gates"]
    assert said.startswith("gate ")
    assert any(said.split(" (")[0] == f"gate {check['name']}" and check["result"] != "passed" for check in checks)
    evaluated(made, run_of(made, learning_rate=1e-3), right_at(0.9, "base"), arc(0.5, 0, 60))
    assert "gate token_f1" not in waiting(made, capsys).get("curate compare --full", "")


def test_fifteen_lines_however_much_is_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = built(tmp_path / "work", 20)
    for seed in range(20):
        folder = run_of(made, seed=seed)
        write_run(folder, replace(read_run(folder), state="interrupted"))
    capsys.readouterr()
    assert main(["status", "-C", str(made.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 15
    assert lines[-1].endswith(" more; curate status --json")


@pytest.mark.parametrize("command", ["status", "report", "card", "trace v1", "compare --stored"])
def test_a_store_that_lost_its_head_is_not_one_in_which_nothing_was_built(
    here: Workspace, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    build(here)
    evaluation(run_place(here).experiments)
    (here.store_path / "CURRENT").unlink()
    capsys.readouterr()
    assert main([*command.split(), "-C", str(here.root)]) == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("curate ")]
    assert "CURRENT: is missing; restore it from a backup, or write catalog-000001.duckdb into" in line


def test_a_damaged_run_or_evaluation_is_named_and_the_rest_is_told(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    build(here)
    one, other = (evaluation(run_place(here).experiments) for _ in range(2))
    (one.path / "run.json").write_text("{")
    (other.of / "run.json").write_text("{")
    capsys.readouterr()
    assert main(["-C", str(here.root), "status"]) == 0
    shown = capsys.readouterr().out
    assert f"{one.name} is damaged and left out: curate doctor" in shown
    assert f"{other.of.name} is damaged and left out: curate doctor" in shown


def of_builds(here: Workspace, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["-C", str(here.root), "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["todo"]
    return [one["what"] for one in found if one["command"] in ("curate build", "curate doctor")]


def test_what_the_last_build_has_not_read_waits_for_the_next(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    build(here)
    assert of_builds(here, capsys) == []
    source = here.root / "data" / "raw" / "a.jsonl"
    text = source.read_text()
    source.write_text(text.replace("Number 7.", "Number 8."))  # as long as it was
    (here.root / "data" / "raw" / "b.jsonl").write_text('{"question": "Where is it?", "answer": "In the drawer."}\n')
    assert of_builds(here, capsys) == ["data/raw/a.jsonl changed, data/raw/b.jsonl new since v1"]
    (here.root / "data" / "raw" / "b.jsonl").unlink()
    source.write_text(text)
    assert of_builds(here, capsys) == []  # written anew with the same bytes
    recipe = here.recipe_path.read_text()
    here.recipe_path.write_text(f"{recipe}\nnear: {{threshold: 0.7}}\nexport: {{format: alpaca}}\n")
    assert of_builds(here, capsys) == ["near.threshold changed in recipe.yaml since v1"]  # v1 keeps its export
    here.recipe_path.write_text(f"{recipe}\nnearr: {{threshold: 0.7}}\n")
    assert of_builds(here, capsys)[0].startswith("the next build would stop: ")
    here.recipe_path.unlink()
    assert "recipe.yaml: " in of_builds(here, capsys)[0]
    here.recipe_path.write_text(recipe)
    source.rename(source.with_name("c.jsonl"))
    assert of_builds(here, capsys) == ["data/raw/c.jsonl new, data/raw/a.jsonl gone since v1"]


def test_a_file_that_was_only_touched_is_looked_into_once(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    build(here)
    (here.root / "data" / "raw" / "a.jsonl").touch()
    looks = []

    def counted(name: str, path: Path) -> tuple[str, int]:
        looks.append(name)
        return hash_file(name, path)

    monkeypatch.setattr(unbuilt, "hash_file", counted)
    for _ in range(3):
        assert unbuilt.unbuilt(here, open_store(here.store_path)) == []
    assert looks == ["data/raw/a.jsonl"]


def test_a_licence_that_was_put_right_waits_for_no_build(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    build(here)
    here.recipe_path.write_text("sources: [{path: data/raw, licence: mit}]\n")
    assert of_builds(here, capsys) == []
    here.recipe_path.write_text("sources: [{path: data/raw, priority: 2}]\n")
    assert of_builds(here, capsys) == ["sources changed in recipe.yaml since v1"]


def test_a_patch_waits_to_be_built_and_to_be_taken_back(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    build(here)
    run_of(here)
    patch = ["--drop", "--row", "data/raw/a.jsonl:3", "--reason", "wrong", "--as", "ana", "--yes"]
    assert main(["patch", "add", *patch, "-C", str(here.root)]) == 0
    capsys.readouterr()
    assert of_builds(here, capsys) == ["p-001 not built yet"]
    build(here)
    assert waiting(here, capsys)["curate train"] == "v2 is newer than the last run, which is of v1"
    assert main(["patch", "drop", "p-001", "--yes", "-C", str(here.root)]) == 0
    capsys.readouterr()
    assert of_builds(here, capsys) == ["p-001 taken back, and still in v2"]
    build(here)  # v1 again, which was trained on
    assert "curate train" not in waiting(here, capsys)
    assert of_builds(here, capsys) == []


def test_a_patch_that_was_changed_by_hand_waits_and_one_with_rows_is_told_once(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    build(here)
    rows = here.root / "new.jsonl"
    rows.write_text('{"question": "Where is the manual kept?", "answer": "In the drawer."}\n')
    for what in (["--add", str(rows)], ["--drop", "--row", "data/raw/a.jsonl:3"]):
        assert main(["patch", "add", *what, "--reason", "x", "--as", "ana", "--yes", "-C", str(here.root)]) == 0
    build(here)
    capsys.readouterr()
    assert of_builds(here, capsys) == []
    added = here.root / "patches" / "p-001.jsonl"
    text = added.read_text()
    added.write_text(text.replace("the drawer", "the locker"))  # as long as it was
    assert of_builds(here, capsys) == ["p-001 changed since v2"]
    added.write_text(text)
    assert main(["patch", "drop", "p-001", "--yes", "-C", str(here.root)]) == 0
    capsys.readouterr()
    assert of_builds(here, capsys) == ["p-001 taken back, and still in v2"]


def test_a_run_of_a_version_that_the_last_build_went_back_from(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    build(here)
    recipe = here.recipe_path.read_text()
    here.recipe_path.write_text(f"{recipe}\nsplit: {{seed: 5}}\n")
    build(here)
    run_of(here)
    here.recipe_path.write_text(recipe)
    build(here)
    capsys.readouterr()
    assert waiting(here, capsys)["curate train"] == "the last build came back to v1, and the last run is of v2"


def test_outputs_without_a_version_wait_for_a_look_and_for_no_build(
    here: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    one = evaluation(run_place(here).experiments, lambda i: f"answer {i % 25}")
    assert waiting(here, capsys)["curate tag"] == f"5 wrong outputs of {one.name} were seen by nobody"
    assert "curate build" not in waiting(here, capsys)
