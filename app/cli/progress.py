"""What a build is doing, on stderr: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

from app.cli.render import Screen, seconds, visible

_EVERY: Final = 10.0  # seconds between two lines of one stage in a log


def progress(stream: TextIO | None = None) -> Lines | Bar:
    """A bar where somebody watches, lines where nobody does."""
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


class Lines:
    """One line as a stage ends, and one every ten seconds while it runs."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._name: str | None = None
        self._total: int | None = None
        self._unit = "rows"
        self._done = 0
        self._began = self._spoke = 0.0

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        self.finish()
        self._name, self._total, self._unit, self._done = name, total, unit, 0
        self._began = self._spoke = self._clock()

    def advance(self, done: int) -> None:
        self._done = done
        now = self._clock()
        if self._name is not None and now - self._spoke >= _EVERY:
            self._spoke = now
            self._say(f"{self._name}: {self._state(now)}")

    def note(self, text: str) -> None:
        self._say(visible(text))

    def finish(self) -> None:
        if self._name is None:
            return
        spent = self._clock() - self._began
        amount = self._total if self._total is not None else self._done
        self._say(f"{self._name}: {_amount(amount, self._unit)}, {seconds(spent)}" if amount else self._name)
        self._name = None

    def stop(self) -> None:
        """The build failed; there is nothing to clear away, and the stage has not ended."""

    def _state(self, now: float) -> str:
        spent = now - self._began
        rate = self._done / spent
        parts = [_amount(self._done, self._unit)]
        if self._total:
            parts[0] += f" of {_amount(self._total, self._unit)}"
        if rate:
            parts.append(_pace(rate, self._unit, " a second"))
            if self._total:
                parts.append(f"{seconds(max(self._total - self._done, 0) / rate)} left")
        return ", ".join(parts)

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bar:
    """The running stage with its rate and the time left; gone when the build is done."""

    def __init__(self, stream: TextIO) -> None:
        # rich takes longer to import than a small build takes: only where somebody watches.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        console = Console(file=stream, no_color=not Screen.of(stream).colour, highlight=False)
        self._bar = RichProgress(*columns, console=console, transient=True, refresh_per_second=8)
        self._task: Any = None
        self._unit = "rows"

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._unit = unit
        self._task = self._bar.add_task(name, total=total, state="")
        self._bar.start()

    def advance(self, done: int) -> None:
        if self._task is None:
            return
        task = self._bar.tasks[0]
        rate = f", {_pace(task.speed, self._unit, '/s')}" if task.speed else ""
        self._bar.update(self._task, completed=done, state=f"{_amount(done, self._unit)}{rate}")

    def note(self, text: str) -> None:
        self._bar.console.print(visible(text), markup=False)

    def finish(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._bar.stop()

    def stop(self) -> None:
        """The build failed: the terminal is needed for the error."""
        self.finish()


def _pace(rate: float, unit: str, each: str) -> str:
    """4 steps a second; where that rounds to none, 7.1 s each."""
    return f"{_amount(round(rate), unit)}{each}" if rate >= 1 else f"{seconds(1 / rate)} each"


def _amount(count: int, unit: str) -> str:
    if unit != "bytes":
        return f"{count:,} {unit}"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"
