"""Texts as sets of shingles: 64-bit hashes of word, word-or-character, or character sequences.

Two different shingles share a hash with odds of 2**-64. Among the 10**8 distinct shingles of a large corpus any
collision at all has odds of about 3 in 10,000, and it changes a result only if both texts of a pair hold the two
sides of it; verification therefore compares hashes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Literal

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Unit = Literal["word", "auto", "char"]

# What a character is to the scanner, kept above the 21 bits of its lower-cased code point.
GAP, JOIN, OWN = 0, 1, 2  # ends a token | continues one | is a token of its own
KIND_SHIFT = 21
CODE_MASK = (1 << KIND_SHIFT) - 1
_CODE_POINTS = 0x110000
_PLANES = 0x40000  # beyond these no code point is a letter, a digit or white space

# Scripts written without spaces between words: "auto" makes each of their characters a token.
# First and last code point of each block. Hangul and Tibetan separate their words.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x3005, 0x3007),  # ideographic iteration and closing marks
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo and Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar extension B
    (0xAA60, 0xAA7F),  # Myanmar extension A
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1AFF0, 0x1B16F),  # Kana extensions
    (0x20000, 0x3FFFF),  # Han extensions B and later
)

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: spreads small differences evenly
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Shingles:
    """The sets of all texts: text i holds values[offsets[i]:offsets[i + 1]], distinct, in no promised order."""

    values: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def shingle(texts: Any, unit: Unit, size: int) -> Shingles:
    """Sets of sequences of `size` tokens of the lower-cased (str.lower) texts, an Arrow column of strings.

    word: tokens are what the regular expression \\w+ finds. auto: the same, but combining marks belong to their
    word (\\w+ would cut Hindi at its vowels) and a character of a script without spaces is a token of its own.
    char: tokens are characters, a run of white space is one space, outer white space is trimmed.
    A text with fewer tokens than `size` is one shingle of them all, equal to no sequence of `size`. A text of
    punctuation alone (units word and auto) is one shingle of all its characters; null, empty and blank texts
    have no shingle.
    """
    if size < 1:
        raise ValueError(f"shingle size {size} is below 1")
    column = _strings(texts)
    data, bounds = utf8(column)
    other, lowered = _lowered_where_python_must(column, data, bounds)
    room = len(data) + len(lowered[0]) if unit == "char" else (len(data) + len(lowered[0])) // 2 + len(bounds)
    values, offsets = np.empty(room + len(bounds), np.uint64), np.zeros(len(bounds), np.int64)
    tables = character_table(unit), character_table("char")
    used = _scan((data, bounds), other, lowered, tables, unit == "char", size, values, offsets)
    return Shingles(values[:used], offsets)


@cache
def character_table(unit: Unit) -> npt.NDArray[np.uint32]:
    """For each code point what it is to the scanner (GAP, JOIN, OWN) and its lower-case code point."""
    points, lower = characters(), _lower()
    kind = np.full(_CODE_POINTS, OWN if unit == "char" else GAP, np.uint32)
    if unit == "char":
        kind[[m.start() for m in re.finditer(r"\s", points)]] = GAP
    else:
        for run in re.finditer(r"\w+", points):
            kind[run.start() : run.end()] = JOIN
    if unit == "auto":
        kind[[c for c in _marks() if unicodedata.category(chr(c)) in ("Mn", "Mc")]] = JOIN
        for first, last in _UNSPACED:
            kind[first : last + 1][kind[first : last + 1] == JOIN] = OWN
    # A letter whose lower case lies elsewhere is judged by its lower case: the text is lowered first.
    moved = np.flatnonzero(lower[: len(points)] != np.arange(len(points)))
    kind[moved] = kind[lower[moved]]
    return lower | kind << np.uint32(KIND_SHIFT)


@cache
def characters() -> str:
    """The code points that may be letters, digits or white space, each at its place; "?" for surrogates."""
    points = np.arange(_PLANES, dtype=np.uint32)
    points[0xD800:0xE000] = ord("?")
    return points.tobytes().decode("utf-32-le")


@cache
def _lower() -> npt.NDArray[np.uint32]:
    """The lower case of every code point; for the two that str.lower maps by context, any."""
    lower = np.arange(_CODE_POINTS, dtype=np.uint32)
    simple = characters().replace("\u0130", "?").replace("\u03a3", "\u03c3")
    lower[:_PLANES] = np.frombuffer(simple.lower().encode("utf-32-le"), np.uint32)
    return lower


def _marks() -> Iterator[int]:
    """Where combining marks can be: between Latin and the symbols of plane 1, but not in Han or Hangul."""
    return chain(range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xD7B0, 0xD800), range(0xF900, 0x20000))


def _lowered_where_python_must(column: Any, data: Any, bounds: Any) -> tuple[npt.NDArray[np.int32], Any]:
    """Texts with a character that no table can lower, capital sigma and dotted I, lowered by str.lower.

    For each text its number among these (-1 for the others), and their bytes and bounds.
    """
    other = np.full(len(bounds) - 1, -1, np.int32)
    special = _mark_special(data, bounds, other)
    lowered = [column[at].as_py().lower() for at in np.flatnonzero(other >= 0).tolist()] if special else []
    return other, utf8(pa.array(np.array(lowered, object), pa.large_string()))


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _mark_special(data: Any, bounds: Any, other: Any) -> Any:
    """Number the texts that hold U+03A3 or U+0130; how many there are."""
    count = 0
    for d in range(len(bounds) - 1):
        text = data[bounds[d] : bounds[d + 1]]
        met = 0
        for i in range(len(text) - 1):  # counting, without an early exit, runs many bytes at a time
            sigma = (text[i] == np.uint8(0xCE)) & (text[i + 1] == np.uint8(0xA3))
            dotted = (text[i] == np.uint8(0xC4)) & (text[i + 1] == np.uint8(0xB0))
            met += sigma | dotted
        if met:
            other[d] = count
            count += 1
    return count


def utf8(texts: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """UTF-8 bytes and n + 1 bounds of an Arrow column of strings, without copying; a null is an empty text."""
    column = _strings(texts)
    if column.null_count:
        column = column.fill_null("")
    _, bounds, data = column.buffers()
    if len(column) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    offsets = np.frombuffer(bounds, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data if data is not None else b"", np.uint8), offsets


def _strings(texts: Any) -> Any:
    column = one_array(texts)
    return column if column.type == pa.large_string() else column.cast(pa.large_string())


def one_array(texts: Any) -> Any:
    """A column as one Arrow array."""
    column = texts
    if isinstance(texts, pa.ChunkedArray):  # combining a single chunk copies it
        column = texts.chunk(0) if texts.num_chunks == 1 else texts.combine_chunks()
    return column


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def mix(h: Any) -> Any:
    """A bijection of 64 bits that lets every bit of the input reach every bit of the output."""
    h ^= h >> np.uint64(32)
    h *= _MIX
    h ^= h >> np.uint64(32)
    h *= _MIX
    return h ^ (h >> np.uint64(32))


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def decode(data: Any, i: Any) -> Any:
    """(code point, bytes) at i of valid UTF-8."""
    b = np.int64(data[i])
    if b < 0x80:
        return b, 1
    if b < 0xE0:
        return (b & 31) << 6 | (data[i + 1] & 63), 2
    if b < 0xF0:
        return (b & 15) << 12 | np.int64(data[i + 1] & 63) << 6 | (data[i + 2] & 63), 3
    high = (b & 7) << 18 | np.int64(data[i + 1] & 63) << 12
    return high | np.int64(data[i + 2] & 63) << 6 | (data[i + 3] & 63), 4


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _scan(
    texts: Any, other: Any, lowered: Any, tables: Any, characters: Any, size: Any, values: Any, offsets: Any
) -> Any:
    """Fill values and offsets; the number of values used. A text with a number in `other` is taken from `lowered`.

    tables: the one to find tokens by, and the one for texts without a token.
    """
    table, whole = tables
    top: Any = np.uint64(1)
    for _ in range(size):
        top *= MULTIPLIER
    ring = np.zeros(size, np.uint64)
    seen = np.zeros(1024, np.uint64)
    used = 0
    for d in range(len(other)):
        first = used
        data, bounds = texts if other[d] < 0 else lowered
        at = d if other[d] < 0 else other[d]
        n, used = _tokens(data, bounds[at], bounds[at + 1], table, characters, ring, top, values, used)
        if n == 0 and not characters:
            n, _ = _tokens(data, bounds[at], bounds[at + 1], whole, True, ring[:0], top, values, used)
            if n:
                used += 1
        while len(seen) < 2 * (used - first):
            seen = np.zeros(2 * len(seen), np.uint64)
        used = _distinct(values, first, used, seen)
        offsets[d + 1] = used
    return used


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tokens(
    data: Any, i: Any, end: Any, table: Any, characters: Any, ring: Any, top: Any, values: Any, used: Any
) -> Any:
    """Hash one text's sequences into values; (tokens, values used). With an empty ring: one hash of the whole text."""
    size = len(ring)
    kind: Any
    n, at = 0, 0
    rolling, word = np.uint64(0), np.uint64(0)
    inside = gap = False
    while i <= end:
        kind, code, step = GAP, np.uint64(32), 1
        if i < end:
            point, step = decode(data, i)
            entry = table[point]
            kind, code = np.int64(entry >> KIND_SHIFT), np.uint64(entry & CODE_MASK)
        i += step
        if kind == JOIN:
            word = (word ^ code) * MULTIPLIER
            while i < end and data[i] < 0x80 and table[data[i]] >> KIND_SHIFT == JOIN:  # most text goes through here
                word = (word ^ np.uint64(table[data[i]] & CODE_MASK)) * MULTIPLIER
                i += 1
            inside = True
            continue
        ready = 0
        first = second = np.uint64(0)
        if inside:
            first, ready = mix(word), 1
            word, inside = np.uint64(0), False
        if kind == OWN:
            if characters and gap and n > 0:
                first, ready = mix(np.uint64(32) * MULTIPLIER), 1
            gap = False
            second = mix(code * MULTIPLIER)
            ready += 1
            if ready == 1:
                first = second
        else:
            gap = True
        for turn in range(ready):
            token = first if turn == 0 else second
            n += 1
            rolling = rolling * MULTIPLIER + token
            if size == 0:
                continue
            if n > size:
                rolling -= ring[at] * top
            ring[at] = token
            at = at + 1 if at + 1 < size else 0
            if n >= size:
                values[used] = mix(rolling ^ np.uint64(size))
                used += 1
    if n > 0 and (n < size or size == 0):
        # ~: short texts and whole texts must equal no full sequence of the same number.
        values[used] = mix(rolling ^ ~np.uint64(n))
        used += 1 if size else 0
    return n, used


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _distinct(values: Any, first: Any, end: Any, seen: Any) -> Any:
    """Drop repeats in values[first:end], keeping first places; the new end. `seen` is scratch, a power of two long."""
    size = 2
    while size < 2 * (end - first):
        size *= 2
    mask = np.uint64(size - 1)
    seen[:size] = 0
    kept = first
    for i in range(first, end):
        value = max(values[i], np.uint64(1))  # 0 marks a free slot
        slot = value & mask
        while seen[slot] != 0 and seen[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        if seen[slot] == 0:
            seen[slot] = value
            values[kept] = value
            kept += 1
    return kept
