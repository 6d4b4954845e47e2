"""From a tag to the data: which sources the tagged predictions' training neighbours come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from eval.neighbours import Neighbour, Neighbours
from eval.review.rates import fisher_greater
from eval.stats.multiple import benjamini_hochberg


@dataclass(frozen=True, slots=True)
class Blame:
    """A source against a tag: near of n tagged predictions lie near it, rest_near of rest_n of the others.

    A prediction lies near a source where at least half of its neighbours come from there. p: one-sided Fisher;
    p_adjusted: Benjamini-Hochberg over the sources. Predictions about one fact fail together, so p is a guide to where
    to look and no proof.
    """

    source: str
    near: int
    n: int
    rest_near: int
    rest_n: int
    p: float
    p_adjusted: float
    rows: int  # of the source, in training


def blame(tagged: Collection[str], neighbours: Neighbours) -> list[Blame]:
    """Every source that a tagged prediction lies near, most suspicious first; empty where none has neighbours."""
    near = {prediction: _sources(found) for prediction, found in neighbours.by_prediction.items() if found}
    inside = [sources for prediction, sources in near.items() if prediction in set(tagged)]
    outside = [sources for prediction, sources in near.items() if prediction not in set(tagged)]
    hits, others = Counter(s for found in inside for s in found), Counter(s for found in outside for s in found)
    rows = Counter(row.source for row in neighbours.rows)
    p = [fisher_greater(hits[s], len(inside), others[s], len(outside)) for s in hits]
    adjusted = benjamini_hochberg(p)
    table = [
        Blame(source, hits[source], len(inside), others[source], len(outside), p[i], adjusted[i], rows[source])
        for i, source in enumerate(hits)
    ]
    return sorted(table, key=lambda row: (row.p_adjusted, row.p, row.source))


def _sources(found: Sequence[Neighbour]) -> list[str]:
    counted = Counter(neighbour.row.source for neighbour in found)
    return [source for source, count in counted.items() if 2 * count >= len(found)]
