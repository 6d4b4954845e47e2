"""What a trace says: the thing itself, where it came from, what came of it; every link can be traced in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["row", "version", "run", "evaluation", "prediction", "tag", "patch", "number"]


@dataclass(frozen=True, slots=True)
class Link:
    """One step away. name: what `curate trace` takes, or "" where there is nothing more to trace."""

    kind: str
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Trace:
    """facts: of machines (--json); told: of people. both: nearest first."""

    kind: Kind
    name: str
    told: tuple[str, ...]
    came_from: tuple[Link, ...] = ()
    came_of_it: tuple[Link, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def begins(text: str | None, width: int = 70) -> str:
    """The beginning of a text on one line, quoted."""
    if text is None:
        return "(none)"
    line = " ".join(text.split())
    return f'"{line if len(line) <= width else line[: width - 3] + "..."}"'
