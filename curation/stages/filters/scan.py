"""One compiled pass over the UTF-8 bytes of every answer (and prompt) that counts what the filters ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from curation.stages.filters.characters import (
    BROKEN,
    CLASSES,
    CONTINUATION,
    DASH,
    IDEOGRAPH,
    LETTER,
    SPACE,
    SYMBOL,
    ZERO_WIDTH,
)

# Columns of the counters, one line a row.
(
    CHARS,
    VISIBLE,
    WORDS,
    SYMBOLS,
    BAD,
    GARBLED,
    FENCES,
    DASHES,
    LAST,
    ENDS,
    TOKENS,
    REPEATED,
    OPENS,
    PROMPT_GARBLED,
    TAIL,
    PROMPT_HASH,
) = range(16)
COUNTERS: Final = 16

# Segments of an answer that boilerplate may sit in: first line, first sentence, last line, last sentence.
SEGMENTS: Final = 4
SEGMENT_HASH, REST_HASH, SEGMENT_START, SEGMENT_STOP = range(4)

NGRAM: Final = 5  # tokens; a repeated run of five is a loop or a copied line, hardly ever chance
OPENING: Final = 32  # bytes of a prompt's beginning to look for in its answer
SHORTEST_EDGE: Final = 40  # bytes; shorter ones are shared by chance ("Here is the list:")
LONGEST_EDGE: Final = 300  # bytes; a longer first or last line is a text of its own, not a formula


@njit(inline="always")
def _decode(data: Any, i: int, first: int) -> tuple[int, int]:
    """(code point, bytes) of the multi-byte character at i; Arrow guarantees valid UTF-8."""
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (data[i + 1] & 0x3F), 2
    if first < 0xF0:
        return ((first & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F), 3
    high = ((first & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12)
    return high | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F), 4


@njit(inline="always")
def _class_of(code: int, classes: Any) -> int:
    if code < 0x10000:
        return int(classes[code])
    if code < 0x1FB00:
        return SYMBOL if code >= 0x1F000 else LETTER
    if 0x20000 <= code < 0x40000:
        return IDEOGRAPH
    return BROKEN if code >= 0xF0000 else ZERO_WIDTH


@njit(inline="always")
def _garbled_step(code: int, previous: int, kind: int, continuation: Any) -> int:
    """1 when `code` may be the second character of mojibake, or is a sign of a wrong decoder by itself."""
    if kind == BROKEN or code == 0x951F:  # what GBK makes of two U+FFFD begins with it
        return 1
    if 0xC2 <= previous <= 0xF4 and code < 0x2200 and continuation[code]:
        return 1
    # UTF-8 Cyrillic read as cp1251: a capital R or S followed by a letter no Russian word has there.
    if (previous == 0x420 or previous == 0x421) and (code < 0x410 or code > 0x44F) and code >= 0x80:
        return 1
    return 0


@njit
def _garbled(data: Any, start: int, stop: int, classes: Any, continuation: Any) -> int:
    count, previous, i = 0, 0, start
    while i < stop:
        first = int(data[i])
        if first < 0x80:
            if classes[first] == BROKEN:
                count += 1
            previous = first
            i += 1
            continue
        code, width = _decode(data, i, first)
        count += _garbled_step(code, previous, _class_of(code, classes), continuation)
        previous = code
        i += width
    return count


@njit
def _repeated(tokens: Any, count: int, table: Any, stamps: Any, stamp: int) -> int:
    """How many of the runs of NGRAM tokens occurred before in this answer."""
    mask = 15
    while mask < 2 * count:
        mask = mask * 2 + 1
    repeats = 0
    for i in range(NGRAM - 1, count):
        h = np.uint64(14695981039346656037)
        for j in range(i - NGRAM + 1, i + 1):
            h = (h ^ tokens[j]) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(29)
        slot = np.int64(h & np.uint64(mask))
        while stamps[slot] == stamp and table[slot] != h:
            slot = (slot + 1) & mask
        if stamps[slot] == stamp:
            repeats += 1
        stamps[slot] = stamp
        table[slot] = h
    return repeats


@njit(inline="always")
def _hash_bytes(data: Any, start: int, stop: int, seed: int) -> int:
    h = np.uint64(seed) ^ np.uint64(14695981039346656037)
    for i in range(start, stop):
        h = (h ^ np.uint64(data[i])) * np.uint64(1099511628211)
        h ^= h >> np.uint64(31)
    return int(np.int64(h))


@njit(inline="always")
def _ends_sentence(data: Any, i: int, stop: int) -> int:
    """Bytes of the sentence end at i, 0 if there is none: . ! ? before white space, or their full-width forms."""
    c = data[i]
    if c == 0x2E or c == 0x21 or c == 0x3F:
        return 1 if i + 1 >= stop or data[i + 1] == 0x20 or data[i + 1] == 0x0A else 0
    if c == 0xE3 and i + 2 < stop and data[i + 1] == 0x80 and data[i + 2] == 0x82:
        return 3
    if c == 0xEF and i + 2 < stop and data[i + 1] == 0xBC and (data[i + 2] == 0x81 or data[i + 2] == 0x9F):
        return 3
    return 0


@njit
def _edges(data: Any, start: int, stop: int, out: Any) -> None:
    """Fills (segment hash, hash of the rest, bytes from and to) of the four segments; hash 0 where there is none."""
    while start < stop and data[start] <= 0x20:
        start += 1
    while stop > start and data[stop - 1] <= 0x20:
        stop -= 1
    limit = min(stop, start + LONGEST_EDGE)
    line, sentence, i = -1, -1, start
    while i < limit:
        if data[i] == 0x0A:
            line = i
            break
        width = _ends_sentence(data, i, stop) if sentence < 0 else 0
        if width:
            sentence = i + width
        i += 1
    _edge(data, (start, stop), (start, line), out[0])
    _edge(data, (start, stop), (start, sentence), out[1])
    limit = max(start, stop - LONGEST_EDGE)
    line, sentence, i = -1, -1, stop - 4
    while i >= limit:
        if data[i] == 0x0A:
            line = i + 1
            break
        width = _ends_sentence(data, i, stop) if sentence < 0 else 0
        if width and i + width < stop:
            sentence = i + width
        i -= 1
    _edge(data, (start, stop), (line, stop), out[2])
    _edge(data, (start, stop), (sentence, stop), out[3])


@njit
def _edge(data: Any, text: Any, part: Any, out: Any) -> None:
    lo, hi = part
    if lo < 0 or hi < 0:
        out[:] = 0
        return
    while lo < hi and data[lo] <= 0x20:
        lo += 1
    while hi > lo and data[hi - 1] <= 0x20:
        hi -= 1
    if hi - lo < SHORTEST_EDGE:
        out[:] = 0
        return
    out[SEGMENT_HASH] = _hash_bytes(data, lo, hi, 1)
    # The whole rest need not be hashed: its length and 64 bytes at its far end tell two texts apart.
    if lo == text[0]:
        far = max(hi, text[1] - 64)
        out[REST_HASH] = _hash_bytes(data, far, text[1], text[1] - hi)
    else:
        far = min(lo, text[0] + 64)
        out[REST_HASH] = _hash_bytes(data, text[0], far, lo - text[0])
    out[SEGMENT_START] = lo
    out[SEGMENT_STOP] = hi


@njit(inline="always")
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@njit
def _opens_with_prompt(data: Any, bounds: Any, prompt: Any, start: int) -> int:
    """1 when the first OPENING bytes of the prompt occur in the answer, ASCII letters compared without case."""
    lo, hi = bounds
    head = _lower(int(prompt[start]))
    for i in range(lo, hi - OPENING + 1):
        if _lower(int(data[i])) != head:
            continue
        j = 1
        while j < OPENING and _lower(int(data[i + j])) == _lower(int(prompt[start + j])):
            j += 1
        if j == OPENING:
            return 1
    return 0


@njit(inline="always")
def _count(text: Any, bounds: Any, tables: Any, tokens: Any, line: Any) -> None:
    """Fills the counters that need one look at each character, and `tokens`."""
    i, stop = bounds
    classes, continuation = tables
    chars, words, symbols, broken, spaces, dashes, garbled = 0, 0, 0, 0, 0, 0, 0
    fences, ends, count, tail, last = 0, 0, 0, 0, 0
    backticks, previous, word, fresh = 0, 0, np.uint64(0), True
    while i < stop:
        code, width = int(text[i]), 1
        if code < 0x80:
            kind = int(classes[code])
        else:
            code, width = _decode(text, i, code)
            kind = _class_of(code, classes)
            garbled += _garbled_step(code, previous, kind, continuation)
        chars += 1
        if kind == LETTER:
            words += 1
            word = (word ^ np.uint64(_lower(code))) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        elif word:
            tokens[count] = word
            count += 1
            word = np.uint64(0)
        if kind in (SPACE, ZERO_WIDTH):
            spaces += 1
            fresh = fresh or code == 0x0A
            ends += 1 if previous == 0x2E or previous == 0x21 or previous == 0x3F else 0
        else:
            tail = 1 if fresh else tail + 1
            fresh = False
            last = code
        if kind == IDEOGRAPH:
            words += 1
            tokens[count] = np.uint64(code) * np.uint64(0x9E3779B97F4A7C15)
            count += 1
        elif kind == DASH:
            dashes += 1
        elif kind == SYMBOL:
            symbols += 1
        elif kind == BROKEN:
            broken += 1
            garbled += 1 if code < 0x80 else 0
        elif code == 0x3002 or code == 0xFF01 or code == 0xFF1F or code == 0x964:
            ends += 1
        if code == 0x60:
            backticks += 1
        elif backticks:
            fences += 1 if backticks >= 3 else 0
            backticks = 0
        previous = code
        i += width
    if word:
        tokens[count] = word
        count += 1
    line[CHARS], line[VISIBLE], line[WORDS], line[SYMBOLS] = chars, chars - spaces, words, symbols
    line[BAD], line[GARBLED], line[DASHES], line[ENDS] = broken, garbled, dashes, ends
    line[FENCES] = fences + (1 if backticks >= 3 else 0)
    line[LAST], line[TAIL], line[TOKENS] = last, tail, count


@njit(cache=True)
def _scan(answers: Any, prompts: Any, tables: Any, scratch: Any, out: Any, edges: Any) -> None:
    offsets, data = answers
    prompt_offsets, prompt_data = prompts
    tokens, table, stamps = scratch
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        line = out[row]
        _count(data, (start, stop), tables, tokens, line)
        if line[TOKENS] > NGRAM:
            line[REPEATED] = _repeated(tokens, line[TOKENS], table, stamps, row + 1)
        _edges(data, start, stop, edges[row])
        edges[row, :, SEGMENT_START:] -= start
        p, q = prompt_offsets[row], prompt_offsets[row + 1]
        line[PROMPT_HASH] = _hash_bytes(prompt_data, p, q, 1)
        line[PROMPT_GARBLED] = _garbled(prompt_data, p, q, tables[0], tables[1])
        if q - p >= OPENING and stop - start >= OPENING:
            line[OPENS] = _opens_with_prompt(data, (start, stop), prompt_data, p)


@dataclass(frozen=True, slots=True)
class Scanned:
    """counters[row, CHARS ...]; edges[row, segment, SEGMENT_HASH ...]."""

    counters: Any
    edges: Any


def _text(column: Any) -> tuple[Any, Any]:
    """(offsets, bytes) of a large_string column, without a copy where it is one chunk."""
    array = column.combine_chunks()
    if hasattr(array, "chunks"):
        array = array.chunk(0)
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    # Arrow may leave an all-empty column without a data buffer.
    return starts, np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)


def scan(answers: Any, prompts: Any) -> Scanned:
    """Counts over two large_string columns of the same length."""
    rows = len(answers)
    counters = np.zeros((rows, COUNTERS), np.int64)
    edges = np.zeros((rows, SEGMENTS, 4), np.int64)
    if not rows:
        return Scanned(counters, edges)
    texts = _text(answers)
    longest = int(np.diff(texts[0]).max())
    slots = 1 << max(4, (2 * longest + 2).bit_length())
    scratch = (np.empty(longest + 2, np.uint64), np.empty(slots, np.uint64), np.zeros(slots, np.int64))
    _scan(texts, _text(prompts), (CLASSES, CONTINUATION), scratch, counters, edges)
    return Scanned(counters, edges)
