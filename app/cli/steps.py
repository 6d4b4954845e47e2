"""Commands made of other commands, each of which is a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from app.cli.render import visible
from curation.errors import CurateError

INTERRUPTED: Final = 130


class StepFailedError(CurateError):
    """A command failed that another one is made of; it has said why."""

    def __init__(self, words: Sequence[str], code: int, whole: str) -> None:
        again = f"mend that and run curate {whole} again"
        super().__init__(f"stopped: curate {' '.join(words)} ended with code {code}; {again}")
        self.exit_code = code if code > 0 else 1  # below 0: killed by a signal


class Steps:
    """Runs commands of curate in processes of their own, so that memory comes back after each.

    whole: the command that they are the steps of.
    """

    def __init__(self, root: Path, whole: str) -> None:
        self.root, self._whole = root, whole
        self.code = 0  # of the last step
        package = str(Path(__file__).resolve().parents[2])
        # A small model gains nothing from a second thread, and loses much where the cores are busy.
        self._environment = {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        }

    def note(self, text: str) -> None:
        print(visible(text), file=sys.stderr, flush=True)

    def call(self, *words: str, inside: bool = True) -> None:
        """Run it; what it says goes to stderr, for stdout holds the result of the whole."""
        self._run(words, self._words(words, inside), sys.stderr.fileno())

    def told(self, *words: str, allowed: Sequence[int] = (0,)) -> dict[str, Any]:
        """Run it with --json and give its answer."""
        answer: dict[str, Any] = json.loads(
            self._run(words, [*self._words(words, True), "--json"], subprocess.PIPE, allowed)
        )
        return answer

    def lines(self, *words: str, allowed: Sequence[int] = (0,)) -> list[str]:
        """Run it and give the lines it says."""
        return self._run(words, self._words(words, True), subprocess.PIPE, allowed).decode().splitlines()

    def _run(self, words: Sequence[str], command: list[str], out: int, allowed: Sequence[int] = (0,)) -> bytes:
        print(f"\n$ curate {' '.join(quoted(word) for word in words)}", file=sys.stderr, flush=True)
        with _patiently() as asked:
            process = subprocess.Popen(command, env=self._environment, stdout=out)
            said, _ = process.communicate()
        self.code = process.returncode
        if asked or self.code == INTERRUPTED:
            raise KeyboardInterrupt(f"stopped; what was done is kept, curate {self._whole} again goes on")
        if self.code not in allowed:
            raise StepFailedError(words, self.code, self._whole)
        return said or b""

    def _words(self, words: tuple[str, ...], inside: bool) -> list[str]:
        place = ["-C", str(self.root)] if inside else []
        return [sys.executable, "-m", "app.cli", *place, *words]


@contextmanager
def _patiently() -> Iterator[list[int]]:
    """Ctrl-C reaches the step as well, which stops where it can go on from; wait for that. Gives the signals heard."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


def quoted(word: str) -> str:
    """As a reader would type it."""
    return f'"{word}"' if " " in word or "'" in word else word
