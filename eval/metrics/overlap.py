"""Counts what two token sequences share: clipped n-grams, the longest common subsequence, its union over lines."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from eval.metrics.metric import Floats

Ints = npt.NDArray[np.int64]


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _slot(ids: Any, start: Any, order: Any, mask: Any) -> Any:
    h = np.uint64(1469598103934665603)
    for k in range(order):
        h = (h ^ np.uint64(ids[start + k])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    return np.int64(h & np.uint64(mask))


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _equal(one: Any, i: Any, two: Any, j: Any, order: Any) -> Any:
    k = 0
    while k < order and one[i + k] == two[j + k]:
        k += 1
    return k == order


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _shared(left: Any, a: Any, b: Any, right: Any, c: Any, d: Any, order: Any, start: Any, count: Any) -> Any:
    """Clipped matches of the n-grams of left[a:b] and right[c:d]. start and count are scratch: a hash table."""
    mask = 1
    while mask < 2 * (d - c):
        mask *= 2
    count[:mask] = 0
    mask -= 1
    for j in range(c, d - order + 1):
        s = _slot(right, j, order, mask)
        while count[s] and not _equal(right, j, right, start[s], order):
            s = (s + 1) & mask
        start[s] = j
        count[s] += 1 if count[s] else 2  # one more than is left, so that a used-up entry still ends no probe
    matches = 0
    for i in range(a, b - order + 1):
        s = _slot(left, i, order, mask)
        while count[s] and not _equal(left, i, right, start[s], order):
            s = (s + 1) & mask
        if count[s] > 1:
            count[s] -= 1
            matches += 1
    return matches


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def shared_ngrams(left: Any, left_at: Any, right: Any, right_at: Any, orders: Any) -> Any:
    """For pairs of sequences [pairs, orders, 3]: n-grams on the left, on the right, clipped matches; orders from 1."""
    pairs = len(left_at) - 1
    out = np.zeros((pairs, orders, 3), np.int64)
    room = 4
    for p in range(pairs):
        room = max(room, 4 * (right_at[p + 1] - right_at[p]))
    start, count = np.zeros(room, np.int64), np.zeros(room, np.int32)
    for p in range(pairs):
        a, b, c, d = left_at[p], left_at[p + 1], right_at[p], right_at[p + 1]
        for order in range(1, orders + 1):
            out[p, order - 1, 0] = max(b - a - order + 1, 0)
            out[p, order - 1, 1] = max(d - c - order + 1, 0)
            if out[p, order - 1, 0] and out[p, order - 1, 1]:
                out[p, order - 1, 2] = _shared(left, a, b, right, c, d, order, start, count)
    return out


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def common_subsequences(left: Any, left_at: Any, right: Any, right_at: Any) -> Any:
    """The length of the longest common subsequence of each pair."""
    pairs = len(left_at) - 1
    out = np.zeros(pairs, np.int64)
    for p in range(pairs):
        width = right_at[p + 1] - right_at[p]
        row = np.zeros(width + 1, np.int64)
        for i in range(left_at[p], left_at[p + 1]):
            corner = np.int64(0)
            for j in range(width):
                above = row[j + 1]
                row[j + 1] = corner + 1 if left[i] == right[right_at[p] + j] else max(above, row[j])
                corner = above
        out[p] = row[width]
    return out


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _mark_subsequence(ref: Any, r0: Any, r1: Any, out: Any, c0: Any, c1: Any, marks: Any) -> None:
    """Mark the tokens of a line of the reference that the one subsequence holds which rouge_score walks back to."""
    table = np.zeros((r1 - r0 + 1, c1 - c0 + 1), np.int32)
    for i in range(1, r1 - r0 + 1):
        for j in range(1, c1 - c0 + 1):
            if ref[r0 + i - 1] == out[c0 + j - 1]:
                table[i, j] = table[i - 1, j - 1] + 1
            else:
                table[i, j] = max(table[i - 1, j], table[i, j - 1])
    i, j = r1 - r0, c1 - c0
    while i > 0 and j > 0:
        if ref[r0 + i - 1] == out[c0 + j - 1]:
            marks[r0 + i - 1] = True
            i -= 1
            j -= 1
        elif table[i, j - 1] > table[i - 1, j]:
            j -= 1
        else:
            i -= 1


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def union_hits(ref: Any, ref_at: Any, ref_lines: Any, out: Any, out_at: Any, out_lines: Any, vocabulary: Any) -> Any:
    """ROUGE-Lsum hits of each pair: what a reference line shares with any output line, no token counted twice.

    Line k of the references is ref[ref_at[k]:ref_at[k + 1]]; pair p has lines ref_lines[p]:ref_lines[p + 1].
    """
    pairs = len(ref_lines) - 1
    hits = np.zeros(pairs, np.int64)
    marks = np.zeros(len(ref), np.bool_)
    in_ref, in_out = np.zeros(vocabulary, np.int64), np.zeros(vocabulary, np.int64)
    for p in range(pairs):
        r0, r1 = ref_at[ref_lines[p]], ref_at[ref_lines[p + 1]]
        c0, c1 = out_at[out_lines[p]], out_at[out_lines[p + 1]]
        for t in ref[r0:r1]:
            in_ref[t] += 1
        for t in out[c0:c1]:
            in_out[t] += 1
        for r in range(ref_lines[p], ref_lines[p + 1]):
            for c in range(out_lines[p], out_lines[p + 1]):
                _mark_subsequence(ref, ref_at[r], ref_at[r + 1], out, out_at[c], out_at[c + 1], marks)
        for k in range(r0, r1):
            t = ref[k]
            if marks[k] and in_out[t] > 0 and in_ref[t] > 0:
                hits[p] += 1
                in_out[t] -= 1
                in_ref[t] -= 1
        in_ref[ref[r0:r1]] = 0
        in_out[out[c0:c1]] = 0
    return hits


def f1(matches: Any, left: Any, right: Any) -> Floats:
    """2PR / (P + R), which is 2 * matches / (left + right); 0 where nothing matches."""
    total = np.asarray(left, np.float64) + right
    scores: Floats = np.divide(2.0 * matches, total, out=np.zeros(len(total)), where=total > 0)
    return scores


def first_best(scores: Floats, owner: Ints) -> Ints:
    """For pairs grouped by owner (ascending), the number of each owner's first pair with the highest score."""
    order = np.lexsort((np.arange(len(owner)), -scores, owner))
    first = np.concatenate([[True], owner[order][1:] != owner[order][:-1]]) if len(owner) else np.zeros(0, bool)
    best: Ints = order[first]
    return best
