"""What is waiting in a workspace: not built, trained, evaluated or looked at, each with its command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import main
from curation.library import build
from curation.runs import read_run, run_place, write_run
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
