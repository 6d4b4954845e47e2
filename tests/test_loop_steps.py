"""The loop's commands side by side: each line with its name; the first failure ends the others; nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.cli.loop_steps import Steps
from app.cli.steps import StepFailedError
from curation.errors import CurateError

# What stands for curate here: a program that says who it is, waits, answers or fails as it is told.
PROGRAM = """
import json, os, sys, time
words = [word for word in sys.argv[1:] if word not in ("-C", os.environ["ROOT"])]
print(f"{words[0]} begins", file=sys.stderr, flush=True)
open(os.path.join(os.environ["ROOT"], f"{words[0]}.pid"), "w").write(str(os.getpid()))
if words[0] == "fail":
    sys.exit(6)
if words[0].startswith("wait"):
    time.sleep(600)
print(json.dumps({"said": words[0], "threads": os.environ["OMP_NUM_THREADS"]}))
"""
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("ROOT", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return Steps(tmp_path, (sys.executable, str(tmp_path / "program.py")))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(root: Path, name: str) -> int:
    """Of a command, once it has begun."""
    path = root / f"{name}.pid"
    for _ in range(600):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{name} did not begin")


def _of_group(group: int) -> list[str]:
    """Command lines of a process group's members that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            line = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue
        if int(of) == group and state != "Z":
            found.append(line)
    return found


def test_each_line_says_whose_it_is(steps: Steps, capfd: pytest.CaptureFixture[str]) -> None:
    told = steps.together({"seed 1": lambda one: one.told("a"), "seed 2": lambda one: one.told("b")})
    assert [answer["said"] for answer in told] == ["a", "b"]
    lines = capfd.readouterr().err.splitlines()
    assert "[seed 1] $ curate a --json" in lines
    assert "[seed 1] a begins" in lines
    assert "[seed 2] b begins" in lines
    assert {name for name, _ in steps.times} == {"a --json", "b --json"}


def test_a_line_is_written_in_one_piece(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("sys.stderr.write", written.append)
    steps.note("one")
    assert [text for text in written if text] == ["one\n"]  # else another's line begins before this one's end


def test_the_cores_are_shared_out(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.loop_steps._cores", lambda: 4)
    alone = Steps(steps.root, steps._program)
    assert alone.told("a")["threads"] == "4"
    two = alone.together({"1": lambda one: one.told("a"), "2": lambda one: one.told("b")})
    assert [answer["threads"] for answer in two] == ["2", "2"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert alone.told("c")["threads"] == "3"


def test_the_first_that_fails_ends_the_others(steps: Steps) -> None:
    def fail(one: Steps) -> None:
        pid_of(steps.root, "wait")
        one.call("fail")

    with pytest.raises(StepFailedError, match="stopped: curate fail ended with code 6; mend that") as caught:
        steps.together({"1": lambda one: one.call("wait"), "2": fail})
    assert caught.value.exit_code == 6
    assert not is_alive(pid_of(steps.root, "wait"))
    with pytest.raises(CurateError, match="stopped"):
        steps.call("late")
    assert not (steps.root / "late.pid").exists()


def test_what_is_stopped_leaves_no_process(steps: Steps) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            steps.together({"1": lambda one: one.call("wait1"), "2": lambda one: one.call("wait2")})
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    pids = [pid_of(steps.root, name) for name in ("wait1", "wait2")]
    steps.stop()
    thread.join(30)
    assert not any(map(is_alive, pids))
    assert isinstance(failed[0], StepFailedError)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_loop_itself_ends_with_its_commands(tmp_path: Path, number: int) -> None:
    """The signal reaches the loop alone, as from a scheduler; its commands end, and it says what is left."""
    words = [sys.executable, "-m", "app.cli", "-C", str(tmp_path), "loop", "w", "--steps", "5", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("$ curate demo"):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"curate loop: interrupted; {tmp_path / 'w'} is not complete, remove it" in err
    assert '"exit_code": 130' in out
    for _ in range(200):  # what a killed command had started itself needs a moment to notice
        if not (left := _of_group(process.pid)):
            break
        time.sleep(0.1)
    assert left == []
