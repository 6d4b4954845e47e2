"""Conversations of several turns, composed from scenes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.prose import prose
from data.story import MACHINES, Story

_TEXTS: Final = prose("chats")
OPENINGS: Final[list[list[str]]] = _TEXTS["openings"]
PLACES: Final[list[str]] = _TEXTS["places"]

# user, assistant, user, assistant
SCENES: Final[list[list[str]]] = _TEXTS["scenes"]
CLOSINGS: Final[list[list[str]]] = _TEXTS["closings"]


def chats(draw: Draw) -> Iterator[Story]:
    """Every scene several times, with and without opening and closing."""
    for scene in SCENES:
        openings, closings = draw.shuffled(OPENINGS), draw.shuffled(CLOSINGS)
        for form in range(5):
            machine = draw.choice(MACHINES)
            turns = tuple(scene if form else scene[:2])
            turns = (*openings[form], *turns) if form in (1, 3, 4) else turns
            turns = (*turns, *closings[form]) if form > 1 else turns
            turns = (*turns, *closings[0]) if form == 4 else turns
            words = {"m": machine.name, "kind": machine.kind, "place": draw.choice(PLACES), "n": draw.between(2, 9)}
            yield Story(tuple(turn.format(**words) for turn in turns), "chat")
