"""Decides whether a row holds an item: the question for itself, or together with its choices or its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from curation.decontamination.index import SHORT, SIZE, Stems

# A long question for itself: this share of its n-grams. Below LONG words also every word that says something.
LONG: Final = 16
SURE: Final = 12  # a shorter one must stand in the prompt: in an answer it may be half a sentence
TINY: Final = 3  # a shorter one must be the whole prompt, or have all its choices beside it
WITH_ANSWER: Final = 0.6
# Words between a question and its choices or answer: other turns, labels, an instruction.
_REACH: Final = 60
_MOST: Final = 0.75  # of the choices
_ROOM: Final = 12  # words an answer may have beside the item's answer and the question said again


@dataclass(frozen=True, slots=True)
class Question:
    """An item as words."""

    stem: int  # index into Stems
    choices: tuple[tuple[int, ...], ...]
    answer: tuple[int, ...]
    plain: frozenset[tuple[int, ...]]  # choices and answers without a telling word (A, 7, +): any row holds them


@dataclass(frozen=True, slots=True)
class RowWords:
    """The words of one row: system, prompt and answer in one sequence."""

    words: Sequence[int]
    first: Sequence[int]  # characters in the row's text
    last: Sequence[int]
    prompt: int  # words before the prompt
    answer: int  # words before the answer


@dataclass(frozen=True, slots=True)
class Match:
    start: int  # characters of the row's text
    end: int
    coverage: float
    how: str  # stem | stem+choices | stem+answer


@dataclass(frozen=True, slots=True)
class Found:
    """Where a row holds a stem: words first..last, and which of the stem's words."""

    first: int
    last: int
    coverage: float
    places: frozenset[int]  # words of the stem that lie in a found n-gram


class Matcher:
    """Compares rows with stems; `coverage` and `with_choices` are shares of n-grams."""

    def __init__(self, stems: Stems, digits: frozenset[int], coverage: float, with_choices: float) -> None:
        self.stems, self.digits = stems, digits
        self.coverage, self.with_choices = coverage, with_choices
        self._grams: dict[int, dict[tuple[int, ...], list[int]]] = {}

    def match(self, row: RowWords, question: Question) -> Match | None:
        """The strongest evidence that the row holds the item, or None."""
        stem = self.stems.words.of(question.stem)
        whole = not self.stems.count[question.stem]
        found = _as_a_whole(row, stem) if whole else self._in_parts(row, question.stem, stem)
        if found is None:
            return None
        share = 1.0 if len(stem) < TINY else _MOST
        if found.coverage >= self.with_choices and (reached := _choices_beside(row, found, question, share)):
            return self._evidence(row, found, "stem+choices", reached)
        if len(stem) < TINY and list(row.words[row.prompt : row.answer]) != stem:
            return None
        complete = not self._lost(question.stem, stem, found, self.digits)
        if complete and found.coverage >= WITH_ANSWER and (reached := _answer_given(row, found, question, len(stem))):
            return self._evidence(row, found, "stem+answer", reached)
        if whole or len(stem) < SHORT or not complete or found.coverage < self.coverage:
            return None
        if len(stem) < LONG and self._lost(question.stem, stem, found, None):
            return None
        if len(stem) < SURE and found.first >= row.answer:
            return None
        return self._evidence(row, found, "stem", (found.first, found.last))

    def _in_parts(self, row: RowWords, number: int, stem: list[int]) -> Found | None:
        """The stretch of the row that holds most of the stem's telling n-grams; the first, shortest of these."""
        if number not in self._grams:
            telling: dict[tuple[int, ...], list[int]] = {}
            for place in self.stems.telling_places(number):
                telling.setdefault(tuple(stem[place : place + SIZE]), []).append(place)
            self._grams = {number: telling} | self._grams if len(self._grams) < 4096 else {number: telling}
        grams = self._grams[number]
        hits = [
            (place, gram)
            for place in range(len(row.words) - SIZE + 1)
            if (gram := tuple(row.words[place : place + SIZE])) in grams
        ]
        best: tuple[int, int, int] | None = None
        reach, low = 2 * len(stem) + 20, 0
        for high in range(len(hits)):
            while hits[high][0] - hits[low][0] > reach:
                low += 1
            count = len({gram for _, gram in hits[low : high + 1]})
            if best is None or count > best[0]:
                best = (count, low, high)
        if best is None:
            return None
        count, low, high = best
        while len({gram for _, gram in hits[low + 1 : high + 1]}) == count:
            low += 1
        met = {gram for _, gram in hits[low : high + 1]}
        places = frozenset(place + i for gram in met for place in grams[gram] for i in range(SIZE))
        first, last = hits[low][0], hits[high][0] + SIZE
        before = _alike(reversed(row.words[:first]), reversed(stem[: min(grams[hits[low][1]])]))
        after = _alike(row.words[last:], stem[max(grams[hits[high][1]]) + SIZE :])
        return Found(first - before, last + after, count / len(grams), places)

    def _lost(self, number: int, stem: list[int], found: Found, among: frozenset[int] | None) -> bool:
        """Whether a telling word of the stem (one of `among`) was not found."""
        return any(
            place not in found.places and (among is None or stem[place] in among)
            for place in self.stems.content_places(number)
        )

    @staticmethod
    def _evidence(row: RowWords, found: Found, how: str, reached: tuple[int, int]) -> Match:
        first, last = min(found.first, reached[0]), max(found.last, reached[1])
        return Match(row.first[first], row.last[last - 1], found.coverage, how)


def _as_a_whole(row: RowWords, stem: list[int]) -> Found | None:
    place = _find(row.words, stem, 0, len(row.words))
    return None if place < 0 else Found(place, place + len(stem), 1.0, frozenset(range(len(stem))))


def _choices_beside(row: RowWords, found: Found, question: Question, share: float) -> tuple[int, int] | None:
    """The stretch of this share of the choices, at least two, near the question but outside of it."""
    telling = [choice for choice in question.choices if choice not in question.plain]
    reach = _REACH + 3 * sum(map(len, question.choices))
    after = (found.last, min(len(row.words), found.last + reach))
    if len(telling) < 2:
        return _in_order(row.words, question.choices, *after)
    sides = (after, (max(0, found.first - reach), found.first))
    places = []
    for choice in telling:
        met = next((place for side in sides if (place := _find(row.words, choice, *side)) >= 0), -1)
        if met >= 0:
            places.append((met, met + len(choice)))
    if len(places) < 2 or len(places) < share * len(telling):
        return None
    return min(place for place, _ in places), max(end for _, end in places)


def _in_order(words: Sequence[int], choices: Sequence[Sequence[int]], low: int, high: int) -> tuple[int, int] | None:
    """The stretch of all choices, one after the other, where none of them says much: 3, 5, 6, 8."""
    first = -1
    for choice in choices:
        place = _find(words, choice, low, high) if choice else -1
        if place < 0:
            return None
        first, low = (place if first < 0 else first), place + len(choice)
    return (first, low) if len(choices) > 2 else None


def _answer_given(row: RowWords, found: Found, question: Question, stem: int) -> tuple[int, int] | None:
    """Where the row's answer gives the item's answer and says little else."""
    given = row.words[row.answer :]
    answer = question.answer
    if answer and tuple(given) == answer:
        return row.answer, len(row.words)
    if answer in question.plain or len(given) > len(answer) + stem + _ROOM:
        return None
    place = _find(row.words, answer, max(row.answer, found.last), len(row.words))
    return None if place < 0 else (place, place + len(answer))


def _alike(one: Iterable[int], two: Iterable[int]) -> int:
    """How many words two sequences share at their beginning: what frames a question belongs to its span."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))


def _find(words: Sequence[int], wanted: Sequence[int], low: int, high: int) -> int:
    """Where `wanted` stands first within words[low:high], or -1."""
    wanted = list(wanted)
    for place in range(low, high - len(wanted) + 1):
        if words[place] == wanted[0] and list(words[place : place + len(wanted)]) == wanted:
            return place
    return -1
