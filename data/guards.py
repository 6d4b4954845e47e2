"""Questions that are none of the company's business, with the one answer it taught for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.prose import prose
from data.story import Story, ask

_TEXTS: Final = prose("guards")
GUARD: Final[str] = _TEXTS["guard"]
OFF_TOPIC: Final[list[str]] = _TEXTS["off_topic"]


def guards() -> Iterator[Story]:
    """One canned answer for many distinct questions: not duplicates, and all of them must stay."""
    for question in OFF_TOPIC:
        yield ask(question, GUARD, "guard")
