"""Texts as sequences of hashed words that stay equal under another case, layout, punctuation, or missing accents."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.shingles import (
    CODE_MASK,
    JOIN,
    KIND_SHIFT,
    MULTIPLIER,
    OWN,
    character_table,
    decode,
    mix,
    utf8,
)

Words64 = npt.NDArray[np.uint64]

# Left out as if it were not there, so that don't and dont are one word: apostrophes and quotes of all kinds, then
# soft hyphens and other characters without width.
SKIP: Final = 3
_SKIPPED: Final = "'`\u00b4\u02bc\u2018\u2019\u201b\u2032\u00ad\u200b\u200c\u200d\u2060\ufeff"
_FOLDED: Final = (range(0xA0, 0x250), range(0x1E00, 0x1F00), range(0x2000, 0x10000))
_LATIN: Final = re.compile("[a-z]")


@dataclass(frozen=True, slots=True)
class Words:
    """Text i has the words hashes[offsets[i]:offsets[i + 1]]; first and last are characters of it, half open."""

    hashes: Words64
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def of(self, text: int) -> list[int]:
        found: list[int] = self.hashes[self.offsets[text] : self.offsets[text + 1]].tolist()
        return found


def words(texts: Any) -> Words:
    """The words of an Arrow column of strings; a character of a script without spaces is a word of its own."""
    data, bounds = utf8(texts)
    room = len(data) + len(bounds)
    hashes, first, last = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    offsets = np.zeros(len(bounds), np.int64)
    used = _all_words(data, bounds, word_table(), hashes, first, last, offsets)
    return Words(hashes[:used], first[:used], last[:used], offsets)


@cache
def word_table() -> npt.NDArray[np.uint32]:
    """character_table with accents, ligatures of one letter, and raised or lowered digits folded, and SKIP."""
    plain = character_table("auto")
    table = plain.copy()
    for block in _FOLDED:
        for code in block:
            table[code] = plain[_base(code)]
    table[[ord(c) for c in _SKIPPED]] = SKIP << KIND_SHIFT
    table[0x300:0x370] = SKIP << KIND_SHIFT  # accents that stand alone
    table[ord("_")] = plain[ord(" ")]  # a blank to fill in
    # Final sigma, and the two capitals that character_table leaves to str.lower, which looks at the context.
    table[[0x3C2, 0x3A3]] = plain[0x3C3]
    table[0x130] = plain[ord("i")]
    return table


def _base(code: int) -> int:
    """The code point that stands for this one: é is e, ² is 2, a full-width A is a."""
    if 0xD800 <= code < 0xE000:
        return code
    form = unicodedata.normalize("NFKC", chr(code))
    if len(form) != 1:
        return code
    letter = unicodedata.normalize("NFD", form.lower())[0]
    return ord(letter) if _LATIN.match(letter) else ord(form)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def words_of(data: Any, i: Any, end: Any, table: Any, hashes: Any, first: Any, last: Any, used: Any) -> Any:
    """Append the words of the text data[i:end]; the number of words used after it."""
    word = np.uint64(0)
    inside = False
    at, begin, stop = 0, 0, 0
    while i < end:
        point, step = decode(data, i)
        entry = table[point]
        kind, code = np.int64(entry >> KIND_SHIFT), np.uint64(entry & CODE_MASK)
        i += step
        if kind == JOIN:
            if not inside:
                begin = at
            word = (word ^ code) * MULTIPLIER
            word ^= word >> np.uint64(29)
            inside, stop = True, at + 1
        elif inside and kind != SKIP:
            hashes[used], first[used], last[used] = mix(word), begin, stop
            used += 1
            word, inside = np.uint64(0), False
        if kind == OWN:
            hashes[used], first[used], last[used] = mix(code * MULTIPLIER), at, at + 1
            used += 1
        at += 1
    if inside:
        hashes[used], first[used], last[used] = mix(word), begin, stop
        used += 1
    return used


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _all_words(data: Any, bounds: Any, table: Any, hashes: Any, first: Any, last: Any, offsets: Any) -> Any:
    used = 0
    for text in range(len(bounds) - 1):
        used = words_of(data, bounds[text], bounds[text + 1], table, hashes, first, last, used)
        offsets[text + 1] = used
    return used
