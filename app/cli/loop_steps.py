"""The commands that `curate loop` runs: each a process of its own, several side by side where there are cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import copy
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import IO, Any, Final, TypeVar

from app.cli.render import seconds, visible
from app.cli.steps import StepFailedError, quoted
from curation.errors import CurateError

T = TypeVar("T")
_PATIENCE: Final = 15.0  # seconds that a command has to end by itself when it is asked to


class _Processes:
    """The commands at work. Once stopped, none is left and none can start."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._alive: list[subprocess.Popen[bytes]] = []
        self._stopped = False

    def start(self, command: list[str], **settings: Any) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise CurateError("stopped")
            process = subprocess.Popen(command, **settings)
            self._alive = [one for one in self._alive if one.poll() is None] + [process]
        return process

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        for process in self._alive:
            process.terminate()
        deadline = monotonic() + _PATIENCE
        try:
            for process in self._alive:
                process.wait(max(0.1, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:  # also where somebody presses Ctrl-C a second time
            for process in self._alive:
                process.kill()


class Steps:
    """Runs commands of curate in a workspace, so that memory comes back after each."""

    def __init__(self, root: Path, program: Sequence[str] = (sys.executable, "-m", "app.cli")) -> None:
        self.root = root
        self._program = program
        self.times: list[tuple[str, float]] = []  # command, seconds; in the order in which they ended
        self._label = ""  # before each line, where several speak at once
        self._threads = _cores()
        self._processes = _Processes()

    def note(self, text: str) -> None:
        self._say(visible(text))

    def call(self, *words: str, inside: bool = True) -> None:
        """Run it; what it says goes to stderr, for the loop's own result is on stdout."""
        self._say(self._run(words, inside))

    def told(self, *words: str) -> dict[str, Any]:
        """Run it with --json and give its answer."""
        answer: dict[str, Any] = json.loads(self._run((*words, "--json"), True))
        return answer

    def together(self, work: Mapping[str, Callable[[Steps], T]]) -> list[T]:
        """Do each by its name, as many at once as there are cores; the first that fails ends the others."""
        at_once = min(len(work), _cores())
        with ThreadPoolExecutor(at_once) as pool:
            jobs = [pool.submit(job, self._beside(name, at_once, len(work))) for name, job in work.items()]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                self.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [job.result() for job in jobs]

    def stop(self) -> None:
        """End what is at work; nothing can be started afterwards."""
        self._processes.stop()

    def _beside(self, name: str, at_once: int, count: int) -> Steps:
        other = copy(self)
        other._label = f"[{name}] " if count > 1 else self._label
        other._threads = max(1, _cores() // at_once)
        return other

    def _run(self, words: tuple[str, ...], inside: bool) -> str:
        """What it says on stdout; StepFailedError where it fails. What it says on stderr is passed on at once."""
        self._say(f"{'' if self._label else chr(10)}$ curate {' '.join(quoted(word) for word in words)}")
        place = ["-C", str(self.root)] if inside else []
        command = [*self._program, *place, *words]
        began = monotonic()
        with tempfile.TemporaryFile() as out:
            spoken = subprocess.PIPE if self._label else None
            process = self._processes.start(command, env=self._environment(), stdout=out, stderr=spoken)
            if process.stderr is not None:
                self._pass_on(process.stderr)
            code = process.wait()
            out.seek(0)
            said = out.read().decode(errors="replace")
        if code:
            raise StepFailedError(words, code, "loop")
        spent = monotonic() - began
        self.times.append((" ".join(words), round(spent, 1)))
        if self._label:
            self._say(f"{words[0]}: {seconds(spent)}")
        return said

    def _pass_on(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._say(line.decode(errors="replace").rstrip("\n"))

    def _environment(self) -> dict[str, str]:
        package = str(Path(__file__).resolve().parents[2])
        return {
            # Where two models are trained side by side, a thread a core is fastest; they would only wait for others.
            "OMP_NUM_THREADS": str(self._threads),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        }

    def _say(self, text: str) -> None:
        if text.rstrip("\n"):
            lines = text.rstrip("\n").split("\n")
            whole = "".join(f"{self._label}{line}\n" for line in lines)
            print(whole, end="", file=sys.stderr, flush=True)  # in one piece: several speak at once


def _cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
