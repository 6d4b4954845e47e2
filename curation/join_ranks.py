"""Prepares sets for the join: rare shingles first, and shingles that always come together counted as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.shingles import Shingles, mix


@dataclass(frozen=True, slots=True)
class Ranked:
    """Sets as ascending runs of classes, rarest first; a class is all the shingles that lie in exactly the same sets.

    Shingles of a single set have no class (no pair shares them) but count in `sizes`. Sets too poor in shared
    shingles to reach the threshold with any other have no classes at all.
    """

    tokens: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]  # how many shingles the token beside it stands for
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]  # shingles of each whole set
    classes: int


def ranked(shingles: Shingles, part: int, whole: int) -> Ranked:
    """The sets made ready for a join at threshold part / whole."""
    values, offsets = shingles.values, shingles.offsets
    sizes = np.diff(offsets)
    # Four bits a shingle let a fifth of the lonely ones pass as shared; more bits cost more in cache misses.
    bits = min(max((4 * len(values)).bit_length(), 10), 34)
    tokens, weights, bounds, classes = _rank(values, offsets, -(-part * sizes // whole), bits)
    return Ranked(tokens, weights, bounds, sizes, classes)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _rank(values: Any, offsets: Any, least: Any, bits: Any) -> Any:
    twice = _seen_twice(values, bits)
    shared = _count_shared(values, offsets, least, twice, bits)
    ids, spread, prints = _number(values, offsets, shared, twice, bits)
    group, weight, group_spread = _classes(spread, prints)
    rank = _rarest_first(group_spread)
    n = len(offsets) - 1
    bounds = np.zeros(n + 1, np.int64)
    last = np.full(len(weight), -1, np.int64)
    tokens = np.empty(len(ids), np.int32)
    used, at = 0, 0
    for d in range(n):
        first = used
        for i in range(at, at + shared[d]):
            g = group[ids[i]]
            if g >= 0 and last[g] != d:
                last[g] = d
                tokens[used] = rank[g]
                used += 1
        at += shared[d]
        tokens[first:used].sort()
        bounds[d + 1] = used
    ordered = np.empty(len(weight), np.int32)
    ordered[rank] = weight
    return tokens[:used].copy(), ordered[tokens[:used]], bounds, len(weight)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _seen_twice(values: Any, bits: Any) -> Any:
    """A bit for every hash prefix that came up twice: may be set for a lonely shingle, never unset for a shared."""
    shift = np.uint64(64 - bits)
    once = np.zeros(1 << (bits - 6), np.uint64)
    twice = np.zeros(1 << (bits - 6), np.uint64)
    for value in values:
        place = value >> shift
        word, bit = place >> np.uint64(6), np.uint64(1) << (place & np.uint64(63))
        if once[word] & bit:
            twice[word] |= bit
        else:
            once[word] |= bit
    return twice


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _is_set(words: Any, value: Any, bits: Any) -> Any:
    place = value >> np.uint64(64 - bits)
    return (words[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1)


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _count_shared(values: Any, offsets: Any, least: Any, twice: Any, bits: Any) -> Any:
    """Shared shingles of each set; 0 where they are fewer than any partner would need."""
    shared = np.zeros(len(offsets) - 1, np.int64)
    for d in range(len(shared)):
        count: Any = 0
        for i in range(offsets[d], offsets[d + 1]):
            count += np.int64(_is_set(twice, values[i], bits))
        shared[d] = count if count >= least[d] else 0
    return shared


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _number(values: Any, offsets: Any, shared: Any, twice: Any, bits: Any) -> Any:
    """Dense numbers of the shared shingles in order of appearance; in how many sets each lies; a print of which sets.

    Prints are sums of one random-looking 64-bit number per set. A table row is one half cache line:
    shingle, number + 1, spread, print.
    """
    table = np.zeros((1 << 12, 4), np.uint64)
    ids = np.empty(shared.sum(), np.int32)
    known: Any = 0
    at = 0
    for d in range(len(shared)):
        if shared[d] == 0:
            continue
        mark: Any = mix(np.uint64(d) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x2545F4914F6CDD1D))
        for i in range(offsets[d], offsets[d + 1]):
            value = values[i]
            if not _is_set(twice, value, bits):
                continue
            slot = _slot(table, value)
            row = table[slot]
            if row[1] == 0:
                known += 1
                row[0], row[1] = value, known
            row[2] += np.uint64(1)
            row[3] += mark
            ids[at] = np.int64(row[1]) - 1
            at += 1
            if 2 * known >= len(table):
                table = _doubled(table)
    spread, prints = np.empty(known, np.int64), np.empty(known, np.uint64)
    for row in table:
        if row[1]:
            spread[np.int64(row[1]) - 1], prints[np.int64(row[1]) - 1] = row[2], row[3]
    return ids, spread, prints


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _slot(table: Any, value: Any) -> Any:
    mask = np.uint64(len(table) - 1)
    slot = value & mask
    while table[slot, 1] != 0 and table[slot, 0] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _doubled(table: Any) -> Any:
    wider = np.zeros((2 * len(table), 4), np.uint64)
    for row in table:
        if row[1]:
            wider[_slot(wider, row[0])] = row
    return wider


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _classes(spread: Any, prints: Any) -> Any:
    """Shingles grouped by print: group of each (-1 for those of a single set), shingles and sets of each group."""
    group = np.full(len(spread), -1, np.int32)
    table = np.zeros((1 << _width(2 * len(spread) + 2), 4), np.uint64)
    weight, sets = np.zeros(len(spread), np.int32), np.zeros(len(spread), np.int64)
    known = 0
    for i in range(len(spread)):
        if spread[i] < 2:
            continue
        # The number of sets takes part, so that only sets of equal size can be confused.
        row = table[_slot(table, prints[i] ^ mix(np.uint64(spread[i])))]
        if row[1] == 0:
            known += 1
            row[0], row[1] = prints[i] ^ mix(np.uint64(spread[i])), known
        g = np.int64(row[1]) - 1
        group[i] = g
        weight[g] += 1
        sets[g] = spread[i]
    return group, weight[:known], sets[:known]


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _width(n: Any) -> Any:
    bits = 1
    while (1 << bits) < n:
        bits += 1
    return bits


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _rarest_first(spread: Any) -> Any:
    """The rank of each group by the number of sets it lies in; ties keep their order."""
    most = 0
    for s in spread:
        most = max(most, s)
    start = np.zeros(most + 2, np.int64)
    for s in spread:
        start[s + 1] += 1
    for s in range(most + 1):
        start[s + 1] += start[s]
    rank = np.empty(len(spread), np.int32)
    for g in range(len(spread)):
        rank[g] = start[spread[g]]
        start[spread[g]] += 1
    return rank
