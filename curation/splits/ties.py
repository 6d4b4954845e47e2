"""Which rows are tied: near questions, equal questions, the user's groups; and the clusters they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.facts import Facts, facts_of
from curation.join import Pairs, flattened, jaccard_blocks, sorted_pairs, unite
from curation.shingles import Shingles
from curation.splits.config import SplitConfig
from curation.splits.questions import Bools, Ints, Questions, questions, row_ranks

MOST_LISTED: Final = 5_000_000  # pairs of near texts that a split lists one by one


@dataclass(frozen=True, slots=True)
class Near:
    """Pairs of texts whose similarity reaches the threshold; the left one has the smaller row_id."""

    left: Ints
    right: Ints
    similarity: Any  # float32
    kind: Any  # int8, first kind of fact that differs (index into facts.KINDS), -1 where none does
    ties: Bools  # whether the pair keeps rows together
    facts: Facts  # of the texts that are in a pair
    place: Ints  # of each text in `facts`
    bundle: Ints  # texts too crowded to list their pairs: those of one bundle stay together, -1 for none

    def __len__(self) -> int:
        return len(self.left)

    def difference(self, one: int, other: int) -> str | None:
        """What differs from one text to another, in words."""
        return self.facts.difference(int(self.place[one]), int(self.place[other]))


@dataclass(frozen=True, slots=True)
class Ties:
    rank: Ints  # of each row by row_id; equal ids share a rank
    ids: Any  # row_id of each rank, as two uint64
    asked: Questions
    near: Near
    group: Ints  # number of the row's group_by value, -1 for none

    @property
    def texts(self) -> int:
        return len(self.asked.shingles)


def ties(rows: Any, group: Ints, config: SplitConfig) -> Ties:
    """Everything that may tie rows; `group` is -1 where the row is in no group."""
    rank, ids = row_ranks(rows)
    asked = questions(rows, rank, config.size)
    return Ties(rank, ids, asked, _near(asked, rank, config), group)


def _near(asked: Questions, rank: Ints, config: SplitConfig) -> Near:
    pairs, bundle = _pairs(asked.shingles, config.threshold, MOST_LISTED)
    smallest = np.full(len(asked.shingles), np.iinfo(np.int64).max)
    np.minimum.at(smallest, asked.text, 2 * rank[asked.row] + asked.opening)
    a, b = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    swap = smallest[a] > smallest[b]
    left, right = np.where(swap, b, a), np.where(swap, a, b)
    paired, inverse = np.unique(np.concatenate((left, right)), return_inverse=True)
    place = np.full(len(asked.shingles), -1)
    place[paired] = np.arange(len(paired))
    facts = facts_of(asked.words.take(pa.array(paired)))
    kind = facts.kinds_differing(inverse[: len(left)], inverse[len(left) :])
    kind[bundle[left] >= 0] = -1  # there no fact keeps two texts apart
    keeps = np.full(len(left), config.edge == "strict") | (kind < 0)
    return Near(left, right, pairs.similarity, kind, keeps, facts, place, bundle)


def _pairs(shingles: Shingles, threshold: float, most: int) -> tuple[Pairs, Ints]:
    """The pairs of near texts, and the bundle of each text, -1 for none.

    Twenty thousand prompts around one boilerplate make two hundred million pairs. Where there are more than `most`,
    all texts tied to one another by any path become a bundle, and only the most similar pairs are listed.
    """
    kept: list[Pairs] = []
    root = np.arange(len(shingles))
    total, least = 0, 0.0
    for block in jaccard_blocks(shingles, threshold):
        unite(root, block.left, block.right)
        total += len(block)
        kept.append(_chosen(block, np.flatnonzero(block.similarity > least)))
        if sum(map(len, kept)) > 2 * most:
            kept = [_most_similar(kept, most)]
            least = float(kept[0].similarity[-1])
    if total <= most:
        return sorted_pairs(kept), np.full(len(shingles), -1)
    root = flattened(root)
    crowd = np.bincount(root, minlength=len(root))[root] > 1
    return sorted_pairs([_most_similar(kept, most)]), np.where(crowd, root, -1)


def _most_similar(blocks: list[Pairs], most: int) -> Pairs:
    """The most similar pairs, most similar first; of equally similar ones those found first."""
    columns = [np.concatenate([getattr(b, name) for b in blocks]) for name in ("left", "right", "similarity")]
    return _chosen(Pairs(*columns), np.argsort(-columns[2], kind="stable")[:most])


def _chosen(pairs: Pairs, at: Any) -> Pairs:
    return Pairs(pairs.left[at], pairs.right[at], pairs.similarity[at])


def clusters(ties: Ties, alive: Bools) -> Ints:
    """For each row the smallest rank in its cluster; -1 for rows that are not alive."""
    asked, near = ties.asked, ties.near
    ids, texts = len(ties.ids), ties.texts
    entry = alive[asked.row]
    held = np.zeros(texts, np.bool_)
    held[asked.text[entry]] = True
    pair = near.ties & held[near.left] & held[near.right]
    grouped = alive & (ties.group >= 0)
    groups = int(ties.group.max(initial=-1)) + 1
    crowded = np.flatnonzero(held & (near.bundle >= 0))
    bundles = ids + texts + groups
    a = np.concatenate((ties.rank[asked.row[entry]], ids + near.left[pair], ties.rank[grouped], ids + crowded))
    b = np.concatenate(
        (
            ids + asked.text[entry],
            ids + near.right[pair],
            ids + texts + ties.group[grouped],
            bundles + near.bundle[crowded],
        )
    )
    nodes = bundles + int(near.bundle.max(initial=-1)) + 1
    return np.where(alive, components(nodes, a, b)[ties.rank], -1)


def components(nodes: int, a: Ints, b: Ints) -> Ints:
    """The smallest node of each node's connected component, for edges a[i] - b[i]."""
    root: Ints = np.arange(nodes)
    while True:
        x, y = root[a], root[b]
        open_edges = x != y
        if not open_edges.any():
            return root
        a, b = x[open_edges], y[open_edges]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further
