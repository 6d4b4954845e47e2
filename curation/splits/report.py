"""The account of a split: sizes, the random split beside it, closest avoided pairs, and what to do about misfits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from curation.splits import ties as tying
from curation.splits.avoided import AvoidedPair, closest_avoided, shortened
from curation.splits.config import SPLITS, TRAIN, SplitConfig
from curation.splits.measure import Overlap, Twins, answer_overlap, twins
from curation.splits.questions import Bools, Ints
from curation.splits.ties import Ties

LARGE_CLUSTER: Final = 0.05  # share of the rows
MISSED_RATIO: Final = 0.02


@dataclass(frozen=True, slots=True)
class Moved:
    row_id: str  # hexadecimal
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where each row went; split and cluster are -1 for rows that left the build."""

    pos: Ints
    split: Ints
    cluster: Ints
    moved: list[Moved]
    free: Bools  # rows that no source or field has fixed, nor a row in their cluster
    closed: frozenset[int] = frozenset()  # splits that were given, not filled
    inherits: bool = False  # rows have splits from earlier versions


@dataclass(frozen=True, slots=True)
class SplitReport:
    rows: dict[str, int]
    clusters: dict[str, int]
    dropped: int
    edges: dict[str, int]  # by kind, as listed
    crossing_fact_edges: int  # differs_in_fact edges between train and a held-out split
    largest_cluster: int  # rows
    twins: Twins | None  # by the edge that this split keeps together; None without test rows
    twins_any_fact: Twins | None  # the same when questions that differ in a fact count as twins too
    answer_overlap: Overlap | None
    closest_avoided: list[AvoidedPair]
    moved: list[Moved]  # rows that were in another split in the parent version
    warnings: list[str]

    def sentence(self) -> str:
        """What a random split would have done to the test, beside this one."""
        if self.twins is None:
            return "no test rows, so no question can leak"
        t = self.twins
        line = f"random split: {_percent(t.random)} of test questions would have a twin in train; this split: "
        return line + ("0" if t.ours == 0 else _percent(t.ours))


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.2g} %"


def report(rows: Any, config: SplitConfig, ties: Ties, placement: Placement, edges: Any) -> SplitReport:
    split, cluster = placement.split, placement.cluster
    sizes = np.bincount(cluster[cluster >= 0])
    any_pair = np.ones(len(ties.near), np.bool_)
    return SplitReport(
        rows={name: int((split == s).sum()) for s, name in enumerate(SPLITS)},
        clusters={name: len(np.unique(cluster[split == s])) for s, name in enumerate(SPLITS)},
        dropped=int((split < 0).sum()),
        edges=_counted(edges["kind"]),
        crossing_fact_edges=_crossing_fact_edges(ties, split),
        largest_cluster=int(sizes.max(initial=0)),
        twins=twins(ties, ties.near.ties, split, config.seed),
        twins_any_fact=twins(ties, any_pair, split, config.seed),
        answer_overlap=answer_overlap(rows, split),
        closest_avoided=closest_avoided(ties, placement.pos, split, cluster),
        moved=placement.moved,
        warnings=_warnings(rows, config, ties, placement, sizes),
    )


def _crossing_fact_edges(ties: Ties, split: Ints) -> int:
    """Pairs of texts that differ in a fact, one asked in train and the other in a held-out split."""
    asked, near = ties.asked, ties.near
    of_text = np.full(ties.texts, -1)
    of_text[asked.text[split[asked.row] >= 0]] = split[asked.row[split[asked.row] >= 0]]
    left, right = of_text[near.left], of_text[near.right]
    return int(
        ((near.kind >= 0) & (left >= 0) & (right >= 0) & (left != right) & (np.minimum(left, right) == TRAIN)).sum()
    )


def _warnings(rows: Any, config: SplitConfig, ties: Ties, placement: Placement, sizes: Ints) -> list[str]:
    """Misfits, the weightiest first, each with a way out."""
    ways, said = _ways(config), []
    if missed := _missed(config, placement):
        cause = f"clusters are indivisible; to come closer: {ways}"
        if placement.inherits:
            cause = "rows keep the split they had in earlier versions; another split.seed draws all of them anew"
        said.append(f"{'; '.join(missed)}: {cause}")
    total, largest = int(sizes.sum()), int(sizes.max(initial=0))
    if largest > 1 and largest > LARGE_CLUSTER * total:  # in a handful of rows a single one is more than 5 %
        home = np.flatnonzero(placement.cluster == int(np.argmax(sizes)))
        text = shortened(rows["prompt"][int(home[np.argmin(ties.rank[home])])].as_py())
        said.append(f'one cluster holds {largest:,} of {total:,} rows, such as "{text}"; to break it up: {ways}')
    if (ties.near.bundle >= 0).any():
        said.append(
            f"over {tying.MOST_LISTED:,} pairs of questions are alike, too many to list: in these, {_bundled(ties)}"
            " questions in all, a differing fact keeps none apart; if they share a long common part, make it the"
            " system message"
        )
    return said


def _missed(config: SplitConfig, placement: Placement) -> list[str]:
    """The splits that miss their share of the free rows; the share of a split that was given goes to train."""
    rows = np.bincount(placement.split[placement.free & (placement.split >= 0)], minlength=len(SPLITS))
    aims = np.array([(config.ratios or {}).get(name, 0.0) for name in SPLITS])
    total, given = int(rows.sum()), list(placement.closed)
    if not total or not aims.any():
        return []
    aims[TRAIN] += aims[given].sum()
    shares, slack = rows / total, max(MISSED_RATIO, 1 / total)
    missed = [s for s in range(len(SPLITS)) if s not in given and abs(shares[s] - aims[s]) > slack]
    base = "of the rows" if placement.free[placement.split >= 0].all() else "of the rows whose split nothing fixes"
    return [f"{SPLITS[s]} holds {100 * shares[s]:.1f} % {base}, not {100 * aims[s]:.3g} %" for s in missed]


def _bundled(ties: Ties) -> str:
    return f"{int((ties.near.bundle >= 0).sum()):,}"


def _ways(config: SplitConfig) -> str:
    ways = []
    if config.edge == "strict":
        ways.append("split.edge: default")
    if config.threshold < 1:
        ways.append(f"split.threshold above {config.threshold:g}")
    if config.group_by:
        ways.append(f"a finer split.group_by than {config.group_by}")
    if config.time_field:
        ways.append(f"a finer time than {config.time_field}, or no split.time_field")
    return ", or ".join(ways) or "ask for other ratios"


def _counted(names: Any) -> dict[str, int]:
    """How often each text stands in an Arrow column, by name."""
    return dict(sorted((p["values"], p["counts"]) for p in names.value_counts().to_pylist()))
