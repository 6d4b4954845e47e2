"""The table of words that carry facts, and what they may be."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.facts_words import (
    BEFORE_UNITS,
    DATES,
    DATES_BESIDE_DIGITS,
    LABELS,
    MORE_NUMBERS,
    NEGATIONS,
    NUMBERS,
    UNITS,
    UNITS_ANYWHERE,
)
from curation.shingles import MULTIPLIER

NUMBER, CODE, UNIT, DATE, NEGATION, OPERATOR = range(6)
KINDS: Final = 6
# In the table only: a date beside a digit, a unit wherever it stands, "degrees", "option".
MAYBE_DATE, UNIT_ANYWHERE, BEFORE_UNIT, LABEL = range(6, 10)
SLOTS: Final = 2048


@cache
def lexicon_table() -> npt.NDArray[np.uint64]:
    """Open-addressing table of the words that carry facts: hash, kind + 1, meaning."""
    table = np.zeros((SLOTS, 3), np.uint64)
    entries = [(word, NEGATION, "not") for words in NEGATIONS for word in words.split()]
    entries += [(w, NUMBER, str(n)) for n, words in enumerate(NUMBERS) for w in words.split()]
    for kind, lines in (
        (NUMBER, MORE_NUMBERS), (DATE, DATES), (MAYBE_DATE, DATES_BESIDE_DIGITS), (UNIT, UNITS),
        (UNIT_ANYWHERE, UNITS_ANYWHERE), (BEFORE_UNIT, BEFORE_UNITS), (LABEL, LABELS),
    ):  # fmt: skip
        entries += [(word, kind, line.split()[0]) for line in lines for word in line.split()]
    for word, kind, meaning in entries:
        key = _hash(word)
        slot = key % SLOTS
        while table[slot, 1] and int(table[slot, 0]) != key:
            slot = (slot + 1) % SLOTS
        if not table[slot, 1]:
            table[slot] = (key, kind + 1, _hash(meaning))
    return table


def _hash(word: str) -> int:
    """The same hash that facts_scan makes of the code points."""
    h = 0
    for letter in word:
        h = (h ^ ord(letter)) * int(MULTIPLIER) % 2**64
        h ^= h >> 29
    return h


SECOND: Final = np.uint64(_hash("second"))
SECOND_OF_MANY: Final = np.uint64(_hash("2nd"))
