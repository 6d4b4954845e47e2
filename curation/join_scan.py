"""The inner loops of the exact join: prefixes, posting lists, candidates, exact counts."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

# Every function here takes sets in ascending order of size, so that `x` meets only sets no larger than itself.


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def postings(tokens: Any, weights: Any, offsets: Any, sizes: Any, part: Any, whole: Any, classes: Any) -> Any:
    """(probe, index, start, needed): prefix lengths, where each class's list begins, overlap needed by summed size.

    The prefix of a set are the tokens from which on enough weight is left for the overlap. A later, larger partner
    needs more overlap than the least possible, so fewer tokens are indexed than are looked up.
    """
    n = len(sizes)
    probe, index = np.zeros(n, np.int32), np.zeros(n, np.int32)
    start = np.zeros(classes + 1, np.int64)
    for d in range(n):
        first, size = offsets[d], sizes[d]
        least, least_of_larger = -(-part * size // whole), -(-2 * part * size // (part + whole))
        weight = 0
        for i in range(offsets[d + 1] - 1, first - 1, -1):
            weight += weights[i]
            if weight >= least and probe[d] == 0:
                probe[d] = i - first + 1
            if weight >= least_of_larger:
                index[d] = i - first + 1
                break
        for i in range(first, first + index[d]):
            start[tokens[i] + 1] += 1
    for c in range(classes):
        start[c + 1] += start[c]
    needed = np.empty(2 * (sizes[-1] if n else 0) + 1, np.int32)
    for total in range(len(needed)):
        needed[total] = -(-part * total // (part + whole))
    return probe, index, start, needed


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def scan(tokens: Any, weights: Any, offsets: Any, sizes: Any, state: Any, x: Any, limit: Any, found: Any) -> Any:
    """Probe and index sets from x on until `limit` pairs are found; (next x, pairs).

    found takes (larger set, smaller set, overlap) and has room for limit + one line a set. `state` goes on where the
    last call stopped: probe, index, needed, shortest partner, weight of each set; begin, end, text and rest of lists.
    """
    probe, index, needed, shortest, total, begin, end, text, rest = state
    n = len(sizes)
    shared = np.zeros(n, np.int32)  # overlap seen so far; -1: cannot be enough any more
    candidates = np.empty(n, np.int32)
    marks = np.zeros(len(begin), np.uint8)
    count = 0
    while x < n and count < limit:
        first, size, left, seen = offsets[x], sizes[x], total[x], 0
        for i in range(probe[x]):
            c, weight = tokens[first + i], weights[first + i]
            while begin[c] < end[c] and sizes[text[begin[c]]] < shortest[x]:
                begin[c] += 1
            for e in range(begin[c], end[c]):
                y = text[e]
                so_far = shared[y]
                if so_far < 0:
                    continue
                if so_far == 0:
                    candidates[seen] = y
                    seen += 1
                enough = so_far + min(left, rest[e]) >= needed[size + sizes[y]]
                shared[y] = so_far + weight if enough else -1
            if i < index[x]:
                text[end[c]], rest[end[c]] = x, left
                end[c] += 1
            left -= weight
        if seen:
            marks[tokens[first : offsets[x + 1]]] = 1
            for y in candidates[:seen]:
                if shared[y] > 0:
                    spare = total[y] - needed[size + sizes[y]]
                    missing = _missing(tokens, weights, offsets[y], offsets[y + 1], marks, spare)
                    if missing <= spare:
                        found[count, 0], found[count, 1], found[count, 2] = x, y, total[y] - missing
                        count += 1
                shared[y] = 0
            marks[tokens[first : offsets[x + 1]]] = 0
        x += 1
    return x, count


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _missing(tokens: Any, weights: Any, i: Any, end: Any, marks: Any, spare: Any) -> Any:
    """Weight of a set's tokens without a mark; it may stop counting once above `spare`.

    Rare tokens come first, so unlike sets show it early; sixteen at a time without a branch beats a merge of two runs.
    """
    missing = 0
    while i + 16 <= end and missing <= spare:
        for k in range(i, i + 16):
            missing += weights[k] * (1 - marks[tokens[k]])
        i += 16
    while i < end and missing <= spare:
        missing += weights[i] * (1 - marks[tokens[i]])
        i += 1
    return missing


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def overlaps(values: Any, offsets: Any, left: Any, right: Any) -> Any:
    """How many values each pair of sets shares. Pairs that follow one another with the same left set come cheaper."""
    common = np.zeros(len(left), np.int64)
    slots, mask, held = np.zeros(1024, np.uint64), np.uint64(0), np.int64(-1)
    for p in range(len(left)):
        if left[p] != held:
            held = left[p]
            first, end = offsets[held], offsets[held + 1]
            size = 16
            while size < 2 * (end - first):
                size *= 2
            if size > len(slots):
                slots = np.zeros(size, np.uint64)
            slots[:size] = 0  # a hash of 0 is none: shingles never give it
            mask = np.uint64(size - 1)
            for i in range(first, end):
                slots[_slot_of(slots, mask, values[i])] = values[i]
        for i in range(offsets[right[p]], offsets[right[p] + 1]):
            common[p] += slots[_slot_of(slots, mask, values[i])] == values[i]
    return common


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _slot_of(slots: Any, mask: Any, value: Any) -> Any:
    """Where a value is, or could be put."""
    slot = value & mask
    while slots[slot] != 0 and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot
