"""Rows into train, validation and test, so that no question in one is a near-duplicate of a question in another.

The ties (ties.py) make clusters, and a cluster goes to one split as a whole. Everything is decided by row_id, seed
and the rows' own content: neither their order nor their place in the sources plays a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.splits.assign import FREE, Field, Goal, assign, drawn_alone
from curation.splits.config import SPLITS, TEST, VALIDATION, SplitConfig
from curation.splits.evidence import edge_table, fact_notes
from curation.splits.fields import Fields
from curation.splits.fixed import evict, evicted_table
from curation.splits.measure import mixed
from curation.splits.questions import Ints
from curation.splits.quotas import quotas
from curation.splits.report import Moved, Placement, SplitReport, report
from curation.splits.ties import Ties, clusters, ties

PLACED: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("split", pa.string()),
        ("place", pa.int64()),  # in build order, from 0 in each split
        ("cluster", pa.int64()),  # numbered by the smallest row_id in each
    ]
)


@dataclass(frozen=True, slots=True)
class Splits:
    """A split build. table.num_rows + dropped.num_rows == the rows given."""

    table: Any  # PLACED, in pos order
    edges: Any  # evidence.EDGES
    dropped: Any  # tables.DROPPED
    flagged: Any  # tables.FLAGGED
    report: SplitReport


def split(rows: Any, config: SplitConfig, parent: Mapping[bytes, str] | None = None) -> Splits:
    """Split tables.ROWS; column fixed_split (train, validation, test or null), if there, fixes a row's split.

    `parent`: row_id -> split in the parent version; a cluster stays where it was, and where clusters have merged
    test wins over validation over train. Raises ConfigError for counts that cannot be met and for fields that are
    missing or unreadable.
    """
    pos = rows["pos"].to_numpy()
    fields = Fields(rows, config)
    fixed = fields.fixed()
    tied = ties(rows, fields.group(), config)

    evicted = evict(tied, fixed)
    alive = np.ones(len(pos), np.bool_)
    alive[evicted.row] = False
    cluster, first_rank = _numbered(clusters(tied, alive))

    before = _parent_splits(rows, parent)
    fixed = _by_cluster(cluster, fixed)
    size = np.bincount(cluster[alive], minlength=len(first_rank))
    goal = _goal(config, size, fixed)
    chance = mixed(tied.ids[first_rank], config.seed)
    given = np.where(fixed >= 0, fixed, _by_cluster(cluster, before))
    if parent and not goal.exact and not goal.by_time:
        given = np.where(given == FREE, drawn_alone(chance, size, config, goal), given)
    field = Field(
        size=size,
        given=given,
        order=np.argsort(chance, kind="stable"),
        stratum=_majority(cluster, fields.stratum()),
        time=_by_cluster(cluster, fields.time()),
    )
    placed = np.where(alive, np.append(assign(field, goal), FREE)[cluster], FREE)

    edges = edge_table(tied, pos, placed)
    free = alive & (np.append(fixed, FREE)[cluster] == FREE)
    placement = Placement(pos, placed, cluster, _moved(tied, placed, before), free, goal.closed, bool(parent))
    return Splits(
        table=_placed_table(placement),
        edges=edges,
        dropped=evicted_table(evicted, pos, config.threshold),
        flagged=fact_notes(tied, pos, placed, config.threshold),
        report=report(rows, config, tied, placement, edges),
    )


def _numbered(smallest: Ints) -> tuple[Ints, Ints]:
    """Clusters numbered from 0 by their smallest rank (-1 stays -1), and that rank for each."""
    ranks, cluster = np.unique(smallest, return_inverse=True)
    absent = int(len(ranks) > 0 and ranks[0] < 0)
    return cluster.astype(np.int64) - absent, ranks[absent:]


def _by_cluster(cluster: Ints, values: Ints) -> Ints:
    """The largest value in each cluster: for splits the one that wins, for times the newest."""
    out = np.full(int(cluster.max(initial=-1)) + 1, FREE)
    inside = cluster >= 0
    np.maximum.at(out, cluster[inside], values[inside])
    return out


def _majority(cluster: Ints, stratum: Ints) -> Ints:
    """The commonest stratum in each cluster; of equally common ones the first."""
    inside = cluster >= 0
    width = int(stratum.max(initial=0)) + 1
    cells, rows = np.unique(cluster[inside] * width + stratum[inside], return_counts=True)
    home, kind = cells // width, cells % width
    order = np.lexsort((kind, -rows, home))
    commonest: Ints = kind[order[np.diff(home[order], prepend=-1) > 0]]
    return commonest


def _goal(config: SplitConfig, size: Ints, fixed: Ints) -> Goal:
    """By ratios a protected test or validation set is used as given, not topped up."""
    exact = config.counts is not None
    rows = [int(size[fixed == s].sum()) for s in range(len(SPLITS))]
    closed = frozenset(s for s in (VALIDATION, TEST) if not exact and rows[s])
    return Goal(quotas(config, int(size.sum()), rows), exact, closed, config.time_field is not None)


def _parent_splits(rows: Any, parent: Mapping[bytes, str] | None) -> Ints:
    if not parent:
        return np.full(rows.num_rows, FREE)
    number = {name: i for i, name in enumerate(SPLITS)}
    return np.array([number.get(parent.get(row_id, ""), FREE) for row_id in rows["row_id"].to_pylist()], np.int64)


def _moved(tied: Ties, placed: Ints, before: Ints) -> list[Moved]:
    """Kept rows whose split changed since the parent version, by row_id."""
    rows = np.flatnonzero((placed >= 0) & (before >= 0) & (placed != before))
    rows = rows[np.argsort(tied.rank[rows], kind="stable")]
    return [
        Moved(tied.ids[tied.rank[row]].astype(">u8").tobytes().hex(), SPLITS[before[row]], SPLITS[placed[row]])
        for row in rows.tolist()
    ]


def _placed_table(placement: Placement) -> Any:
    kept = np.flatnonzero(placement.split >= 0)
    kept = kept[np.argsort(placement.pos[kept], kind="stable")]
    split = placement.split[kept]
    place = np.empty(len(kept), np.int64)
    for s in range(len(SPLITS)):
        here = split == s
        place[here] = np.arange(int(here.sum()))
    names = pa.DictionaryArray.from_arrays(pa.array(split), pa.array(SPLITS)).cast(pa.string())
    columns = [pa.array(placement.pos[kept]), names, pa.array(place), pa.array(placement.cluster[kept])]
    return pa.Table.from_arrays(columns, schema=PLACED)
