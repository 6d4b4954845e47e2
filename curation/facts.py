"""The facts of a text that near-duplicates must share: numbers, codes, units, dates, negations, operators.

Facts of one kind are compared in order, so that "5 apples, 3 pears" and "3 apples, 5 pears" differ. Numbering of lists
("1." or "2)" at the start of a line) is layout, not a fact. Which word negates does not matter, only how often.

Negations are known in English, German, Romanian, French, Italian, Spanish, Portuguese, Russian, Polish, Chinese and
Japanese; number words, ordinals, dates and units in English, German and Romanian, numbers in Chinese too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.facts_lexicon import lexicon_table
from curation.facts_scan import scan_facts, symbols
from curation.shingles import utf8

KINDS: Final = ("number", "code", "unit", "date", "negation", "operator")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of some texts. signatures: one row a text, one 64-bit hash a kind; 0 where it has none of the kind."""

    signatures: npt.NDArray[np.uint64]
    found: npt.NDArray[np.uint64]  # kind, hash of the meaning, first byte, end byte
    offsets: npt.NDArray[np.int64]  # facts of text i: found[offsets[i]:offsets[i + 1]]
    data: npt.NDArray[np.uint8]

    def kinds_differing(self, left: Any, right: Any) -> npt.NDArray[np.int8]:
        """For pairs of text numbers the first kind of fact that differs (index into KINDS), -1 where none does."""
        unequal = self.signatures[left] != self.signatures[right]
        first: npt.NDArray[np.int8] = np.argmax(unequal, axis=1).astype(np.int8)
        first[~unequal.any(axis=1)] = -1
        return first

    def difference(self, left: int, right: int) -> str | None:
        """What differs between two texts, as "number 14 -> 15"; None if no fact does."""
        kind = int(self.kinds_differing([left], [right])[0])
        if kind < 0:
            return None
        if KINDS[kind] == "negation":
            return "negation"
        one, two = self.of_kind(left, KINDS[kind]), self.of_kind(right, KINDS[kind])
        gone, come = Counter(m for m, _ in one), Counter(m for m, _ in two)
        gone, come = gone - come, come - gone
        if not gone and not come:
            at = next(i for i in range(len(one)) if one[i][0] != two[i][0])
            return f"order of {KINDS[kind]}s: {one[at][1]} -> {two[at][1]}"
        before = next((text for meaning, text in one if meaning in gone), "none")
        after = next((text for meaning, text in two if meaning in come), "none")
        return f"{KINDS[kind]} {before} -> {after}"

    def of_kind(self, text: int, kind: str) -> list[tuple[int, str]]:
        """(meaning, words) of a text's facts of one kind, in order."""
        facts = self.found[self.offsets[text] : self.offsets[text + 1]]
        return [
            (meaning, self.data[first:end].tobytes().decode())
            for _, meaning, first, end in facts[facts[:, 0] == KINDS.index(kind)].tolist()
        ]


def facts_of(texts: Any) -> Facts:
    """Facts of every text of an Arrow column of strings."""
    data, bounds = utf8(texts)
    signatures, found, offsets = scan_facts(data, bounds, symbols(), lexicon_table())
    return Facts(signatures, found, offsets, data)


def difference(left: str, right: str) -> str | None:
    """What differs between two texts, as "number 14 -> 15"; None if no fact does."""
    return facts_of(pa.array([left, right], pa.large_string())).difference(0, 1)
