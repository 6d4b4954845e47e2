"""Reads multiple-choice benchmarks: ARC's official JSONL, the hub's layout, and what looks like them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.decontamination.evaluation_sets import EvaluationSet, evaluation_sets
from curation.errors import DataError


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    stem: str
    choices: tuple[str, ...]
    labels: tuple[str, ...]  # A to E, or 1 to 5
    right: int  # which choice, from 0


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    sha256: str  # of the file as stored
    questions: tuple[Question, ...]


def load_benchmark(path: Path) -> Benchmark:
    """The benchmark in one file, in its order; DataError for a unit that is no question with a right choice."""
    sets = evaluation_sets([path.name], path.parent)
    if len(sets) != 1:
        raise DataError(f"{path}: is a folder of several files; name one file")
    return _benchmark(path, sets[0])


def _benchmark(path: Path, read: EvaluationSet) -> Benchmark:
    questions = []
    ids: set[str] = set()
    for number, item in enumerate(read.items, start=1):
        if len(item.choices) < 2 or item.right is None:
            what = "has no choices" if len(item.choices) < 2 else "has an answer that names none of its choices"
            raise DataError(f'{path}: item {number} ("{item.id}") {what}; a benchmark needs question, choices, answer')
        if len(set(item.labels)) < len(item.labels):
            raise DataError(f'{path}: item {number} ("{item.id}") has two choices of one label; repair its labels')
        if not all(text.strip() for text in (item.stem, *item.choices)):
            raise DataError(f'{path}: item {number} ("{item.id}") has an empty question or choice; write it out')
        if item.id in ids:
            raise DataError(f'{path}: item {number} has the id "{item.id}" of one before; give each an id of its own')
        ids.add(item.id)
        questions.append(Question(item.id, item.stem, item.choices, item.labels, item.right))
    return Benchmark(path.name.split(".")[0], read.sha256, tuple(questions))
