"""`curate folds`: every fold trained and evaluated, what is there not done again, and the pooled answers compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import main
from curation.runs import list_runs, read_run, working_on, write_run
from curation.workspace import Workspace
from eval.compare.folds import evaluated, trained
from eval.suite import load_suite
from tests.compared import SUITE, Answer, base_of, built, right_at, run_of, sit
from tests.lineage_workspace import store_of
from train.config import load_training_config, training_config

Capture = pytest.CaptureFixture[str]
CONFIG = training_config({"base_model": "models/tiny"})


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    """16 rows, 14 of them in three folds; nothing is trained yet."""
    here = built(tmp_path / "work", 16, split={"counts": {"train": 14, "test": 2}})
    assert main(["build", "-C", str(here.root), "--folds", "3"]) == 0
    (here.root / "suites").mkdir()
    (here.root / "suites" / "small.yaml").write_text(yaml.safe_dump(dict(SUITE)))
    return here


def fold(number: int) -> str:
    return f"v1-fold{number}of3"


def finished(made: Workspace, answer: Answer, **settings: Any) -> None:
    """All three folds as `curate folds` leaves them, the base beside."""
    base = base_of(made)
    for number in (1, 2, 3):
        sit(made, base, right_at(0.2, "base"), version=fold(number))
        sit(made, run_of(made, fold(number), **settings), answer, version=fold(number))


def folds(made: Workspace, *words: str) -> int:
    fixed = ("--folds", "3", "--suite", "small", "--set", "base_model=models/tiny")
    return main(["folds", "-C", str(made.root), *fixed, *words])


def test_what_is_there_is_not_done_again_and_16_rows_end_in_cannot_tell(made: Workspace, capsys: Capture) -> None:
    """Also where every answer is right: 14 items cannot carry it. What would be needed is said."""
    finished(made, lambda item: item.reference)
    before = [path.name for path in list_runs(made.root / "experiments")]
    capsys.readouterr()
    assert folds(made) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "v1: 3 folds trained and evaluated (3 of 3 trainings were there before)"
    assert lines[1].startswith("cannot tell whether v1 (3 folds) or base is better on token_f1")
    (kind,) = [line for line in lines if line.startswith("that is no fault of either")]
    assert "14 clusters of items cannot carry a verdict; 16 more questions with answers make 30" in kind
    assert not any("| near" in line for line in lines), "the nearest row is the item itself, of another fold's train"
    assert lines[-1] == "next: curate compare base v1 --pooled --full · curate folds --seeds 3"
    assert len(lines) <= 16
    assert [path.name for path in list_runs(made.root / "experiments")] == before
    assert "$ curate train" not in err
    assert "$ curate eval" not in err


def test_a_gate_that_is_not_passed_is_exit_code_5_and_machines_are_told(made: Workspace, capsys: Capture) -> None:
    finished(made, lambda item: item.reference)
    capsys.readouterr()
    assert folds(made, "--gate", "--json") == 5
    told = json.loads(capsys.readouterr().out)
    assert [one["fold"] for one in told["folds"]] == [fold(1), fold(2), fold(3)]
    assert all(one["known"] for one in told["folds"])
    assert told["compare"]["primary"]["verdict"] == "cannot tell"
    assert told["compare"]["gates"][0]["result"] == "cannot tell"  # every answer right, and still


def test_only_the_very_same_training_counts(made: Workspace) -> None:
    experiments = made.root / "experiments"
    version = store_of(made).resolve(fold(1)).id
    assert trained(experiments, version, CONFIG) is None
    run_of(made, fold(2))
    run_of(made, fold(1), learning_rate=1e-3)
    run_of(made, fold(1), seed=2)
    assert trained(experiments, version, CONFIG) is None
    right = run_of(made, fold(1))
    found = trained(experiments, version, replace(CONFIG, version=fold(1)))
    assert found is not None
    assert found.folder == right
    stopped = run_of(made, fold(1))
    write_run(stopped, replace(read_run(stopped), state="interrupted"))
    found = trained(experiments, version, CONFIG)
    assert found is not None
    assert found.folder == right, "a finished one comes before a newer one that stopped"
    write_run(right, replace(read_run(right), state="failed"))
    found = trained(experiments, version, CONFIG)
    assert found is not None
    assert found.folder == stopped


def test_only_a_whole_evaluation_of_run_and_base_by_this_suite_counts(made: Workspace) -> None:
    experiments = made.root / "experiments"
    version = store_of(made).resolve(fold(1)).id
    run, base, suite = run_of(made, fold(1)), base_of(made), load_suite("small", made.root)
    part = trained(experiments, version, CONFIG)
    assert part is not None
    answer = right_at(0.5, "x")
    sit(made, base, answer, version=fold(1))
    assert not evaluated(experiments, part, suite, version)
    sit(made, run, answer, version=fold(1), limit=1)
    sit(made, run, answer, version=fold(2))
    sit(made, run, answer, version=fold(1), suite={**SUITE, "metrics": ["token_f1"]})
    assert not evaluated(experiments, part, suite, version)
    sit(made, run, answer, version=fold(1))
    assert evaluated(experiments, part, suite, version)


def test_folds_of_one_model_were_trained_alike(made: Workspace, capsys: Capture) -> None:
    """With another config begun and not ended, the pooled answers are those of the one that is whole."""
    finished(made, right_at(0.5, "one"))
    for number in (1, 2):
        sit(made, run_of(made, fold(number), learning_rate=1e-3), right_at(0.6, "two"), version=fold(number))
    capsys.readouterr()
    words = ["compare", "base", "v1", "--pooled", "--stored", "--json", "-C", str(made.root)]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["b"]["models"] == [{"run": "experiment_002", "version": "v1", "seed": 1}]
    sit(made, run_of(made, fold(3), learning_rate=1e-3), right_at(0.6, "two"), version=fold(3))
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["b"]["models"][0]["run"] == "experiment_005"
    assert folds(made) == 0  # asked for the first config: nothing to do, but those compared are others
    assert "note: compared are the folds trained last" in capsys.readouterr().out


def test_a_training_that_is_at_work_is_not_begun_again(made: Workspace, capsys: Capture) -> None:
    run = run_of(made, fold(1))
    write_run(run, replace(read_run(run), state="running"))
    capsys.readouterr()
    with working_on(run):
        assert folds(made) == 6
    assert f"experiment_001: is at work on {fold(1)}; wait for its end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--version", "v9"], 2, 'version "v9" is not known'),
        (["--folds", "99"], 2, "a cluster is indivisible; ask for 14 folds or fewer"),
        (["--folds", "1"], 2, "--folds: must be a whole number from 2 up"),
        (["--version", "v1-fold1of3"], 2, "is a fold itself"),
        (["--suite", "last"], 2, "suite last: asks test; of folds each has its own exam, validation"),
        (["--suite", "file"], 2, "suite file: asks quiz.jsonl; of folds each has its own exam, validation"),
        (["--set", "lr=3"], 2, "lr is not a known key"),
    ],
)
def test_mistakes_are_one_line(made: Workspace, capsys: Capture, words: list[str], code: int, said: str) -> None:
    (made.root / "suites" / "last.yaml").write_text("split: test\n")
    (made.root / "suites" / "file.yaml").write_text("file: quiz.jsonl\n")
    capsys.readouterr()
    fixed = [word for word in ("--folds=3",) if "--folds" not in words]
    assert main(["folds", "-C", str(made.root), "--set", "base_model=models/tiny", *fixed, *words]) == code
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)
    assert list_runs(made.root / "experiments") == []


def test_a_step_that_fails_says_which_and_gives_its_code(made: Workspace, capfd: Capture) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("bitsandbytes")
    assert folds(made) == 2
    err = capfd.readouterr().err
    assert "$ curate train --version v1-fold1of3 --set base_model=models/tiny --set seed=1" in err
    assert "models/tiny" in err
    assert "ended with code 2; mend that and run curate folds again" in err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_a_small_set_goes_the_whole_way_and_on_from_where_it_stopped(tmp_path: Path, capfd: Capture) -> None:
    pytest.importorskip("bitsandbytes")
    from tests.tiny_model import tiny_model

    made = built(tmp_path / "work", 10, split={"counts": {"train": 8, "test": 2}})
    tiny_model(made.root / "models" / "tiny", hidden=32, layers=1)
    (made.root / "suites").mkdir()
    suite = "metrics: [token_f1]\nprimary: {metric: token_f1, margin: 0.05}\nbenchmarks: []\n"
    (made.root / "suites" / "small.yaml").write_text(suite + "generation: {max_new_tokens: 4}\n")
    (made.root / "configs").mkdir()
    text = "base_model: models/tiny\nquantization: none\nmax_steps: 2\nmax_length: 512\neval_strategy: 'no'\n"
    (made.root / "configs" / "training.yaml").write_text(text)
    words = ["folds", "-C", str(made.root), "--folds", "2", "--suite", "small"]
    capfd.readouterr()
    assert main(words) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "v1: 2 folds trained and evaluated"
    assert lines[1].startswith("cannot tell whether v1 (2 folds) or base is better on token_f1")
    runs = [read_run(path) for path in list_runs(made.root / "experiments")]
    of = [(run.version or {})["name"] for run in runs if run.kind == "training"]
    assert of == ["v1-fold1of2", "v1-fold2of2"]
    config = load_training_config(made.root / "configs" / "training.yaml")
    second = trained(made.root / "experiments", store_of(made).resolve("v1-fold2of2").id, config)
    assert second is not None
    write_run(second.folder, replace(second.run, state="interrupted", checkpoints=()))
    for path in second.folder.glob("eval-*/run.json"):
        path.unlink()
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert f"$ curate train --resume {second.name}" in err
    assert err.count("$ curate eval") == 1
    assert out.splitlines()[0] == "v1: 2 folds trained and evaluated (1 of 2 trainings were there before)"
