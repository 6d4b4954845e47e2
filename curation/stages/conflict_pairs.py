"""Rows that ask the same thing of the same system and answer it in different words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.facts import facts_of
from curation.join import jaccard_pairs, unique_sets
from curation.keys import column_keys, row_numbers, text_keys
from curation.shingles import shingle
from curation.stages.contradiction import content, meaningful

Ints = npt.NDArray[np.int64]

# Near-equal prompts share sequences of three words (characters, in scripts without spaces). Character 5-grams find
# much the same at .9, at several times the cost.
_UNIT: Final = ("auto", 3)

# Of the rows that ask the same only so many different answers are compared with all the others: ten thousand poems
# need not make fifty million pairs.
_COMPARED: Final = 4


@dataclass(frozen=True, slots=True)
class Asked:
    involved: Ints  # row numbers
    left: Ints  # places in `involved`, left before right
    right: Ints
    similarity: npt.NDArray[np.float64]  # of their prompts


def asked_alike(rows: Any, threshold: float) -> Asked:
    """Pairs of rows with equal or near-equal prompts, equal system prompts, unequal answers.

    Near-equal: similar enough, no fact apart, and the same words but for such as "can", "do", "the", "please":
    two questions about one long text are nearly the same text, and not the same question.
    """
    questions = row_numbers(np.hstack([column_keys(rows, "prompt"), column_keys(rows, "system")]))
    answers = row_numbers(column_keys(rows, "answer"))
    spoken, asker = _first_of_each(questions, answers)
    one, two, alike = _near_equal(rows, questions, threshold)
    # Rows of one question, then rows of two near-equal ones.
    own = np.arange(questions.max(initial=-1) + 1)
    left, right, similarity = _paired(
        spoken, asker, (np.r_[own, one], np.r_[own, two], np.r_[np.ones(len(own)), alike])
    )
    differ = (answers[left] != answers[right]) & (left != right)
    left, right, similarity = left[differ], right[differ], similarity[differ]
    involved, places = np.unique(np.r_[left, right], return_inverse=True)
    low, high = np.minimum(*np.split(places, 2)), np.maximum(*np.split(places, 2))
    _, once = np.unique(low * len(involved) + high, return_index=True)
    return Asked(involved, low[once], high[once], similarity[once])


def _first_of_each(questions: Ints, answers: Ints) -> tuple[Ints, Ints]:
    """All rows, sorted by question, those that give a new answer to it first; and the question of each."""
    pair = questions * (answers.max(initial=0) + 1) + answers
    _, first = np.unique(pair, return_index=True)
    repeated = np.ones(len(pair), np.bool_)
    repeated[first] = False
    order = np.lexsort((np.arange(len(pair)), repeated, questions))
    return order, questions[order]


def _paired(
    rows: Ints, question: Ints, ties: tuple[Ints, Ints, npt.NDArray[np.float64]]
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Each row of one question with the first few rows of the other."""
    one, two, alike = ties
    many = np.bincount(question, minlength=int(max(one.max(initial=-1), two.max(initial=-1))) + 1)
    start = np.cumsum(many) - many
    few = np.minimum(many, _COMPARED)
    times = many[one] * few[two]
    tie = np.repeat(np.arange(len(one)), times)
    within = np.arange(len(tie)) - np.repeat(np.cumsum(times) - times, times)
    left = rows[start[one[tie]] + within // few[two[tie]]]
    right = rows[start[two[tie]] + within % few[two[tie]]]
    return left, right, alike[tie]


def _near_equal(rows: Any, questions: Ints, threshold: float) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Pairs of questions whose prompts are near-equal, with their similarity."""
    _, first = np.unique(questions, return_index=True)
    sets, set_of = unique_sets(shingle(rows["prompt"].take(pa.array(first)), *_UNIT))
    pairs = jaccard_pairs(sets, threshold)
    left, right, similarity = spread_over(pairs, set_of, np.diff(sets.offsets) > 0)
    some, place = np.unique(np.r_[left, right], return_inverse=True)
    prompts = rows.select(["prompt", "system"]).take(pa.array(first[some]))
    one, two = np.split(place, 2)
    _, meant = unique_sets(content(shingle(prompts["prompt"], "auto", 1)))
    system = row_numbers(text_keys(prompts["system"]))
    same = np.flatnonzero((meant[one] == meant[two]) & (system[one] == system[two]))
    some, place = np.unique(np.r_[one[same], two[same]], return_inverse=True)
    same = same[facts_of(prompts["prompt"].take(pa.array(some))).kinds_differing(*np.split(place, 2)) < 0]
    said = {at: meaningful(prompts["prompt"][at].as_py()) for at in np.unique([one[same], two[same]]).tolist()}
    same = same[[said[a] == said[b] for a, b in zip(one[same].tolist(), two[same].tolist(), strict=True)]]
    return left[same], right[same], similarity[same]


def spread_over(pairs: Any, set_of: Any, real: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Pairs of sets as pairs of the texts that have them, and the texts of one set with its first text."""
    order = np.argsort(set_of, kind="stable")
    first = np.full(len(real), -1)
    first[set_of[order[::-1]]] = order[::-1]
    others = np.flatnonzero((first[set_of] != np.arange(len(set_of))) & real[set_of])
    left = np.r_[first[pairs.left], first[set_of[others]]]
    right = np.r_[first[pairs.right], others]
    return left, right, np.r_[pairs.similarity.astype(np.float64), np.ones(len(others))]
