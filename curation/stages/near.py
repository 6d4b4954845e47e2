"""Near-duplicates: a row goes only if it is verifiably alike to a row that stays, and says nothing of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.join import MOST_PAIRS, TooManyPairsError
from curation.ranking import KEEPS, Keep, by_preference
from curation.shingles import Unit
from curation.stages.near_edges import (
    DIFFERENT_ANSWER,
    FACT,
    NEAR,
    OTHER_WORDS,
    REASONS,
    SHARED_ANSWER,
    SYSTEM,
    Edges,
    Ints,
    Nodes,
    edges_between,
    joined,
)
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table

_APART: Final = {
    SYSTEM: "system prompts differ",
    SHARED_ANSWER: "two prompts share an answer",
    DIFFERENT_ANSWER: "alike prompts have different answers",
}


@dataclass(frozen=True, slots=True)
class NearConfig:
    action: Literal["drop", "flag", "off"] = "drop"
    on: Literal["both", "prompt", "answer"] = "both"
    threshold: float = 0.8
    shingle: Unit = "auto"
    size: int = 5
    keep: Keep = "first"

    def __post_init__(self) -> None:
        if self.action not in ("drop", "flag", "off") or self.on not in ("both", "prompt", "answer"):
            raise ConfigError(
                f"near: no action {self.action!r} on {self.on!r}; use drop, flag, off on both, prompt, answer"
            )
        if self.shingle not in ("word", "auto", "char") or self.keep not in KEEPS:
            raise ConfigError(f"near: no shingle {self.shingle!r} with keep {self.keep!r}; use auto, word, char")
        if not 0 < self.threshold <= 1 or self.size < 1:
            raise ConfigError(
                f"near: threshold {self.threshold} must be above 0, at most 1; size {self.size} at least 1"
            )


def near(rows: Any, config: NearConfig) -> Verdict:
    """Go through rows in order of preference; one goes if an edge that may remove it leads to a row kept before.

    matched is the most similar such row. A kept row with edges that may not remove is flagged with the most
    similar row for each reason. There is no transitive closure: a row alike only to dropped rows stays.
    """
    if config.action == "off" or rows.num_rows < 2:
        return Verdict(rows, empty(DROPPED), empty(FLAGGED))
    order = by_preference(rows, config.keep)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    texts = joined(rows) if config.on == "both" else rows[config.on]
    try:
        nodes, edges = edges_between(rows, texts, config, rank)
    except TooManyPairsError:
        return _in_halves(rows, config, order)
    walk = _go_through(edges, rank[nodes.rows[nodes.leader]])
    pos = rows["pos"].to_numpy()
    flagged = _flagged(walk.notes, nodes, pos, config.threshold)
    gone, matched, value = _gone(walk, nodes)
    about = {"value": value, "threshold": config.threshold, "matched": pos[matched]}
    if config.action == "flag":
        alike = flagged_table(pos[gone], REASONS[NEAR], **about)
        return Verdict(rows, empty(DROPPED), pa.concat_tables([flagged, alike]).sort_by("pos"))
    kept = np.ones(rows.num_rows, np.bool_)
    kept[gone] = False
    left = rows if kept.all() else rows.filter(pa.array(kept))
    return Verdict(left, dropped_table(pos[gone], REASONS[NEAR], **about), flagged)


def _in_halves(rows: Any, config: NearConfig, order: Ints) -> Verdict:
    """The same verdict with fewer pairs at a time: the preferred half alone, then what it keeps with the other half.

    No row of the other half decides over one of the preferred half, so this is exact. Raises where nothing goes.
    """
    preferred = near(rows.take(pa.array(np.sort(order[: len(order) // 2]))), config)
    if not preferred.dropped.num_rows:
        raise TooManyPairsError(
            f"near: over {MOST_PAIRS:,} pairs of rows are alike, and none may go; raise near.threshold"
        )
    gone = pc.is_in(rows["pos"], preferred.dropped["pos"].combine_chunks())
    rest = near(rows.filter(pc.invert(gone)), config)
    return Verdict(rest.kept, pa.concat_tables([preferred.dropped, rest.dropped]).sort_by("pos"), rest.flagged)


@dataclass(frozen=True, slots=True)
class _Walk:
    matched: Ints  # for each node the node that removed it, -1 if it stays
    similarity: npt.NDArray[np.float64]
    notes: list[tuple[int, int, float, int]]  # node, the other, similarity, meaning


def _go_through(edges: Edges, rank: Ints) -> _Walk:
    """Decide nodes from the most preferred on. `rank` is each node's place in order of preference."""
    swap = rank[edges.left] > rank[edges.right]
    earlier, later = np.where(swap, edges.right, edges.left), np.where(swap, edges.left, edges.right)
    # Of one node the edges that may remove come first, then the most similar, then the most preferred partner.
    order = np.lexsort((rank[earlier], -edges.similarity, edges.meaning, rank[later]))
    matched = np.full(len(rank), -1)
    similarity = np.ones(len(rank))
    notes: dict[tuple[int, int], tuple[int, float]] = {}
    columns = (later[order], earlier[order], edges.similarity[order].astype(np.float64), edges.meaning[order])
    for node, other, alike, meaning in zip(*(column.tolist() for column in columns), strict=True):
        if matched[node] >= 0 or matched[other] >= 0:
            continue
        if meaning == NEAR:
            matched[node], similarity[node] = other, alike
        else:
            notes.setdefault((node, meaning), (other, alike))
    listed = [(node, other, alike, meaning) for (node, meaning), (other, alike) in notes.items()]
    return _Walk(matched, similarity, listed)


def _gone(walk: _Walk, nodes: Nodes) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Rows that go, the row each matched, and how similar: all members of a removed node, else all but its leader."""
    by, value = walk.matched[nodes.node], walk.similarity[nodes.node]
    gone = (by >= 0) | (np.arange(len(nodes.node)) != nodes.leader[nodes.node])
    matched = nodes.rows[nodes.leader[np.where(by >= 0, by, nodes.node)]]
    return nodes.rows[gone], matched[gone], value[gone]


def _flagged(notes: list[tuple[int, int, float, int]], nodes: Nodes, pos: Ints, threshold: float) -> Any:
    lines = [(int(nodes.leader[a]), int(nodes.leader[b]), value, meaning) for a, b, value, meaning in notes]
    return flagged_table(
        pos[nodes.rows[[line[0] for line in lines]]],
        [REASONS[line[3]] for line in lines],
        value=[line[2] for line in lines],
        threshold=threshold,
        matched=pos[nodes.rows[[line[1] for line in lines]]],
        detail=[_detail(nodes, *line) for line in lines],
    )


def _detail(nodes: Nodes, one: int, two: int, value: float, meaning: int) -> str:
    """What keeps the two rows apart, seen from the matched row."""
    if meaning == FACT:
        return nodes.facts.difference(two, one) or "case"
    if meaning == OTHER_WORDS:
        return f"answers differ: {nodes.words_apart(two, one)}"
    return _APART[meaning]
