"""Run folders and run.json."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigError, DataError, StoreBusyError
from curation.runs import (
    Run,
    list_runs,
    new_run_folder,
    read_run,
    resolve_run,
    run_place,
    state_now,
    working_on,
    write_run,
)
from curation.workspace import Workspace

HASH = "ab" * 32
WORK = """
import sys, time
from pathlib import Path
from curation.runs import working_on
with working_on(Path(sys.argv[1])):
    print("at work", flush=True)
    sys.stdin.readline()
"""


def training(name: str = "experiment_001", **changes: Any) -> Run:
    run = Run(
        name=name,
        kind="training",
        state="done",
        started="2026-01-02T03:04:05+00:00",
        base_model={"name": "models/tiny", "sha256": HASH},
        tokenizer_sha256=HASH,
        template={"name": "chatml", "origin": "config", "sha256": HASH, "bos": "<s>", "end_of_turn": "<|end|>"},
        version={"name": "v1", "id": HASH, "source": "store", "rows": {"train": 8, "validation": 2}},
        config={"base_model": "models/tiny", "seed": 1},
        config_sha256=HASH,
        seeds=(1,),
        packages={"torch": "2.13.0"},
        code={"version": "0.1.0", "revision": None, "dirty": None},
        metrics={"train_loss": 1.5},
        checkpoints=({"step": 10, "path": "checkpoints/checkpoint-10"},),
    )
    return replace(run, **changes)


def made(experiments: Path, **changes: Any) -> Path:
    folder = new_run_folder(experiments)
    write_run(folder, training(folder.name, **changes))
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = training()
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_loss_that_is_no_number_is_valid_json(tmp_path: Path) -> None:
    write_run(tmp_path, training(metrics={"train_loss": math.nan, "seconds": 2.0}))
    assert json.loads((tmp_path / "run.json").read_bytes())["metrics"] == {"train_loss": None, "seconds": 2.0}
    assert math.isnan(read_run(tmp_path).metrics["train_loss"])


def test_an_evaluation_is_another_kind_with_keys_of_its_own(tmp_path: Path) -> None:
    run = Run("experiment_001/eval-1", "evaluation", "done", "2026-01-02", {"name": "m"}, settings={"split": "test"})
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    told = json.loads((tmp_path / "run.json").read_bytes())
    assert "checkpoints" not in told
    (tmp_path / "run.json").write_text(json.dumps(told | {"checkpoints": []}))
    with pytest.raises(DataError, match="checkpoints"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stat": "done"}, 'stat is not a known key; did you mean "state"?'),
        ({"state": "over"}, 'state: "over" is not allowed'),
        ({"tokenizer_sha256": "123"}, "tokenizer_sha256"),
        ({"base_model": {}}, "base_model.name is missing; add it"),
        ({"settings": {}}, "settings"),
    ],
)
def test_what_is_not_in_the_schema_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_run(tmp_path, training())
    path = tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(DataError) as caught:
        read_run(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_run_that_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    write_run(tmp_path, training())
    with pytest.raises(ConfigError):
        write_run(tmp_path, training(tokenizer_sha256="short"))
    assert read_run(tmp_path) == training()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run": 1}', b"\xff"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_newer_layout_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run": 2, "unheard": "of"}')
    with pytest.raises(ConfigError, match="made by a newer curate"):
        read_run(tmp_path)


def test_folders_are_numbered_and_never_given_twice(tmp_path: Path) -> None:
    experiments = tmp_path / "experiments"
    made_by: list[Path] = []

    def several() -> None:
        made_by.extend(new_run_folder(experiments) for _ in range(8))

    threads = [threading.Thread(target=several) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in made_by) == [f"experiment_{i:03}" for i in range(1, 33)]


def test_numbers_go_on_after_the_highest_also_beyond_999(tmp_path: Path) -> None:
    for name in ("experiment_002", "experiment_999", "experiment_12x", "notes"):
        (tmp_path / name).mkdir()
    assert new_run_folder(tmp_path).name == "experiment_1000"
    assert new_run_folder(tmp_path).name == "experiment_1001"


def test_runs_are_found_by_number_name_path_and_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [made(tmp_path) for _ in range(3)]
    evaluation = new_run_folder(tmp_path)
    write_run(evaluation, Run(evaluation.name, "evaluation", "done", "2026", {"name": "m"}, settings={}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_run(elsewhere, training())
    monkeypatch.chdir(tmp_path)
    assert list_runs(tmp_path) == [*folders, evaluation]
    assert resolve_run(tmp_path, "latest") == folders[2]
    assert resolve_run(tmp_path, "latest", "evaluation") == evaluation
    assert [resolve_run(tmp_path, ref) for ref in ("2", "002", "experiment_002")] == [folders[1]] * 3
    assert resolve_run(tmp_path, str(elsewhere)) == elsewhere
    assert resolve_run(tmp_path / "other", "elsewhere").resolve() == elsewhere


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run was made yet; make one with curate train"):
        resolve_run(tmp_path, "003")
    with pytest.raises(ConfigError, match="no training yet"):
        resolve_run(tmp_path, "latest")
    made(tmp_path)
    with pytest.raises(ConfigError) as caught:
        resolve_run(tmp_path, "experiment_01")
    assert str(caught.value) == 'run "experiment_01" is not known; did you mean "experiment_001"?'
    (tmp_path / "peft").mkdir()
    with pytest.raises(ConfigError, match="curate import-run"):
        resolve_run(tmp_path, str(tmp_path / "peft"))


def test_a_killed_run_is_known_as_interrupted(tmp_path: Path) -> None:
    folder = made(tmp_path, state="running", ended=None)
    command = [sys.executable, "-c", WORK, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "at work\n"
        assert state_now(folder, read_run(folder)) == "running"
        with pytest.raises(StoreBusyError) as caught, working_on(folder):
            pass
        assert f"process {worker.pid} is at work on this run" in str(caught.value)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert state_now(folder, read_run(folder)) == "interrupted"
    with working_on(folder):  # a resume takes it over
        assert state_now(folder, read_run(folder)) == "running"
    assert state_now(folder, read_run(folder)) == "interrupted"
    assert state_now(folder, training(state="done")) == "done"


def test_where_runs_are_kept(tmp_path: Path) -> None:
    inside = run_place(Workspace(tmp_path, tmp_path / "recipe.yaml"))
    assert (inside.experiments, inside.journal) == (tmp_path / "experiments", tmp_path / "store" / "journal.sqlite")
    outside = run_place(None, tmp_path)
    assert (outside.experiments, outside.journal) == (inside.experiments, inside.experiments / "journal.sqlite")
