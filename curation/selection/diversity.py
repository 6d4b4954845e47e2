"""Diverse rows by greedy k-centre: each choice is the row least like all chosen before it.

Similarity is the Jaccard index of word sets (`size` 1; a character is a word in scripts without spaces). The chosen
rows cover the rest: no row left out is less similar to its nearest chosen row than the last choice was to its own,
which is within a factor of two of the best cover possible (Gonzalez 1985, for the distance 1 - Jaccard, a metric).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.shingles import shingle


@dataclass(frozen=True, slots=True)
class Centres:
    """One entry a text."""

    chosen: npt.NDArray[np.bool_]
    nearest: npt.NDArray[np.int64]  # the most similar chosen text (for a chosen one: chosen before it), -1 for none
    similarity: npt.NDArray[np.float64]  # to `nearest`
    last: float  # similarity of the last choice


def k_centre(texts: Any, k: int, size: int) -> Centres:
    """The first text, then k - 1 more. Of equally dissimilar texts the one that stands first. Empty texts come last."""
    sets = shingle(texts, "auto", size)
    n = len(sets)
    words, sizes = _numbered(sets.values), np.diff(sets.offsets)
    start, holders = _postings(words, sets.offsets)
    order, nearest, similarity = _choose(words, sets.offsets, sizes, start, holders, min(k, n))
    chosen = np.zeros(n, np.bool_)
    chosen[order] = True
    return Centres(chosen, nearest, similarity, float(similarity[order[-1]]) if len(order) else 0.0)


def _numbered(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """Hashes as numbers from 0."""
    _, numbers = np.unique(values, return_inverse=True)
    return numbers.astype(np.int32)


def _postings(words: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """For each word the texts that hold it: holders[start[w]:start[w + 1]]."""
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    start = np.concatenate([[0], np.cumsum(np.bincount(words))]).astype(np.int64)
    return start, owner[np.argsort(words, kind="stable")]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _choose(words: Any, offsets: Any, sizes: Any, start: Any, holders: Any, k: Any) -> Any:
    """(choices in order, nearest chosen text, similarity to it)."""
    n = len(sizes)
    order, nearest = np.empty(k, np.int64), np.full(n, -1, np.int64)
    best, key = np.zeros(n), np.zeros(n)  # key: best, above 1 for texts that must wait, 3 for chosen ones
    for d in range(n):
        if sizes[d] == 0:
            key[d] = 2.0
    shared, touched = np.zeros(n, np.int32), np.empty(n, np.int32)
    for turn in range(k):
        c = 0
        for d in range(n):
            if key[d] < key[c]:
                c = d
        order[turn] = c
        key[c] = 3.0
        count = 0
        for i in range(offsets[c], offsets[c + 1]):
            for j in range(start[words[i]], start[words[i] + 1]):
                d = holders[j]
                if shared[d] == 0:
                    touched[count] = d
                    count += 1
                shared[d] += 1
        for i in range(count):
            d = touched[i]
            similarity = shared[d] / (sizes[c] + sizes[d] - shared[d])
            shared[d] = 0
            if key[d] < 3.0 and similarity > best[d]:
                best[d] = key[d] = similarity
                nearest[d] = c
    return order, nearest, best
