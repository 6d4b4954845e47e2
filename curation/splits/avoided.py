"""The most telling pairs of questions that a split kept on one side."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from curation.splits.config import TEST
from curation.splits.questions import Ints
from curation.splits.ties import Ties

PAIRS: Final = 3
SHOWN: Final = 80  # characters of a question


@dataclass(frozen=True, slots=True)
class AvoidedPair:
    """Two near questions that this split keeps on one side."""

    similarity: float
    left: int  # pos
    right: int
    left_text: str
    right_text: str


def closest_avoided(ties: Ties, pos: Ints, split: Ints, cluster: Ints) -> list[AvoidedPair]:
    """The most similar unequal questions kept on one side, one pair a cluster as far as that goes, then equal ones.

    Pairs around test rows come before others. A random split would have parted many of them. Rows that left the build
    for a fixed test row count.
    """
    row_of = _rows_of_texts(ties, split)
    found = [_near_pair(ties, pos, row_of, at) for at in _near(ties, row_of, split, cluster)]
    if len(found) < PAIRS:
        shown = {(pair.left, pair.right) for pair in found}  # conversations may have an equal opening as well
        equal = (_equal_pair(ties, pos, row_of, at) for at in _equal(ties, row_of, split))
        found += list(islice((pair for pair in equal if (pair.left, pair.right) not in shown), PAIRS - len(found)))
    return sorted(found, key=lambda pair: (pair.similarity == 1, -pair.similarity, pair.left, pair.right))


def _rows_of_texts(ties: Ties, split: Ints) -> Ints:
    """For each text a test row that asks it, else any: the one of smallest rank."""
    asked = ties.asked
    order = np.lexsort((ties.rank[asked.row], split[asked.row] != TEST, asked.text))[::-1]
    row_of = np.full(ties.texts, -1)
    row_of[asked.text[order]] = asked.row[order]
    return row_of


def _near(ties: Ties, row_of: Ints, split: Ints, cluster: Ints) -> list[int]:
    """Pairs of ties.near, those around test rows first, then the most similar; one a cluster before a second of any."""
    near, in_test = ties.near, split[row_of] == TEST
    pair = near.ties & (near.similarity < 1) & (row_of[near.left] != row_of[near.right])
    at = np.flatnonzero(pair & (row_of[near.left] >= 0) & (row_of[near.right] >= 0))
    elsewhere = ~(in_test[near.left] | in_test[near.right])[at]
    a, b = row_of[near.left[at]], row_of[near.right[at]]
    order = np.lexsort((ties.rank[b], ties.rank[a], -near.similarity[at], elsewhere))
    _, first = np.unique(np.where(split[a] == TEST, cluster[a], cluster[b])[order], return_index=True)
    again = np.ones(len(order), np.bool_)
    again[first] = False
    chosen: list[int] = at[order[np.argsort(again, kind="stable")][:PAIRS]].tolist()
    return chosen


def _equal(ties: Ties, row_of: Ints, split: Ints) -> list[int]:
    """Entries of ties.asked with the text of another row that is in test; one a text."""
    asked = ties.asked
    other = np.flatnonzero((split[row_of] == TEST)[asked.text] & (row_of[asked.text] != asked.row))
    other = other[np.lexsort((ties.rank[asked.row[other]], asked.text[other]))]
    other = other[np.diff(asked.text[other], prepend=-1) > 0]
    chosen: list[int] = other[np.argsort(ties.rank[row_of[asked.text[other]]], kind="stable")].tolist()
    return chosen


def _near_pair(ties: Ties, pos: Ints, row_of: Ints, at: int) -> AvoidedPair:
    near = ties.near
    rows = (int(row_of[near.left[at]]), int(row_of[near.right[at]]))
    words = (ties.asked.words[near.left[at]].as_py(), ties.asked.words[near.right[at]].as_py())
    return _pair(pos, rows, round(float(near.similarity[at]), 4), words)


def _equal_pair(ties: Ties, pos: Ints, row_of: Ints, entry: int) -> AvoidedPair:
    asked = ties.asked
    text = int(asked.text[entry])
    words = asked.words[text].as_py()
    return _pair(pos, (int(row_of[text]), int(asked.row[entry])), 1.0, (words, words))


def _pair(pos: Ints, rows: tuple[int, int], similarity: float, words: tuple[str, str]) -> AvoidedPair:
    """In build order, each text cut to a window that shows where they begin to differ."""
    if pos[rows[0]] > pos[rows[1]]:
        rows, words = (rows[1], rows[0]), (words[1], words[0])
    lines = [" ".join(text.split()) for text in words]
    shorter = min(len(line) for line in lines)
    same = next((i for i in range(shorter) if lines[0][i].lower() != lines[1][i].lower()), shorter)
    start = same - SHOWN // 2 if similarity < 1 and same > SHOWN * 3 // 4 else 0
    left, right = (shortened(line, start) for line in lines)
    return AvoidedPair(similarity, int(pos[rows[0]]), int(pos[rows[1]]), left, right)


def shortened(text: str, start: int = 0) -> str:
    """One line of at most SHOWN characters, from `start` on."""
    line = " ".join(text.split())
    if start > 0:
        line = "..." + line[start + 3 :]
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."
