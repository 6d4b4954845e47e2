"""How long work tells what it is doing; the command line draws it, the library stays silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        """A stage begins; the one before it has ended."""

    def advance(self, done: int) -> None:
        """`done` of `total` so far, in the stage's unit."""

    def note(self, text: str) -> None:
        """One line for the user, now."""

    def finish(self) -> None:
        """The last stage has ended."""


class Silent:
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        pass

    def advance(self, done: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def finish(self) -> None:
        pass
