"""Rows whose split is given: they stay exactly where they are, and what is tied to them leaves the weaker splits.

A row tied directly to a fixed test row is dropped, also if it is fixed to train or validation itself; then the same
for fixed validation rows. What remains of the cluster is clustered again without the dropped rows. So a
protected test set neither loses nor gains a row, and nothing tied to it is left in the build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curation import tables
from curation.splits.config import SPLITS, TEST, VALIDATION
from curation.splits.questions import Bools, Ints
from curation.splits.ties import Ties

_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Evicted:
    """Rows dropped for a fixed row: parallel arrays."""

    row: Ints
    matched: Ints
    similarity: Any  # float32; NaN where only the user's group ties them
    split: Ints  # of the fixed row


def evict(ties: Ties, fixed: Ints) -> Evicted:
    """Rows that are tied to a row of a stronger fixed split; `fixed` is -1 where the split is free."""
    alive = np.ones(len(fixed), np.bool_)
    found = []
    for split in (TEST, VALIDATION):
        holders = alive & (fixed == split)
        if not holders.any():
            continue
        matched, similarity = _closest(ties, holders)
        out = np.flatnonzero(alive & (fixed != split) & (matched >= 0))
        found.append(Evicted(out, matched[out], similarity[out], np.full(len(out), split)))
        alive[out] = False
    parts = [Evicted(*(np.zeros(0, np.int64) for _ in range(4))), *found]
    row, matched, similarity, level = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "matched", "similarity", "split")
    )
    return Evicted(row, matched, similarity, level)


def evicted_table(evicted: Evicted, pos: Ints, threshold: float) -> Any:
    """tables.DROPPED for evicted rows."""
    grouped = np.isnan(evicted.similarity)
    kind = np.where(grouped, "group_fixed", "near_fixed")
    reason = [f"{k}_{SPLITS[s]}" for k, s in zip(kind.tolist(), evicted.split.tolist(), strict=True)]
    return tables.dropped_table(
        pos[evicted.row],
        reason,
        value=pa.array(evicted.similarity, pa.float64(), mask=grouped),
        threshold=pa.array(np.full(len(grouped), threshold), mask=grouped),
        matched=pos[evicted.matched],
    )


def _closest(ties: Ties, holders: Bools) -> tuple[Ints, Any]:
    """For each row the most similar holder tied to it, and the similarity; -1 where there is none."""
    asked, near, rank = ties.asked, ties.near, ties.rank
    held = holders[asked.row]
    holder = _smallest(asked.text[held], asked.row[held], rank, ties.texts)

    pair = near.ties
    left, right, similarity = near.left[pair], near.right[pair], near.similarity[pair]
    own = np.arange(ties.texts)
    text, other = np.concatenate((own, left, right)), np.concatenate((own, right, left))
    value = np.concatenate((np.ones(len(own), np.float32), similarity, similarity))
    best = best_offers(text, holder[other], value, rank, ties.texts)
    text_holder, text_value = _taken(best, holder[other], value)
    entry_holder, entry_value = text_holder[asked.text], text_value[asked.text]
    matched, measured = _taken(
        best_offers(asked.row, entry_holder, entry_value, rank, len(holders)), entry_holder, entry_value
    )
    _by_code(matched, ties.rank, holders, rank)  # equal row_ids are equal rows, even without a question
    measured[(matched >= 0) & np.isnan(measured)] = 1.0
    _by_code(matched, ties.group, holders, rank)
    _by_bundle(matched, ties, holders)
    return matched, measured


def best_offers(of: Ints, holder: Ints, value: Any, rank: Ints, n: int) -> Ints:
    """For each number below n the offer (place in `of`) of highest value, then smallest rank; -1 for none.

    An offer whose holder is -1 does not count.
    """
    offers = np.flatnonzero(holder >= 0)
    of, value, holder = of[offers], value[offers], holder[offers]
    order = np.lexsort((rank[holder], -value, of))
    order = order[np.diff(of[order], prepend=-1) > 0]
    best = np.full(n, _NO_ROW)
    best[of[order]] = offers[order]
    return best


def _taken(best: Ints, holder: Ints, value: Any) -> tuple[Ints, Any]:
    """Holder and value of each best offer; -1 and NaN where there is none (the last place, which -1 finds)."""
    return np.append(holder, _NO_ROW)[best], np.append(value, np.float32(np.nan))[best]


def _by_code(matched: Ints, codes: Ints, holders: Bools, rank: Ints) -> None:
    """Match rows that have no holder yet with one of their own code."""
    coded = codes >= 0
    held = np.flatnonzero(coded & holders)
    holder = _smallest(codes[held], held, rank, int(codes.max(initial=-1)) + 1)
    free = coded & (matched < 0)
    matched[free] = holder[codes[free]]


def _by_bundle(matched: Ints, ties: Ties, holders: Bools) -> None:
    """Match rows that have no holder yet with one in their bundle: not all pairs there are listed."""
    asked = ties.asked
    bundle = ties.near.bundle[asked.text]
    held = (bundle >= 0) & holders[asked.row]
    holder = _smallest(bundle[held], asked.row[held], ties.rank, ties.texts)
    free = (bundle >= 0) & (matched[asked.row] < 0)
    free &= holder[bundle] >= 0
    matched[asked.row[free]] = holder[bundle[free]]


def _smallest(of: Ints, rows: Ints, rank: Ints, n: int) -> Ints:
    """For each number below n the row of smallest rank among those given for it; -1 for none."""
    out = np.full(n, _NO_ROW)
    order = np.lexsort((rank[rows], of))[::-1]
    out[of[order]] = rows[order]
    return out
