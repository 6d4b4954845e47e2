"""The exact Jaccard self-join: every pair of sets whose similarity reaches a threshold, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.shingles import Shingles, mix


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of text numbers, left < right, sorted by (left, right)."""

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)


def unique_sets(shingles: Shingles) -> tuple[Shingles, npt.NDArray[np.int32]]:
    """The distinct sets in order of first appearance, and for each text the number of its set.

    Sets are told apart by 128-bit fingerprints. Empty sets count as one set.
    """
    fingerprints = _fingerprints(shingles.values, shingles.offsets)
    _, first, inverse = np.unique(fingerprints, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    chosen = first[order]
    sizes = np.diff(shingles.offsets)[chosen]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    values = _gather(shingles.values, shingles.offsets, chosen, offsets)
    return Shingles(values, offsets), number[inverse]


def jaccard_pairs(shingles: Shingles, threshold: float) -> Pairs:
    """All pairs of texts with Jaccard >= threshold, both non-empty. n equal texts make n * (n - 1) / 2 pairs:
    join unique_sets() where many are equal.
    """
    part, whole = threshold_ratio(threshold)
    ranks, offsets = _ranked(shingles)
    sizes = np.diff(offsets).astype(np.int32)
    order = np.argsort(sizes, kind="stable").astype(np.int32)
    room = 1 << 16
    while True:
        left, right, overlap = (np.empty(room, np.int32) for _ in range(3))
        found = _join(ranks, offsets, order, part, whole, left, right, overlap)
        if found <= room:
            break
        room = found
    left, right, overlap = left[:found], right[:found], overlap[:found]
    union = sizes[left].astype(np.int64) + sizes[right] - overlap
    low, high = np.minimum(left, right), np.maximum(left, right)
    place = np.lexsort((high, low))
    return Pairs(low[place], high[place], (overlap / union).astype(np.float32)[place])


def threshold_ratio(threshold: float) -> tuple[int, int]:
    """The threshold as the simplest fraction close by, so that a Jaccard of exactly 4/5 reaches .8 and 1/3 reaches 1/3.

    The denominator stays under 10**9: products with set sizes fit 64 bits.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} is not above 0 and at most 1")
    ratio = Fraction(repr(float(threshold))).limit_denominator(10**9)
    return max(ratio.numerator, 1), ratio.denominator


def _ranked(shingles: Shingles) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Shingles as dense numbers, rarest first, ascending within each text."""
    _, inverse, counts = np.unique(shingles.values, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int32)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
    ranks = rank[inverse]
    _sort_each(ranks, shingles.offsets)
    return ranks, shingles.offsets


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba ships no types
def _sort_each(ranks: Any, offsets: Any) -> None:
    for d in range(len(offsets) - 1):
        ranks[offsets[d] : offsets[d + 1]].sort()


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fingerprints(values: Any, offsets: Any) -> Any:
    """Per set two sums of differently mixed hashes, which no order of the values changes."""
    out = np.zeros((len(offsets) - 1, 2), np.uint64)
    for d in range(len(offsets) - 1):
        one, two = np.uint64(0), np.uint64(offsets[d + 1] - offsets[d])
        for i in range(offsets[d], offsets[d + 1]):
            h = mix(values[i])
            one += h
            two += mix(h ^ np.uint64(0x5851F42D4C957F2D))
        out[d, 0], out[d, 1] = one, two
    return out


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(values: Any, offsets: Any, chosen: Any, new: Any) -> Any:
    out = np.empty(new[-1], values.dtype)
    for k in range(len(chosen)):
        out[new[k] : new[k + 1]] = values[offsets[chosen[k]] : offsets[chosen[k] + 1]]
    return out


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _join(ranks: Any, offsets: Any, order: Any, part: Any, whole: Any, left: Any, right: Any, overlap: Any) -> Any:
    """Write the pairs; their number, which may exceed the room (then nothing beyond it was written)."""
    n = len(order)
    top = 0
    for r in ranks:
        top = max(top, r + 1)
    count = np.zeros(top + 1, np.int64)
    for d in range(n):
        size = offsets[d + 1] - offsets[d]
        for i in range(offsets[d], offsets[d] + size - -(-part * size // whole) + 1 if size else offsets[d]):
            count[ranks[i] + 1] += 1
    for r in range(top):
        count[r + 1] += count[r]
    start, end = count[:-1].copy(), count[:-1].copy()
    text, place = np.empty(count[top], np.int32), np.empty(count[top], np.int32)
    shared = np.zeros(n, np.int32)
    touched = np.empty(n, np.int32)
    found = 0
    for x in order:
        size = offsets[x + 1] - offsets[x]
        if size == 0:
            continue
        shortest = -(-part * size // whole)
        candidates = 0
        for i in range(size - shortest + 1):
            r = ranks[offsets[x] + i]
            while start[r] < end[r] and offsets[text[start[r]] + 1] - offsets[text[start[r]]] < shortest:
                start[r] += 1
            for e in range(start[r], end[r]):
                y = text[e]
                if shared[y] == 0:
                    touched[candidates] = y
                    candidates += 1
                if shared[y] < 0:
                    continue
                other = offsets[y + 1] - offsets[y]
                need = -(-part * (size + other) // (part + whole))
                if shared[y] + 1 + min(size - i - 1, other - place[e] - 1) >= need:
                    shared[y] += 1
                else:
                    shared[y] = -1
            text[end[r]], place[end[r]] = x, i
            end[r] += 1
        for c in range(candidates):
            y = touched[c]
            if shared[y] > 0:
                other = offsets[y + 1] - offsets[y]
                need = -(-part * (size + other) // (part + whole))
                common = _overlap(ranks, offsets[x], offsets[x + 1], offsets[y], offsets[y + 1], need)
                if common >= need:
                    if found < len(left):
                        left[found], right[found], overlap[found] = x, y, common
                    found += 1
            shared[y] = 0
    return found


@nb.njit(inline="always")  # type: ignore[untyped-decorator]
def _overlap(ranks: Any, i: Any, i_end: Any, j: Any, j_end: Any, need: Any) -> Any:
    """Shared numbers of two ascending runs; some number below `need` as soon as it cannot be reached."""
    common = 0
    while i < i_end and j < j_end:
        if common + min(i_end - i, j_end - j) < need:
            return -1
        a, b = ranks[i], ranks[j]
        common += a == b
        i += a <= b
        j += b <= a
    return common
