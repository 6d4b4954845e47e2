"""`curate compare`: the screen, exit codes, JSON, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.render import LINES
from curation.runs import read_run, write_run
from curation.workspace import Workspace
from tests.compared import SUITE, Answer, base_of, build, built, right_at, row, run_of, sit
from tests.lineage_workspace import write
from tests.test_compare import arc

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The base, a run of v1, and a better one of v2; all sat the exam of v2."""
    made = built(
        tmp_path_factory.mktemp("cli") / "work", split={"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}}
    )
    write(made.root, [row(number) for number in range(5, 310)])
    build(made)
    suite = {**SUITE, "slices": ["topic"]}
    for folder, share, elsewhere in (
        (base_of(made), 0.3, 0.5),
        (run_of(made, "v1"), 0.4, 0.5),
        (run_of(made), 0.6, 0.4),
    ):
        sit(made, folder, right_at(share, folder.name), version="v2", suite=suite, arc=arc(elsewhere))
    return made


@pytest.fixture
def here(evaluated: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(evaluated.root, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def told(capsys: Capture, *argv: str, code: int = 0) -> list[str]:
    capsys.readouterr()
    assert main(["compare", "--stored", *argv]) == code
    out, err = capsys.readouterr()
    return (err if code not in (0, 5) else out).splitlines()


def told_json(capsys: Capture, *argv: str, code: int = 0) -> Any:
    (line,) = told(capsys, *argv, "--json", code=code)
    return json.loads(line)


def starting(lines: Sequence[str], start: str) -> str:
    (found,) = [line for line in lines if line.startswith(start)]
    return found


def test_the_first_screen_says_it_all_in_fifteen_lines(here: Workspace, capsys: Capture) -> None:
    lines = told(capsys, "2", "3")
    assert len(lines) <= LINES
    assert lines[0].startswith("experiment_003 (v2) is better than experiment_002 (v1) on token_f1: 0.")
    assert lines[1] == "claim: these two models differ; one seed a side says nothing about the data yet"
    assert starting(lines, "exam: ").startswith("exam: validation of v2, 153 of 153 items in 153 clusters")
    assert starting(lines, "arc-easy acc_norm").endswith(": a loss of 2 points")
    assert starting(lines, "data v1 -> v2: ").startswith("data v1 -> v2: rows +10 -5 ")
    assert sum(line.startswith("  ") for line in lines) == 5
    assert lines[-1] == (
        "next: curate compare experiment_002 experiment_003 --full · curate diff v1 v2 · curate train --seeds 3"
    )
    assert "caused" not in "".join(lines)


def test_without_names_it_is_the_base_against_the_last_run(here: Workspace, capsys: Capture) -> None:
    assert told(capsys)[0].startswith("experiment_003 (v2) is better than base on token_f1")
    assert told_json(capsys)["a"]["label"] == "base"


def test_a_gate_that_is_not_passed_is_exit_code_5(here: Workspace, capsys: Capture) -> None:
    lines = told(capsys, "2", "3", "--gate", code=5)
    assert starting(lines, "gates") == (
        "gates not passed: token_f1 loses less than 0.05: passed · arc-easy loses less than 0.02: failed"
    )
    assert not any(line.startswith("gates") for line in told(capsys, "2", "3"))
    found = told_json(capsys, "2", "3", "--gate", code=5)
    assert [check["result"] for check in found["gates"]] == ["passed", "failed"]
    assert found["gated"]


def test_a_suite_with_a_gate_needs_no_option(here: Workspace, capsys: Capture) -> None:
    for number in (1, 3):
        folder = here.root / "experiments" / f"experiment_{number:03}"
        suite = {**SUITE, "gates": {"primary": "better"}, "benchmarks": []}
        sit(here, folder, right_at(0.5, "same"), version="v2", suite=suite)
    assert "not passed" in starting(told(capsys, code=5), "gates")


def test_everything_is_shown_in_full(here: Workspace, capsys: Capture) -> None:
    lines = told(capsys, "2", "3", "--full", "--flips", "7")
    table = starting(lines, "metric")
    assert all(word in table for word in ("experiment_002 (v1)", "95 % interval", "p (Holm)", "could show", "verdict"))
    assert starting(lines, "token_f1, topic=a")
    assert starting(lines, "perplexity")
    assert "token_f1 against base" in starting(lines, "run ")
    assert sum(line.startswith("  reference ") for line in lines) == 7


def test_the_same_bytes_each_time(here: Workspace, capsys: Capture) -> None:
    assert told(capsys, "2", "3", "--json") == told(capsys, "2", "3", "--json")
    assert told(capsys, "2", "3", "--json") != told(capsys, "2", "3", "--json", "--seed", "7")


def test_machines_are_told_everything(here: Workspace, capsys: Capture) -> None:
    found = told_json(capsys, "2", "3")
    assert found["primary"]["verdict"] == "better"
    assert found["primary"]["seeds"] == [1, 1]
    assert {one["name"] for one in found["secondary"]} == {"exact_match", "perplexity"}
    assert set(found["slices"]) == {"topic=a", "topic=b"}
    assert found["exam"]["version"] == "v2"
    assert found["exam"]["evaluations"] == ["experiment_003/eval-1"]
    assert found["trade_off"]["against"] == "base"
    assert len(found["trade_off"]["runs"]) == 2
    assert found["data"]["counts"]["added"] == 10
    assert all(len(flip["prediction_a"]) == 16 for flip in found["flips"])


def test_hostile_text_cannot_steer_the_terminal(here: Workspace, capsys: Capture) -> None:
    experiments = here.root / "experiments"
    sit(here, experiments / "experiment_001", lambda item: item.reference)
    sit(here, experiments / "experiment_002", lambda item: f"\x1b[2J\u202e{item.item_id}")
    for more in ((), ("--full",)):
        lines = told(capsys, "1", "2", *more)
        assert not any("\x1b" in line or "\u202e" in line for line in lines)
        assert any("\\x1b[2J\\u202e" in line for line in lines)


def test_two_items_are_told_kindly_what_would_be_needed(here: Workspace, capsys: Capture) -> None:
    for number in (1, 3):
        folder = here.root / "experiments" / f"experiment_{number:03}"
        shutil.rmtree(folder / "eval-1")
        sit(here, folder, right_at(number / 3, "x"), version="v2", limit=2)
    lines = told(capsys)
    assert lines[0].startswith("cannot tell whether experiment_003 (v2) or base is better on token_f1")
    assert starting(lines, "that is no fault of either").startswith(
        "that is no fault of either: 2 clusters of items cannot carry a verdict; hold out 30 or more"
    )
    assert "partial" in starting(lines, "exam: ")


def test_an_exam_that_could_show_nothing_says_so(here: Workspace, capsys: Capture) -> None:
    for number, right in ((1, cycle([True, False])), (3, cycle([False, True]))):
        folder = here.root / "experiments" / f"experiment_{number:03}"
        shutil.rmtree(folder / "eval-1")
        sit(here, folder, _by_turns(right), version="v2", limit=4)
    lines = told(capsys)
    why = "no difference that token_f1 can show would be found with 4 items"
    assert why in starting(lines, "exam: ")
    assert "could have shown" not in "".join(lines)
    found = told_json(capsys)
    assert (found["primary"]["detectable"], found["primary"]["undetectable"]) == (None, why)
    assert any(line.split()[-4:] == ["4", "none", "cannot", "tell"] for line in told(capsys, "--full"))
    page = Path(_report(capsys)["markdown"]).read_text()
    assert page.count(why.replace("_", "\\_")) == 2
    assert "could have shown" not in page


def _by_turns(right: Iterator[bool]) -> Answer:
    return lambda item: item.reference if next(right) else "unknown"


def _report(capsys: Capture) -> Any:
    capsys.readouterr()
    assert main(["report", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_evaluation_of_a_part_does_not_hide_a_whole_one(here: Workspace, capsys: Capture) -> None:
    sit(here, here.root / "experiments" / "experiment_003", right_at(0.6, "x"), version="v2", limit=2)
    assert "153 of 153 items" in starting(told(capsys), "exam: ")


def test_looks_at_test_are_counted(here: Workspace, capsys: Capture) -> None:
    for number in (1, 3):
        folder = here.root / "experiments" / f"experiment_{number:03}"
        sit(here, folder, right_at(0.5, "x"), version="v2", suite={**SUITE, "split": "test"})
    suite = here.root / "experiments" / "experiment_003" / "eval-2" / "run.json"
    suite.write_text(suite.read_text().replace('"suite": "small"', '"suite": "final"'))
    first, second = (starting(told(capsys, "--suite", "final"), "look ") for _ in range(2))
    assert first.startswith("look 1 at this test, the first")
    assert second.startswith("look 2 at this test, after 1 of experiment_003")
    assert not any(line.startswith("look") for line in told(capsys))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["1", "2", "3"], "curate compare: 3 sides; name two, and several runs of one side with commas"),
        (["2", "9"], 'curate compare: run "9" is not known'),
        (["2", "2"], "curate compare: experiment_002 stands on both sides; name two different runs"),
        (["2,3", "1"], 'curate compare: "2,3": experiment_002 and experiment_003 differ in more than their seed'),
        (["--suite", "tall"], "curate compare: experiment_003: was not evaluated with suite tall; it was with small, "),
        (["--pooled"], "curate compare: latest: no fold of it was trained and evaluated"),
        (["--seed", "x"], 'curate compare: --seed: must be a whole number from 0 up, not "x"'),
    ],
)
def test_mistakes_are_one_line(here: Workspace, capsys: Capture, argv: list[str], message: str) -> None:
    (line,) = [line for line in told(capsys, *argv, code=2) if line.startswith("curate compare:")]
    assert line.startswith(message)


@pytest.mark.parametrize("state", ["interrupted", "running"])  # running, and no process at work: it was killed
def test_a_run_that_did_not_come_to_its_end_is_named_and_no_seed(here: Workspace, capsys: Capture, state: Any) -> None:
    cut = run_of(here, seed=2)
    sit(here, cut, right_at(0.6, cut.name), suite=SUITE, arc=arc(0.4))
    assert told(capsys, "2", "3")[0].startswith("v2 (2 seeds) is better than experiment_002 (v1)")
    write_run(cut, replace(read_run(cut), state=state))
    resume = "curate train --resume experiment_004"
    found = told_json(capsys, "2", "3")
    assert [one["run"] for one in found["b"]["models"]] == ["experiment_003"]
    assert found["notes"] == [f"experiment_004, another seed, is left out: it is interrupted; {resume}"]
    lines = told(capsys, "2", "4")
    assert lines[0].startswith("experiment_004 (v2, interrupted) is better than experiment_002 (v1)")
    assert lines[1] == (
        "claim: these models differ; experiment_004 was not trained to its end: nothing on data, settings or seeds"
    )
    assert f"note: experiment_004 is interrupted, not trained to its end; {resume}" in lines
    assert told_json(capsys, "3", "4")["noise_floor"] is None
    (line,) = [one for one in told(capsys, "2", "3,4", code=2) if one.startswith("curate compare:")]
    assert line == (
        'curate compare: "3,4": experiment_004 is interrupted, which is no seed of a training that came to its end; '
        f"{resume}, or leave it out"
    )


def test_a_damaged_run_that_is_on_no_side_is_left_out_and_said(here: Workspace, capsys: Capture) -> None:
    sound = told_json(capsys, "1", "3")
    (here.root / "experiments" / "experiment_002" / "run.json").write_text('{"broken')
    found = told_json(capsys, "1", "3")
    assert found["primary"] == sound["primary"]
    assert "experiment_002 is left out, its run.json is damaged; curate doctor says more" in found["notes"]
    (line,) = told(capsys, "2", "3", code=3)
    assert "experiment_002/run.json: cannot be read" in line


def test_an_evaluation_without_its_suite_and_one_that_the_other_was_not_asked(here: Workspace, capsys: Capture) -> None:
    suite = here.root / "experiments" / "experiment_003" / "eval-1" / "suite.yaml"
    suite.unlink()
    (line,) = [one for one in told(capsys, "1", "3", code=2) if one.startswith("curate compare:")]
    assert line.endswith("copy the whole folder again, or move it away and run curate eval experiment_003")
    shutil.rmtree(suite.parent)
    sit(here, suite.parent.parent, right_at(0.5, "new"), suite={**SUITE, "split": "test"})
    (line,) = [one for one in told(capsys, "1", "3", code=3) if one.startswith("curate compare:")]
    asks = "curate compare base experiment_003 asks it"
    assert line.endswith(f"{asks}, or name with --suite what experiment_001 was asked too")


def test_why_nobody_could_be_asked_is_said_where_that_is_why_nothing_can_be_compared(
    here: Workspace, tmp_path: Path
) -> None:
    """Without torch, as the plain package is installed."""
    suite = here.root / "experiments" / "experiment_003" / "eval-1" / "suite.yaml"
    shutil.rmtree(suite.parent)
    sit(here, suite.parent.parent, right_at(0.5, "new"), suite={**SUITE, "split": "test"})
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    path = os.pathsep.join([str(plain), *sys.path])
    command = [sys.executable, "-m", "app.cli", "compare", "base", "3"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("curate compare:")]
    assert done.returncode == 3
    assert line.endswith('experiment_001 could not be asked (torch is missing; pip install "curate[eval]")')
    assert "asks it" not in line


def test_nothing_trained_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = told(capsys, code=2)
    assert (
        line.startswith('curate compare: run "latest" is not known, and no run was made yet')
        or "no training yet" in line
    )
