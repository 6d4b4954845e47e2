"""Rows that ask the same thing of the same system and answer it in different words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.facts import facts_of
from curation.join import jaccard_blocks, unique_sets
from curation.keys import column_keys, row_numbers, text_keys
from curation.shingles import shingle
from curation.stages.contradiction import content, meaningful

Ints = npt.NDArray[np.int64]
Ties = tuple[Ints, Ints, npt.NDArray[np.float64]]  # two questions, left before right, and how similar they are

# Near-equal prompts share sequences of three words (characters, in scripts without spaces). Character 5-grams find
# much the same at .9, at several times the cost.
_UNIT: Final = ("auto", 3)

# Of the rows that ask the same only so many different answers are compared with all the others: ten thousand poems
# need not make fifty million pairs.
_COMPARED: Final = 4
_MOST: Final = 5_000_000  # ties of questions; of more, each keeps those with the first _COMPARED others
_NONE: Final[Ties] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


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


def _paired(rows: Ints, question: Ints, ties: Ties) -> Ties:
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


def _near_equal(rows: Any, questions: Ints, threshold: float) -> Ties:
    """Pairs of questions whose prompts are near-equal, with their similarity.

    Similar prompts are looked at in parts: there may be more pairs of them than memory holds, as where all questions
    stand below one long text, and few or none that ask the same.
    """
    _, first = np.unique(questions, return_index=True)
    asked = rows.select(["prompt", "system"]).take(pa.array(first))
    sets, set_of = unique_sets(shingle(asked["prompt"], *_UNIT))
    leader, others = _leaders(set_of, np.diff(sets.offsets) > 0)
    found = _NONE
    for block in jaccard_blocks(sets, threshold):
        similar = leader[block.left], leader[block.right], block.similarity.astype(np.float64)
        found = _few(_joined(found, _asking_the_same(asked, similar)))
    order = np.lexsort((found[1], found[0]))
    equal = leader[set_of[others]], others, np.ones(len(others))
    return _joined((found[0][order], found[1][order], found[2][order]), _asking_the_same(asked, equal))


def _leaders(set_of: Any, real: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """The first text of each set, and the texts that are not the first of theirs; `real`: the set is not empty."""
    order = np.argsort(set_of, kind="stable")
    first = np.full(len(real), -1)
    first[set_of[order[::-1]]] = order[::-1]
    return first, np.flatnonzero((first[set_of] != np.arange(len(set_of))) & real[set_of])


def _asking_the_same(asked: Any, similar: Ties) -> Ties:
    """Of pairs of similar questions those with the same system prompt, words and facts."""
    left, right, _ = similar
    some, place = np.unique(np.r_[left, right], return_inverse=True)
    texts = asked.take(pa.array(some))
    one, two = np.split(place, 2)
    _, meant = unique_sets(content(shingle(texts["prompt"], "auto", 1)))
    system = row_numbers(text_keys(texts["system"]))
    same = np.flatnonzero((meant[one] == meant[two]) & (system[one] == system[two]))
    some, place = np.unique(np.r_[one[same], two[same]], return_inverse=True)
    prompts = texts["prompt"].take(pa.array(some))
    one, two = np.split(place, 2)
    numbers: dict[tuple[str, ...], int] = {}
    said = [numbers.setdefault(tuple(meaningful(text)), len(numbers)) for text in prompts.to_pylist()]
    words = np.array(said, np.int64)
    same = same[(facts_of(prompts).kinds_differing(one, two) < 0) & (words[one] == words[two])]
    return left[same], right[same], similar[2][same]


def _few(ties: Ties) -> Ties:
    """The ties; of too many only those of each question with the first few that ask the same."""
    left, right, similarity = ties
    if len(left) <= _MOST:
        return ties
    order = np.lexsort((left, right))
    start = np.searchsorted(right[order], right[order])
    order = order[np.arange(len(order)) - start < _COMPARED]
    return left[order], right[order], similarity[order]


def _joined(one: Ties, two: Ties) -> Ties:
    return np.r_[one[0], two[0]], np.r_[one[1], two[1]], np.r_[one[2], two[2]]
