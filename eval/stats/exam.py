"""Two models on one exam: their statistics on the items both have, grouped by cluster."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import DataError
from eval.metrics.metric import Floats, Measured

Ints = npt.NDArray[np.int64]
_CELLS = 4_000_000  # numbers of one block of weights: 32 MB


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One model's statistics. Additive metrics: a row a cluster; ranking ones: a row an item and its cluster."""

    measured: Measured
    rows: Floats
    cluster: Ints | None

    def over(self, weights: Floats) -> Floats:
        """Corpus values for weights [R, clusters]."""
        return self.measured.over(self.rows, weights if self.cluster is None else weights[:, self.cluster])


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """sides: one an entry of `measured`, in order; all hold the same items."""

    sides: tuple[Side, ...]
    kept: npt.NDArray[np.bool_]  # of all items, those that no side misses
    clusters: int

    @property
    def n(self) -> int:
        return int(self.kept.sum())

    def mixed(self, swap: Floats) -> Floats:
        """Second value minus first, had the two models swapped the clusters where `swap` [R, clusters] is 1."""
        first, second = self.sides
        if first.cluster is not None:
            both = Side(first.measured, np.concatenate([first.rows, second.rows]), None)
            wide = swap[:, first.cluster]
            flipped = both.over(np.concatenate([wide, 1 - wide], axis=1))
            return flipped - both.over(np.concatenate([1 - wide, wide], axis=1))
        return self.after(swap @ (second.rows - first.rows))

    def after(self, moved: Floats) -> Floats:
        """The same for additive metrics, from what the swapped clusters' second rows are above their first: [R, k]."""
        first, second = self.sides
        formula = first.measured.formula
        assert formula is not None
        return formula(second.rows.sum(axis=0) - moved) - formula(first.rows.sum(axis=0) + moved)


def exam(measured: Sequence[Measured], clusters: Sequence[Hashable] | npt.NDArray[Any] | None = None) -> Exam:
    """The items that every one of `measured` has. clusters: what ties items together; None = nothing does.

    DataError where the metrics are not the same metric of the same items.
    """
    first = measured[0]
    for other in measured[1:]:
        if other.signature != first.signature:
            raise DataError(f"cannot compare {first.signature} with {other.signature}; compute both anew, alike")
        if len(other.stats) != len(first.stats):
            raise DataError(f"{first.name}: {len(first.stats)} items against {len(other.stats)}; compare one exam")
    kept = np.logical_and.reduce([one.present for one in measured])
    number = _numbers(clusters, len(first.stats))[kept]
    _, dense = np.unique(number, return_inverse=True)
    count = int(dense.max()) + 1 if len(dense) else 0
    return Exam(tuple(_side(one, kept, dense.astype(np.int64), count) for one in measured), kept, count)


def _numbers(clusters: Sequence[Hashable] | npt.NDArray[Any] | None, items: int) -> Ints:
    """Clusters numbered in the order in which they first come."""
    if clusters is None:
        return np.arange(items)
    if len(clusters) != items:
        raise DataError(f"{len(clusters)} clusters for {items} items; give one each")
    if isinstance(clusters, np.ndarray) and clusters.dtype.kind in "iu":
        _, first, place = np.unique(clusters, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[place]
    seen: dict[Hashable, int] = {}
    named = clusters.tolist() if isinstance(clusters, np.ndarray) else clusters
    return np.fromiter((seen.setdefault(cluster, len(seen)) for cluster in named), np.int64, items)


def _side(measured: Measured, kept: npt.NDArray[np.bool_], cluster: Ints, count: int) -> Side:
    rows = measured.stats[kept]
    if measured.ranked is not None:
        return Side(measured, rows, cluster)
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, cluster, rows)
    return Side(measured, sums, None)


def blocks(draws: int, exam: Exam, cells: int = _CELLS) -> list[int]:
    """Sizes that add up to `draws`, so that a block of weights over items or clusters stays under `cells`."""
    width = max((len(side.rows) for side in exam.sides), default=1)
    size = max(1, cells // max(width, 1))
    return [min(size, draws - done) for done in range(0, draws, size)]
