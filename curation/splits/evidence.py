"""What can be shown for a split: the ties as edges between rows, and notes on rows that differ from train in a fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation import tables
from curation.facts import KINDS as FACT_KINDS
from curation.splits.config import TRAIN
from curation.splits.fixed import best_offers
from curation.splits.questions import Bools, Ints
from curation.splits.ties import Ties

EDGES: Final = pa.schema(
    [
        ("left", pa.int64()),  # pos, before right
        ("right", pa.int64()),
        ("similarity", pa.float32()),  # null for kind group
        ("kind", pa.string()),  # near | equal | opening | group | differs_in_fact
        ("fact", pa.string()),
    ]
)
NEAR, EQUAL, OPENING, GROUP, DIFFERS = range(5)
KINDS: Final = ("near", "equal", "opening", "group", "differs_in_fact")
_TOLD: Final = 2000  # edges whose facts are written out


@dataclass(frozen=True, slots=True)
class _Edges:
    left: Ints  # rows
    right: Ints
    similarity: Any
    kind: Ints
    pair: Ints  # of ties.near, -1 for other kinds


def edge_table(ties: Ties, pos: Ints, split: Ints) -> Any:
    """The edges between kept rows. Of n rows with one text, or one group, the first is tied to each of the others,
    and an edge between two texts joins the first row of each: that says all, without n * n lines.

    `fact` says what differs ("number 14 -> 15") on the most similar edges that leave train, else its kind ("number").
    """
    alive = split >= 0
    parts = [*_text_edges(ties, pos, alive), _group_edges(ties, pos, alive)]
    columns = ("left", "right", "similarity", "kind", "pair")
    a, b, similarity, kind, pair = (np.concatenate([getattr(p, name) for p in parts]) for name in columns)
    real = a != b  # a row's own opening may be near its own prompt
    a, b, similarity, kind, pair = a[real], b[real], similarity[real], kind[real], pair[real]
    left, right = np.minimum(pos[a], pos[b]), np.maximum(pos[a], pos[b])
    order = np.lexsort((-similarity, kind, right, left))
    same = np.zeros(len(order), np.bool_)
    for column in (left, right, kind):
        same |= np.diff(column[order], prepend=-1) != 0
    order = order[same]
    crosses = (split[a] != split[b]) & (np.minimum(split[a], split[b]) == TRAIN)
    facts = _fact_words(ties, pair[order], crosses[order], (pos[a] > pos[b])[order])
    kinds = pa.DictionaryArray.from_arrays(pa.array(kind[order]), pa.array(KINDS)).cast(pa.string())
    shown = pa.array(similarity[order].astype(np.float32), mask=np.isnan(similarity[order]))
    return pa.Table.from_arrays([pa.array(left[order]), pa.array(right[order]), shown, kinds, facts], schema=EDGES)


def _fact_words(ties: Ties, pair: Ints, crosses: Bools, turned: Bools) -> Any:
    """What differs, from the left row to the right one; in full where it matters most: 30 microseconds each."""
    near = ties.near
    kind = np.where(pair >= 0, np.append(near.kind, -1)[pair], -1).astype(np.int32)
    told = np.flatnonzero((kind >= 0) & crosses)
    told = np.sort(told[np.argsort(-near.similarity[pair[told]], kind="stable")[:_TOLD]])
    words: list[str | None] = list(FACT_KINDS)
    for at in told.tolist():
        texts = near.left[pair[at]], near.right[pair[at]]
        words.append(near.difference(*texts[::-1]) if turned[at] else near.difference(*texts))
    kind[told] = np.arange(len(FACT_KINDS), len(words))
    return pa.DictionaryArray.from_arrays(pa.array(kind, mask=kind < 0), pa.array(words, pa.string())).cast(pa.string())


def _text_edges(ties: Ties, pos: Ints, alive: Bools) -> list[_Edges]:
    asked, near = ties.asked, ties.near
    entry = np.flatnonzero(alive[asked.row])
    row, text, opening = asked.row[entry], asked.text[entry], asked.opening[entry]
    first, by_opening = np.full(ties.texts, -1), np.zeros(ties.texts, np.bool_)
    order = np.lexsort((pos[row], opening, text))[::-1]
    first[text[order]], by_opening[text[order]] = row[order], opening[order]

    other = row != first[text]
    kind = np.where(opening | by_opening[text], OPENING, EQUAL)[other]
    equal = _Edges(first[text[other]], row[other], np.ones(len(kind), np.float32), kind, np.full(len(kind), -1))

    pair = np.flatnonzero((first[near.left] >= 0) & (first[near.right] >= 0))
    left, right = near.left[pair], near.right[pair]
    kind = np.where(by_opening[left] | by_opening[right], OPENING, NEAR)
    kind[~near.ties[pair]] = DIFFERS
    return [equal, _Edges(first[left], first[right], near.similarity[pair], kind, pair)]


def _group_edges(ties: Ties, pos: Ints, alive: Bools) -> _Edges:
    row = np.flatnonzero(alive & (ties.group >= 0))
    row = row[np.lexsort((pos[row], ties.group[row]))]
    code = ties.group[row]
    first = np.flatnonzero(np.diff(code, prepend=-1))
    head = np.repeat(row[first], np.diff(np.append(first, len(row))))
    nothing = np.full(len(row), np.nan, np.float32)
    return _Edges(head, row, nothing, np.full(len(row), GROUP), np.full(len(row), -1))


def fact_notes(ties: Ties, pos: Ints, split: Ints, threshold: float) -> Any:
    """tables.FLAGGED: held-out rows whose question is near one in train and differs from it in a fact."""
    asked, near = ties.asked, ties.near
    train = split[asked.row] == TRAIN
    holder = np.full(ties.texts, -1)
    order = np.lexsort((pos[asked.row[train]], asked.text[train]))[::-1]
    holder[asked.text[train][order]] = asked.row[train][order]

    pair = np.flatnonzero(~near.ties)
    text = np.concatenate((near.left[pair], near.right[pair]))
    other = np.concatenate((near.right[pair], near.left[pair]))
    pair = np.concatenate((pair, pair))
    of_text = best_offers(text, holder[other], near.similarity[pair], ties.rank, ties.texts)

    entry = np.flatnonzero((split[asked.row] > TRAIN) & (of_text[asked.text] >= 0))
    offer = of_text[asked.text[entry]]
    matched, value = holder[other[offer]], near.similarity[pair[offer]]
    chosen = best_offers(asked.row[entry], matched, value, ties.rank, len(split))
    row = np.flatnonzero(chosen >= 0)
    chosen = chosen[row]
    return tables.flagged_table(
        pos[row],
        "differs_in_fact_from_train",
        value=value[chosen],
        threshold=threshold,
        matched=pos[matched[chosen]],
        detail=[near.difference(text[o], other[o]) for o in offer[chosen].tolist()],
    )
