"""Which words of two answers say something else: words apart that are neither forms of one word nor synonyms."""

from __future__ import annotations

from typing import Final

# Each line holds words that may stand for each other in any sentence that gives instructions or an explanation.
SYNONYMS: Final = (
    "check verify", "wipe clean", "usual common", "usually normally", "order sequence", "press push", "close shut",
    "note record", "slowly gently", "pick choose select", "look glance", "put place", "start starts begin begins",
    "told informed", "keep retain", "show display", "big large", "quick fast", "quickly fast", "also additionally",
    "finish complete", "help assist", "fix repair mend", "need require", "get obtain", "make create", "use utilize",
    "about roughly approximately", "ensure guarantee", "error mistake", "answer reply", "buy purchase",
    "important essential", "various several", "however but", "therefore thus hence", "colour color", "centre center",
    "prüfe kontrolliere", "wähle aussuchen", "verifică controlează", "alege selectează",
)  # fmt: skip

_ENDINGS: Final = ("s", "es", "d", "ed")
_SHORTEST: Final = 3  # letters of a word that takes an ending
_STANDS_FOR: Final = {word: line.split()[0] for line in reversed(SYNONYMS) for word in line.split()}


def swapped(left: set[str], right: set[str]) -> tuple[set[str], set[str]]:
    """The words each side has and the other lacks, without forms of one word and synonyms."""
    gone, come = left - right, right - left
    same = [(one, two) for one in gone for two in come if _alike(one, two)] if len(gone) * len(come) < 400 else []
    return gone - {one for one, _ in same}, come - {two for _, two in same}


def _alike(one: str, two: str) -> bool:
    if _STANDS_FOR.get(one, one) == _STANDS_FOR.get(two, two):
        return True
    short, long = sorted((one, two), key=len)
    return len(short) >= _SHORTEST and long.startswith(short) and long[len(short) :] in _ENDINGS
