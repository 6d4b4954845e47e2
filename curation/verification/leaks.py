"""The leak check: every test and validation question against every other split's, by counting shared grams.

No prefix filter, no bound, no candidate is skipped: for each question of train the grams it shares with EACH held-out
question are counted. Only the held-out questions are in memory; train streams past them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from curation.verification.check import Found
from curation.verification.questions import asked, grams
from curation.verification.stored import Stored, named

HELD_OUT: Final = ("validation", "test")
DEFAULT_THRESHOLD: Final = 0.5
DEFAULT_SIZE: Final = 5
SHOWN: Final = 60  # characters of a question in a problem line
# 2/3 as a decimal in a recipe may lie a rounding error above 2/3 as a quotient.
ROUNDING: Final = 1e-9
# What may make two questions different: words, numbers, units, and signs of arithmetic; not punctuation or spacing.
_WORDS: Final = re.compile(
    r"[-+\u2212]?\d+(?:[.,:/]\d+)*|[^\W\d]+|[%°$€£+*/\u00d7\u00f7<>=^\u2212]|(?<=[\d\s])-(?=[\d\s])"
)


@dataclass(frozen=True, slots=True)
class _Question:
    """A distinct text and the first member of each split that asks it."""

    text: str
    askers: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pair:
    similarity: float
    held_out: _Question
    split: str
    other: _Question
    other_split: str


@dataclass(frozen=True, slots=True)
class _Index:
    """The held-out questions, and for each gram which of them have it."""

    questions: list[_Question]
    sizes: Any
    having: dict[str, Any]
    size: int

    @classmethod
    def of(cls, questions: list[_Question], size: int) -> _Index:
        having: defaultdict[str, list[int]] = defaultdict(list)
        sizes = np.zeros(len(questions), np.int64)
        for number, question in enumerate(questions):
            found = grams(question.text, size)
            sizes[number] = len(found)
            for gram in found:
                having[gram].append(number)
        return cls(questions, sizes, {gram: np.array(numbers, np.int32) for gram, numbers in having.items()}, size)

    def near(self, text: str, threshold: float) -> Iterator[tuple[float, _Question]]:
        """Every held-out question whose Jaccard similarity with `text` reaches the threshold."""
        wanted = grams(text, self.size)
        holders = [self.having[gram] for gram in wanted if gram in self.having]
        if not holders:
            return
        shared = np.bincount(np.concatenate(holders), minlength=len(self.questions))
        similarity = shared / (self.sizes + len(wanted) - shared)
        for number in np.flatnonzero(similarity >= threshold - ROUNDING).tolist():
            yield float(similarity[number]), self.questions[number]


def leaks(stored: Stored) -> Found:
    """No question of one split is near one of another, but for pairs listed as differing in a fact."""
    size = int(stored.setting("split", "size", DEFAULT_SIZE))
    threshold = float(stored.setting("split", "threshold", DEFAULT_THRESHOLD))
    members = stored.columns("members")
    split_of = dict(zip(members["row_id"], members["split"], strict=True))
    index = _Index.of(_held_out(stored, split_of), size)
    pairs = [*_with_train(stored, split_of, index, threshold), *_among_held_out(index, threshold)]
    listed = _Listed.of(stored, size)
    bad = sorted((p for p in pairs if not listed.has(p)), key=lambda p: (-p.similarity, p.held_out.text, p.other.text))
    places = stored.places()
    counts = {split: sum(split in q.askers for q in index.questions) for split in HELD_OUT}
    said = f"{counts['test']:,} test and {counts['validation']:,} validation questions, each against all of train"
    near = f"the pairs at {threshold:g} or more ({len(pairs):,}) all differ in a fact and are listed"
    outcome = near if pairs else f"no pair at {threshold:g} or more"
    return Found([_line(pair, places) for pair in bad], f"{said}: {outcome}")


def _held_out(stored: Stored, split_of: dict[bytes, str]) -> list[_Question]:
    questions: dict[str, _Question] = {}
    for row_id, split, text in _texts(stored, split_of, HELD_OUT):
        questions.setdefault(text, _Question(text)).askers.setdefault(split, row_id)
    return list(questions.values())


def _texts(stored: Stored, split_of: dict[bytes, str], splits: tuple[str, ...]) -> Iterator[tuple[bytes, str, str]]:
    for row in stored.rows():
        split = split_of.get(row["row_id"])
        if split in splits:
            for text in asked(row["record"]):
                yield row["row_id"], split, text


def _with_train(stored: Stored, split_of: dict[bytes, str], index: _Index, threshold: float) -> Iterator[_Pair]:
    seen: set[str] = set()
    for row_id, split, text in _texts(stored, split_of, ("train",)):
        if text in seen:
            continue
        seen.add(text)
        for similarity, question in index.near(text, threshold):
            for held_out in question.askers:
                yield _Pair(similarity, question, held_out, _Question(text, {split: row_id}), split)


def _among_held_out(index: _Index, threshold: float) -> Iterator[_Pair]:
    for question in index.questions:
        if "validation" not in question.askers:
            continue
        for similarity, other in index.near(question.text, threshold):
            if "test" in other.askers:
                yield _Pair(similarity, other, "test", question, "validation")


def _line(pair: _Pair, places: dict[bytes, str]) -> str:
    sides = ((pair.split, pair.held_out), (pair.other_split, pair.other))
    rows = [(split, question.askers[split], question.text) for split, question in sides]
    said = [f'{split} {places.get(row, "?")} [{named(row)[:8]}] "{text[:SHOWN]}"' for split, row, text in rows]
    return f"{said[0]} is {pair.similarity:.2f} similar to {said[1]}"


@dataclass(frozen=True, slots=True)
class _Listed:
    """The pairs that the version lists as differing in a fact, by their sets of grams.

    The builder lists one pair for all rows with the same grams, so rows cannot be compared.
    """

    pairs: set[frozenset[frozenset[str]]]
    size: int

    @classmethod
    def of(cls, stored: Stored, size: int) -> _Listed:
        if stored.setting("split", "edge", "default") == "strict":
            return cls(set(), size)
        edges = stored.columns("edges")
        lines = zip(edges["left_row_id"], edges["right_row_id"], edges["kind"], strict=True)
        rows = [(left, right) for left, right, kind in lines if kind == "differs_in_fact"]
        wanted = {row_id for pair in rows for row_id in pair}
        sets: dict[bytes, list[frozenset[str]]] = {}
        for row in stored.rows() if wanted else ():
            if row["row_id"] in wanted:
                sets[row["row_id"]] = [frozenset(grams(text, size)) for text in asked(row["record"])]
        return cls(
            {frozenset((a, b)) for left, right in rows for a in sets.get(left, ()) for b in sets.get(right, ())}, size
        )

    def has(self, pair: _Pair) -> bool:
        """Listed, and the two do differ in a word or a number."""
        one, other = pair.held_out.text, pair.other.text
        key = frozenset((frozenset(grams(one, self.size)), frozenset(grams(other, self.size))))
        return key in self.pairs and len(key) == 2 and _WORDS.findall(one) != _WORDS.findall(other)
