"""The prose of a text: what is left to judge its language by once code, addresses and numbers are out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.shingles import MULTIPLIER, decode, utf8

Ints = npt.NDArray[np.int64]

LIMIT: Final = 300  # bytes of prose are enough; the rest is not looked at
# English words that say nothing but that a text is English: none of them is a common word of another language.
_ENGLISH: Final = (
    "the of and to is that it for was with be by this have from or had but what there were they which their "
    "would been has when who will if about how could other than then some these its your you into more can should "
    "where we our such not are an as at his her she him"
)
_FENCE, _TICK = ord("`"), ord("~")
# Classes of characters.
OTHER, LETTER, DENSE, DIGIT, SPACE, CODE = range(6)
_CODE_MARKS: Final = "{}[]()<>=;_/\\|$@^&"


@dataclass(frozen=True, slots=True)
class Prose:
    """Of each text: prose bytes data[bounds[i]:bounds[i + 1]] and what they consist of."""

    data: npt.NDArray[np.uint8]
    bounds: Ints
    letters: Ints  # characters of words; a character of a script without spaces counts as DENSE_WORTH
    capitals: Ints
    skipped: Ints  # letters left out as code (but for that in fences), addresses, or identifiers
    words: npt.NDArray[np.int64]  # (first half, second half) of the prose
    english: npt.NDArray[np.int64]  # of these, English function words

    def text(self, i: int) -> str:
        return self.data[self.bounds[i] : self.bounds[i + 1]].tobytes().decode()


DENSE_WORTH: Final = 3  # letters that a character of Han, kana, Hangul or Thai is worth


def prose(texts: Any) -> Prose:
    """The first prose of each text of an Arrow column, words separated by single spaces."""
    data, bounds = utf8(texts)
    n = len(bounds) - 1
    out = np.empty(n * (LIMIT + 64), np.uint8)
    ends = np.zeros(n + 1, np.int64)
    counts = np.zeros((n, 3), np.int64)
    halves = np.zeros((n, 2, 2), np.int64)
    used = _extract(data, bounds, _classes(), _english_words(), LIMIT, out, ends, counts, halves)
    return Prose(out[:used], ends, counts[:, 0], counts[:, 1], counts[:, 2], halves[:, 0], halves[:, 1])


@cache
def _classes() -> npt.NDArray[np.uint8]:
    """Class of each code point of the basic plane; all above it count as OTHER, or DENSE from the second plane on."""
    points = "".join(map(chr, range(0xD800))) + "?" * 0x800 + "".join(map(chr, range(0xE000, 0x10000)))
    table = np.full(0x10000, OTHER, np.uint8)
    for pattern, kind in ((r"[^\W_]+", LETTER), (r"\d+", DIGIT), (r"\s+", SPACE)):
        for run in re.finditer(pattern, points):
            table[run.start() : run.end()] = kind
    # Vowel signs and accents belong to the word they stand in.
    table[0x300:0x370] = LETTER
    table[0x900:0xE00] = np.where(table[0x900:0xE00] == OTHER, LETTER, table[0x900:0xE00])
    for first, last in ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x9FFF), (0xAC00, 0xD7AF)):
        block = table[first : last + 1]
        block[block == LETTER] = DENSE
    table[[ord(mark) for mark in _CODE_MARKS]] = CODE
    return table


@cache
def _english_words() -> npt.NDArray[np.uint64]:
    """A hash set of 512 slots."""
    slots = np.zeros(512, np.uint64)
    for word in _ENGLISH.split():
        h = 0
        for byte in word.encode():
            h = ((h ^ byte) * int(MULTIPLIER)) & 0xFFFFFFFFFFFFFFFF
        slot = h >> 55
        while slots[slot]:
            slot = (slot + 1) % 512
        slots[slot] = h
    return slots


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _extract(
    data: Any, bounds: Any, classes: Any, english: Any, limit: Any, out: Any, ends: Any, counts: Any, halves: Any
) -> Any:
    used = 0
    for text in range(len(bounds) - 1):
        begin, end = bounds[text], bounds[text + 1]
        start, fenced = used, False
        while begin < end and used - start < limit:
            stop = begin
            while stop < end and data[stop] != 10:
                stop += 1
            if _is_fence(data, begin, stop):
                fenced = not fenced
            elif not fenced and _is_code(data, begin, stop, classes):
                counts[text, 2] += _letters(data, begin, stop)
            elif not fenced:
                used = _line(data, begin, min(stop, begin + 4 * limit), classes, start + limit, out, used, counts[text])
            begin = stop + 1
        ends[text + 1] = used
        _count_english(out, start, used, english, halves[text])
    return used


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _is_fence(data: Any, i: Any, end: Any) -> Any:
    while i < end and data[i] == 32:
        i += 1
    return i + 2 < end and data[i] == data[i + 1] == data[i + 2] and (data[i] == _FENCE or data[i] == _TICK)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _letters(data: Any, i: Any, end: Any) -> Any:
    n = 0
    for at in range(i, end):
        n += data[at] > 64
    return n


@nb.njit  # type: ignore[untyped-decorator, unused-ignore]
def _is_code(data: Any, i: Any, end: Any, classes: Any) -> Any:
    """A line with several marks of code: more than one to twelve characters, or one that ends like a statement."""
    marks, size, last = 0, 0, np.uint8(0)
    end = min(end, i + 400)
    for at in range(i, end):
        byte = data[at]
        if byte > 32:
            size += 1
            last = byte
            if byte < 128 and classes[byte] == CODE and byte != 47:  # a slash alone stands in any prose
                marks += 1
    ends_so = last == 59 or last == 123 or last == 125  # ; { }
    return marks > 1 and (ends_so or marks * 12 > size)


@nb.njit  # type: ignore[untyped-decorator, unused-ignore]
def _line(data: Any, i: Any, end: Any, classes: Any, limit: Any, out: Any, used: Any, counts: Any) -> Any:
    """Append a line's words of letters, each with a space; words that hold a digit or a mark of code are left out."""
    while i < end and used < limit:
        while i < end and data[i] <= 32:
            i += 1
        first = used
        letters, capitals, clean, small = 0, 0, True, False
        while i < end and data[i] > 32:
            point, step = decode(data, i)
            kind = DENSE if point >= 0x20000 else (classes[point] if point < 0x10000 else OTHER)
            if kind == SPACE:
                break
            if kind in (LETTER, DENSE):
                letters += DENSE_WORTH if kind == DENSE else 1
                capital = 65 <= point <= 90 or 0x410 <= point <= 0x42F or 0x391 <= point <= 0x3A9
                capitals += capital
                clean = clean and not (small and capital)  # camelCase
                small = small or 97 <= point <= 122
            elif kind in (DIGIT, CODE):
                # Marks around a word (brackets, emphasis, #) do not spoil it; within they do.
                inner = first < used and i + step < end and data[i + step] > 32
                clean = clean and not (inner and classes[data[i + step]] == LETTER)
            if kind in (LETTER, DENSE) or (kind == OTHER and letters > 0):
                if used < limit + 60:
                    for k in range(step):
                        out[used + k] = data[i + k]
                    used += step
                elif kind != DENSE:
                    clean = False  # no word is that long
            i += step
        if i < end and data[i] > 32:
            _, step = decode(data, i)  # white space beyond ASCII
            i += step
        if letters == 0 or not clean:
            counts[2] += letters
            used = first
            continue
        counts[0] += letters
        counts[1] += capitals
        out[used] = 32
        used += 1
    return used


@nb.njit  # type: ignore[untyped-decorator, unused-ignore]
def _count_english(out: Any, start: Any, end: Any, english: Any, halves: Any) -> None:
    """Words, and English function words, in both halves of the prose."""
    middle = (start + end) // 2
    h = np.uint64(0)
    for at in range(start, end):
        byte = out[at]
        if byte == 32:
            half = np.int64(at > middle)
            halves[0, half] += 1
            slot = np.int64(h >> np.uint64(55))
            while english[slot] != 0 and english[slot] != h:
                slot = (slot + 1) % 512
            halves[1, half] += english[slot] == h and h != 0
            h = np.uint64(0)
        elif byte > 127 or 97 <= (byte | 32) <= 122:
            h = (h ^ np.uint64(byte | 32 if byte < 128 else byte)) * MULTIPLIER
