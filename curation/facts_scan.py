"""Finds the facts of texts in one pass over their bytes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.facts_lexicon import (
    BEFORE_UNIT,
    CODE,
    DATE,
    KINDS,
    LABEL,
    MAYBE_DATE,
    NEGATION,
    NUMBER,
    OPERATOR,
    SECOND,
    SECOND_OF_MANY,
    SLOTS,
    UNIT,
    UNIT_ANYWHERE,
)
from curation.shingles import CODE_MASK, GAP, JOIN, KIND_SHIFT, MULTIPLIER, OWN, character_table, characters, decode

_LETTER, _OWN, _DIGIT = JOIN, OWN, 3
_NEWLINE, _SPACE, _APOSTROPHE = 10, 32, 39


@cache
def symbols() -> npt.NDArray[np.uint32]:
    """character_table("auto") with decimal digits of every script as a kind of their own, mapped to 0-9."""
    table = character_table("auto").copy()
    for digit in re.finditer(r"\d", characters()):
        table[digit.start()] = _DIGIT << KIND_SHIFT | 0x30 + int(digit.group())
    return table


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _step(h: Any, code: Any) -> Any:
    h = (h ^ np.uint64(code)) * MULTIPLIER
    return h ^ (h >> np.uint64(29))


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _at(data: Any, i: Any, end: Any, table: Any) -> Any:
    """(kind, lower-case code, bytes) of the character at i; a gap outside the text."""
    if i >= end:
        return np.int64(GAP), np.int64(_SPACE), 1
    point, step = decode(data, i)
    entry = np.int64(table[point])
    return entry >> KIND_SHIFT, entry & CODE_MASK, step


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _is_digit(data: Any, i: Any, first: Any, end: Any) -> Any:
    return first <= i < end and 48 <= data[i] <= 57


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _look_up(lexicon: Any, key: Any) -> Any:
    """(kind or -1, meaning) of a word."""
    slot = key % np.uint64(SLOTS)
    while lexicon[slot, 1] != 0:
        if lexicon[slot, 0] == key:
            return np.int64(lexicon[slot, 1]) - 1, lexicon[slot, 2]
        slot = (slot + np.uint64(1)) % np.uint64(SLOTS)
    return np.int64(-1), np.uint64(0)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _connects(data: Any, i: Any, end: Any, table: Any, was: Any, letters: Any) -> Any:
    """Whether the character at i joins the characters around it: 1,000.5  10:30  v2.1  E-204."""
    c = data[i]
    if c != 44 and c != 45 and c != 46 and c != 58:
        return False
    kind, _, _ = _at(data, i + 1, end, table)
    if c == 45:
        return (was == _DIGIT and kind == _LETTER) or (was == _LETTER and kind == _DIGIT)
    return was == _DIGIT and kind == _DIGIT and (letters == 0 or c == 46)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _separates_thousands(data: Any, i: Any, first: Any, end: Any) -> Any:
    """Whether the comma at i has three digits after it and then none."""
    three = (
        _is_digit(data, i + 1, first, end) and _is_digit(data, i + 2, first, end) and _is_digit(data, i + 3, first, end)
    )
    return three and not _is_digit(data, i + 4, first, end)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _zeros(data: Any, i: Any, end: Any) -> Any:
    """Bytes of a decimal part at i that is all zeros, as in 4.0 and 4:00; 0 if more follows, as in 4.05 or 4.0.1."""
    k = i + 1
    while k < end and data[k] == 48:
        k += 1
    more = k < end and (data[k] >= 48 or (data[k] == 46 and _is_digit(data, k + 1, i, end)))
    return 0 if more else k - i


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _chunk(data: Any, i: Any, end: Any, table: Any) -> Any:
    """(end, letters, digits, hash, hash of its last run of letters) of the word, number or code that begins at i."""
    first = i
    kind, code, step = _at(data, i, end, table)
    if kind == _OWN:
        return i + step, 1, 0, _step(np.uint64(0), code), np.uint64(0)
    letters, digits = 0, 0
    h, tail = np.uint64(0), np.uint64(0)
    was = kind
    while True:
        if kind == _LETTER:
            letters += 1
            tail = _step(np.uint64(0) if was == _DIGIT else tail, code)
            h = _step(h, code)
        elif kind == _DIGIT:
            digits += 1
            h = _step(h, code)
        elif kind == GAP and i < end and _connects(data, i, end, table, was, letters):
            zeros = _zeros(data, i, end) if letters == 0 and code != 44 else 0
            if zeros:
                i += zeros
                return i, letters, digits, h, tail
            if code != 44:
                h = _step(h, code)
            elif not _separates_thousands(data, i, first, end):
                h = _step(h, 46)
            i += step
            kind, code, step = _at(data, i, end, table)
            continue
        else:
            return i, letters, digits, h, tail
        was = kind
        i += step
        kind, code, step = _at(data, i, end, table)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _symbol(data: Any, i: Any, end: Any) -> Any:
    """An ASCII stand-in for the operator at i, 0 if there is none: typographic signs mean the same."""
    c = np.int64(data[i])
    if c == 0xC3 and i + 1 < end:
        return 42 if data[i + 1] == 0x97 else 47 if data[i + 1] == 0xB7 else 0  # x and : of arithmetic
    if c == 0xE2 and i + 2 < end:
        minus = (data[i + 1] == 0x88 and data[i + 2] == 0x92) or (data[i + 1] == 0x80 and data[i + 2] == 0x93)
        return 45 if minus else 0
    return c if c in (33, 38, 42, 43, 45, 47, 60, 61, 62, 94, 124) else 0


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _operator(data: Any, i: Any, first: Any, end: Any, table: Any) -> Any:
    """(meaning or 0, bytes) of the operator at i: == != <= >= && ||, a sign before a digit, one between spaces."""
    c = _symbol(data, i, end)
    wide = 1 if data[i] < 0x80 else 2 if data[i] < 0xE0 else 3
    if c == 0:
        return 0, wide
    after = data[i + wide] if i + wide < end else np.uint8(_SPACE)
    if after == 61 and c in (33, 60, 61, 62):
        return c << 8 | 61, 2
    if after == c and c in (38, 124):
        return c << 8 | c, 2
    if c in (33, 38, 61, 124):
        return 0, wide
    before = data[i - 1] if i > first else np.uint8(_NEWLINE)
    if 48 <= after <= 57:
        return c, wide
    if after != _SPACE or before != _SPACE or i - 2 < first or i + wide + 1 >= end:
        return 0, wide
    if c == 45:  # a dash of prose, unless it stands between names of one letter or beside a digit
        digit = 48 <= data[i - 2] <= 57 or 48 <= data[i + wide + 1] <= 57
        lone = i - 3 < first or data[i - 3] in (_SPACE, _NEWLINE, 40)
        kind, _, _ = _at(data, i + wide + 2, end, table)
        return (c if digit or (lone and kind == GAP) else 0), wide
    close = data[i - 2] >= 48 or data[i - 2] == 41
    return (c if close else 0), wide


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _money_or_percent(data: Any, i: Any, first: Any, end: Any, number_end: Any) -> Any:
    """(code point or 0, bytes): % after a number, a currency sign beside one."""
    c = np.int64(data[i])
    point, wide = (c, 1) if c < 0x80 else decode(data, i)
    beside = i - number_end <= 1
    if point == 37:
        return (37 if beside else 0), wide
    if point not in (0x24, 0x20AC, 0xA3, 0xA5):
        return 0, wide
    after = i + wide
    after += after < end and data[after] == _SPACE  # "$ 5" is "$5"
    return (point if beside or _is_digit(data, after, first, end) else 0), wide


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _after_of(data: Any, start: Any, end: Any, last: Any) -> Any:
    """The end of "a", "of", "of a", "of an" or "of the", if that is the word at start, else 0: half of a tablespoon."""
    if end - start == 1 and data[start] == 97:
        return end
    if end - start != 2 or data[start] | 32 != 111 or data[start + 1] | 32 != 102:
        return 0
    if end + 2 < last and data[end] == _SPACE and data[end + 1] == 97:
        if data[end + 2] == _SPACE:
            return end + 2
        if end + 3 < last and data[end + 2] == 110 and data[end + 3] == _SPACE:
            return end + 3
    the = end + 4 < last and data[end] == _SPACE and data[end + 1] == 116 and data[end + 2] == 104
    return end + 4 if the and data[end + 3] == 101 and data[end + 4] == _SPACE else end


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _numbers_a_list(data: Any, i: Any, end: Any) -> Any:
    """Whether a number that began its line and ends at i is followed by "." or ")" and a space or the line's end."""
    if i >= end or (data[i] != 46 and data[i] != 41):
        return False
    return i + 1 >= end or data[i + 1] <= _SPACE


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _is_contracted_not(data: Any, start: Any, end: Any, first: Any, last: Any) -> Any:
    """Whether the word is the t of n't, or the n of the French n', with either apostrophe."""
    if end - start == 1 and data[start] | 32 == 110 and end < last:
        return data[end] == _APOSTROPHE or (end + 2 < last and data[end] == 0xE2 and data[end + 2] == 0x99)
    if end - start != 1 or data[start] | 32 != 116:
        return False
    if start - 2 >= first and data[start - 1] == _APOSTROPHE:
        return data[start - 2] | 32 == 110
    typographic = start - 4 >= first and data[start - 3] == 0xE2 and data[start - 2] == 0x80 and data[start - 1] == 0x99
    return typographic and data[start - 4] | 32 == 110


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _is_japanese_not(data: Any, start: Any, first: Any) -> Any:
    """Whether the character at start ends a nai or masen, or is a zu but in mazu and hazu."""
    if data[start] != 0xE3 or start - 3 < first:
        return False
    before, after = data[start - 2] << 8 | data[start - 1], data[start + 1] << 8 | data[start + 2]
    if data[start - 3] != 0xE3:  # no kana
        return after == 0x819A
    if after == 0x8184:
        return before == 0x81AA
    if after == 0x8293:
        return before == 0x819B
    return after == 0x819A and before not in (0x81BE, 0x81AF)


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _names_one(data: Any, start: Any, end: Any, label_end: Any) -> Any:
    """Whether the word is one to four capitals right after a label: option A, level: IV. "I" may be the speaker."""
    gap = start - label_end
    if not (gap == 1 or (gap == 2 and data[label_end] == 58)) or end - start > 4:
        return False
    for k in range(start, end):
        if not 65 <= data[k] <= 90:
            return False
    return end - start > 1 or data[start] != 73


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _word(data: Any, start: Any, end: Any, first: Any, last: Any, key: Any, lexicon: Any, number_end: Any) -> Any:
    """(kind or -1, meaning) of a chunk of letters."""
    if _is_contracted_not(data, start, end, first, last):
        return np.int64(NEGATION), np.uint64(0)
    kind, meaning = _look_up(lexicon, key)
    if _is_japanese_not(data, start, first):
        return np.int64(NEGATION), np.uint64(0)
    gap = start - number_end
    if kind == UNIT and start - 2 > number_end and data[start - 2] == 0xC2 and data[start - 1] == 0xB0:
        gap -= 2  # the sign of degrees
    if kind == UNIT and not 0 <= gap <= 2:  # two bytes: a no-break space
        second = key == SECOND
        return np.int64(NUMBER if second else -1), SECOND_OF_MANY if second else meaning
    if kind == UNIT_ANYWHERE:
        return np.int64(UNIT), meaning
    if kind == MAYBE_DATE:
        beside = 0 <= gap <= 2 or _is_digit(data, end + 1, first, last)
        return np.int64(DATE if beside else -1), meaning
    return kind, meaning


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _write(found: Any, line: Any, kind: Any, meaning: Any, first: Any, end: Any) -> None:
    found[line, 0] = kind
    found[line, 1] = meaning
    found[line, 2] = first
    found[line, 3] = end


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _scan_text(data: Any, first: Any, end: Any, table: Any, lexicon: Any, found: Any, used: Any) -> Any:
    """Write the facts of one text; the lines of `found` in use."""
    i = first
    number_end = label_end = first - 9
    line_start = True
    while i < end:
        kind, _, wide = _at(data, i, end, table)
        if kind == GAP:
            c = data[i]
            if c <= _SPACE:
                line_start |= c == _NEWLINE
                i += 1
                continue
            meaning, wide_operator = _operator(data, i, first, end, table)
            what = OPERATOR
            if meaning == 0:
                meaning, _ = _money_or_percent(data, i, first, end, number_end)
                what = UNIT
            if meaning:
                wide = max(wide, wide_operator)
                _write(found, used, what, _step(np.uint64(0), meaning), i, i + wide)
                used += 1
            line_start &= c in (35, 42, 45, 62)  # # * - > may precede the number of a list item
            i += wide
            continue
        start = i
        i, letters, digits, key, tail = _chunk(data, start, end, table)
        if digits == 0:
            what, meaning_of = _word(data, start, i, first, end, key, lexicon, number_end)
            if _names_one(data, start, i, label_end):
                what, meaning_of = CODE, key
            if what == LABEL:
                label_end = i
            elif 0 <= what < KINDS:
                _write(found, used, what, meaning_of if what != NEGATION else np.uint64(1), start, i)
                used += 1
                number_end = i if what == NUMBER else number_end
            elif 0 <= start - number_end <= 2:
                number_end = max(number_end, i if what == BEFORE_UNIT else _after_of(data, start, i, end))
        elif letters == 0:
            number_end = i
            if not (line_start and i - start <= 3 and _numbers_a_list(data, i, end)):
                _write(found, used, NUMBER, key, start, i)
                used += 1
        else:
            used = _number_with_unit(data, start, i, table, lexicon, found, used, key, tail)
        line_start = False
    return used


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _number_with_unit(
    data: Any, start: Any, end: Any, table: Any, lexicon: Any, found: Any, used: Any, key: Any, tail: Any
) -> Any:
    """Letters and digits in one: 5mg is a number and a unit, anything else is a code."""
    at = start
    while at < end and (48 <= data[at] <= 57 or data[at] in (44, 46)):
        at += 1
    kind, meaning = _look_up(lexicon, tail)
    if at > start and kind == UNIT and _chunk(data, at, end, table)[2] == 0 and data[at] != 45:
        _, _, _, number, _ = _chunk(data, start, at, table)
        _write(found, used, NUMBER, number, start, at)
        _write(found, used + 1, UNIT, meaning, at, end)
        return used + 2
    _write(found, used, CODE, key, start, end)
    return used + 1


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def scan_facts(data: Any, bounds: Any, table: Any, lexicon: Any) -> Any:
    """(signatures, facts, offsets) of all texts, as in facts.Facts."""
    n = len(bounds) - 1
    signatures, offsets = np.zeros((n, KINDS), np.uint64), np.zeros(n + 1, np.int64)
    found = np.empty((1024 + len(data) // 16, 4), np.uint64)
    used = 0
    for d in range(n):
        room = used + bounds[d + 1] - bounds[d] + 2  # a text has fewer facts than bytes
        if room > len(found):
            wider = np.empty((2 * room, 4), np.uint64)
            wider[:used] = found[:used]
            found = wider
        first, used = used, _scan_text(data, bounds[d], bounds[d + 1], table, lexicon, found, used)
        for f in range(first, used):
            k = np.int64(found[f, 0])
            signatures[d, k] = _step(signatures[d, k] + MULTIPLIER, found[f, 1])
        offsets[d + 1] = used
    return signatures, found[:used].copy(), offsets
