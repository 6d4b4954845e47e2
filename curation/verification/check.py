"""What a check of a version returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from curation.errors import CurateError, LeakError

LEAK: Final = "leaks"


@dataclass(frozen=True, slots=True)
class Found:
    """Problems, one line each, and what to say where there are none."""

    problems: list[str]
    summary: str


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str  # one line
    seconds: float
    made: bool = True  # False: the store is damaged where the check looks

    @property
    def exit_code(self) -> int:
        """0 where it holds, 4 for a leak, 1 for anything else, such as files too damaged to look for one."""
        if self.ok:
            return 0
        return LeakError.exit_code if self.made and self.name == LEAK else CurateError.exit_code


def one_line(found: Found) -> str:
    if not found.problems:
        return found.summary
    more = len(found.problems) - 1
    return f"{found.problems[0]} (and {more:,} more)" if more else found.problems[0]
