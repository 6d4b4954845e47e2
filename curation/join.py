"""The exact Jaccard self-join: every pair of sets whose similarity reaches a threshold, and no other.

Two sets can reach it only if they share a shingle inside both prefixes: what is left of each, in one fixed global
order, once its tail is too light to hold the overlap (Bayardo et al. 2007; PPJoin, Xiao et al. 2008). Candidates are
found smallest set first and counted exactly. docs/decisions/0002-exact-join.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt

from curation.errors import DataError
from curation.join_ranks import ranked
from curation.join_scan import overlaps, postings, scan
from curation.shingles import Shingles, mix

MOST_PAIRS: Final = 50_000_000  # they take 2 GB while being sorted
_BLOCK: Final = 1 << 20  # pairs found before they are handed on


class TooManyPairsError(DataError):
    """More pairs than memory should hold."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of text numbers, left < right, sorted by (left, right)."""

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)


def jaccard_pairs(shingles: Shingles, threshold: float) -> Pairs:
    """All pairs of texts with Jaccard >= threshold, both non-empty.

    n equal texts make n * (n - 1) / 2 pairs: give it unique_sets() where many may be equal.
    """
    blocks: list[Pairs] = []
    for block in jaccard_blocks(shingles, threshold):
        blocks.append(block)
        if sum(map(len, blocks)) > MOST_PAIRS:
            raise TooManyPairsError(
                f"over {MOST_PAIRS:,} pairs of texts are alike at {threshold} or more: many share a long common "
                "part; take it out of the prompts (a system message is not compared), or raise the threshold"
            )
    return sorted_pairs(blocks)


def sorted_pairs(blocks: list[Pairs]) -> Pairs:
    """All blocks as one, sorted by (left, right)."""
    if not blocks:
        return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    left = np.concatenate([b.left for b in blocks])
    right = np.concatenate([b.right for b in blocks])
    similarity = np.concatenate([b.similarity for b in blocks])
    place = np.argsort(left.astype(np.int64) << 32 | right, kind="stable")
    return Pairs(left[place], right[place], similarity[place])


def jaccard_blocks(shingles: Shingles, threshold: float) -> Iterator[Pairs]:
    """The same pairs in parts of about a million, each part unsorted: for callers that can do without the whole."""
    part, whole = threshold_ratio(threshold)
    order = np.argsort(np.diff(shingles.offsets), kind="stable").astype(np.int32)
    sets = ranked(_taken(shingles, order), part, whole)
    sizes = sets.sizes.astype(np.int32)
    data = (sets.tokens, sets.weights, sets.offsets)
    probe, index, start, needed = postings(*data, sets.sizes, part, whole, sets.classes)
    shortest = (-(-part * sets.sizes // whole)).astype(np.int32)
    weight = np.concatenate((np.zeros(1, np.int64), np.cumsum(sets.weights)))
    total = np.diff(weight[sets.offsets]).astype(np.int32)
    text, rest = np.empty(start[-1], np.int32), np.empty(start[-1], np.int32)
    state = (probe, index, needed, shortest, total, start[:-1].copy(), start[:-1].copy(), text, rest)
    found = np.empty((_BLOCK + len(order), 3), np.int32)
    done = 0
    while done < len(order):
        done, count = scan(*data, sizes, state, done, _BLOCK, found)
        one, two, overlap = found[:count].T
        union = sizes[one].astype(np.int64) + sizes[two] - overlap
        one, two = order[one], order[two]
        yield Pairs(np.minimum(one, two), np.maximum(one, two), (overlap / union).astype(np.float32))


def jaccard_of(shingles: Shingles, left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The similarity of given pairs of texts; 1 where both are empty."""
    overlap = overlaps(shingles.values, shingles.offsets, left, right)
    sizes = np.diff(shingles.offsets)
    union = sizes[left] + sizes[right] - overlap
    similarity: npt.NDArray[np.float64] = np.where(union > 0, overlap / np.maximum(union, 1), 1.0)
    return similarity


def unique_sets(shingles: Shingles) -> tuple[Shingles, npt.NDArray[np.int32]]:
    """The distinct sets in order of first appearance, and for each text the number of its set.

    Sets are told apart by 128-bit fingerprints. Empty sets count as one set.
    """
    prints = _fingerprints(shingles.values, shingles.offsets)
    number, chosen = _first_places(prints)
    return _taken(shingles, chosen), number


def _taken(shingles: Shingles, chosen: npt.NDArray[Any]) -> Shingles:
    sizes = np.diff(shingles.offsets)[chosen]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    return Shingles(_gather(shingles.values, shingles.offsets, chosen, offsets), offsets)


def threshold_ratio(threshold: float) -> tuple[int, int]:
    """The threshold as a simple fraction close by, so that a Jaccard of exactly 4/5 reaches .8, and 1/3 reaches 1/3.

    The denominator stays within 10**9: its products with set sizes fit 64 bits.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} is not above 0 and at most 1")
    ratio = Fraction(repr(float(threshold))).limit_denominator(10**9)
    return (ratio.numerator, ratio.denominator) if ratio else (1, 10**9)


def _first_places(prints: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Number rows by first appearance: the number of each row, and the first row of each number."""
    order = np.lexsort((prints[:, 1], prints[:, 0]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (prints[order][1:] != prints[order][:-1]).any(axis=1)
    run = np.cumsum(new) - 1
    firsts = order[new]  # lexsort is stable: the first of a run is its first appearance
    by_appearance = np.argsort(firsts)
    name = np.empty(len(firsts), np.int32)
    name[by_appearance] = np.arange(len(firsts), dtype=np.int32)
    number = np.empty(len(order), np.int32)
    number[order] = name[run]
    return number, firsts[by_appearance]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def unite(root: Any, left: Any, right: Any) -> None:
    """Union-find: join the components of each pair; a component's smallest member is its root."""
    for p in range(len(left)):
        a, b = np.int64(left[p]), np.int64(right[p])
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        root[max(a, b)] = min(a, b)


def flattened(root: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The root of every member after unite()."""
    while True:
        further = root[root]
        if np.array_equal(further, root):
            return root
        root = further


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
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


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _gather(values: Any, offsets: Any, chosen: Any, new: Any) -> Any:
    out = np.empty(new[-1], values.dtype)
    for k in range(len(chosen)):
        out[new[k] : new[k + 1]] = values[offsets[chosen[k]] : offsets[chosen[k] + 1]]
    return out
