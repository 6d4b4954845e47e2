"""Reads evaluation sets: multiple choice as ARC and its copies lay it out, and whatever a build can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.errors import DataError
from curation.formats.detect import detect, fields_of, spread
from curation.formats.errors import FormatError
from curation.reading.batches import read_batches
from curation.reading.sources import Source, SourceSpec, expand
from curation.records import sides

_LAYOUTS: Final = (
    "question {stem, choices [{text, label}]} with answerKey, question with choices {text, label} and answerKey, "
    "question with choices [text] and answer, or a layout that a build reads, such as question and answer"
)


@dataclass(frozen=True, slots=True)
class Item:
    """What is asked, and what may be answered. `choices` is empty and `answer` "" where there is none."""

    id: str
    stem: str
    choices: tuple[str, ...]
    answer: str
    labels: tuple[str, ...] = ()  # of the choices, as the file has them: A to E, or 1 to 5
    right: int | None = None  # which choice is the answer, from 0


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    name: str  # path relative to the workspace
    sha256: str  # of the file as stored
    items: tuple[Item, ...]


def evaluation_sets(paths: Sequence[str], root: Path) -> list[EvaluationSet]:
    """The sets in files, folders or globs, in this order; each file once. DataError for a unit that is no item."""
    sources = expand([SourceSpec(path) for path in paths], root)
    return [EvaluationSet(source.name, source.sha256, tuple(_items(source))) for source in sources]


def _items(source: Source) -> Iterator[Item]:
    """Every unit must be an item: one that is left out would be looked for nowhere."""
    units: list[tuple[str, dict[str, Any]]] = []
    for batch in read_batches(source):
        for place, line in enumerate(batch.line):
            value = batch.value[place]
            if value is None:
                bad = batch.bad[place]
                raise DataError(f"{source.name}:{line}: {bad.detail or bad.reason}; repair this evaluation item")
            units.append((f"{source.name}:{line}", value))
    if not units:
        raise DataError(f"{source.name}: holds no evaluation items; name a file that holds some")
    read = _reader([value for _, value in units])
    for number, (where, value) in enumerate(units):
        item = read(value, str(value.get("id", number)))
        if item is None:
            shown = ", ".join(fields_of([value])[:8]) or "none"
            raise DataError(f"{where}: not an evaluation item, its fields are {shown}; understood are {_LAYOUTS}")
        if problem := _problem(item, value):
            raise DataError(f"{where}: {problem}; repair this evaluation item")
        yield item


def _problem(item: Item, value: dict[str, Any]) -> str:
    """What keeps an item of the right layout from being found, or from being scored."""
    if not item.stem.strip():
        return "its question is empty"
    key = value.get("answerKey", value.get("answer"))
    if item.choices and not item.answer and key not in (None, ""):
        return f'its answer "{key}" names none of its {len(item.choices)} choices'
    return ""


def _reader(values: list[dict[str, Any]]) -> Callable[[dict[str, Any], str], Item | None]:
    if all("choices" in value or isinstance(value.get("question"), dict) for value in spread(values)):
        return _multiple_choice
    try:
        detected = detect(spread(values), "", SourceSpec(""))
    except DataError:
        return _multiple_choice  # which says what fields were seen
    convert, is_valid = detected.format.convert, detected.format.validator.is_valid

    def record(value: dict[str, Any], name: str) -> Item | None:
        try:
            converted = convert(value) if is_valid(value) else None
        except FormatError:
            converted = None
        if converted is None:
            return _multiple_choice(value, name)
        _, _, prompt, answer = sides(converted["messages"])
        return Item(name, prompt, (), answer)

    return record


def _multiple_choice(value: dict[str, Any], name: str) -> Item | None:
    """An item in one of the three layouts with choices, else None."""
    question: Any = value.get("question")
    choices, key = value.get("choices"), value.get("answerKey", value.get("answer"))
    if isinstance(question, dict):
        question, choices = question.get("stem"), question.get("choices")
    texts, labels = _choices(choices)
    if not isinstance(question, str) or not texts:
        return None
    right = _right(key, texts, labels)
    return Item(name, question, tuple(texts), "" if right is None else texts[right], tuple(labels), right)


def _choices(choices: Any) -> tuple[list[str], list[str]]:
    """(texts, labels) of the choices, both empty if they are laid out otherwise."""
    texts: Any = choices
    labels: Any = [chr(ord("A") + i) for i in range(len(choices))] if isinstance(choices, list) else []
    if isinstance(choices, dict):
        texts, labels = choices.get("text"), choices.get("label")
    elif isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices):
        texts, labels = [choice.get("text") for choice in choices], [choice.get("label") for choice in choices]
    fits = isinstance(texts, list) and isinstance(labels, list) and len(texts) == len(labels)
    if not fits or not all(isinstance(text, str) for text in texts):
        return [], []
    return texts, [str(label) for label in labels]


def _right(key: Any, texts: list[str], labels: list[str]) -> int | None:
    """Which choice is right; `key` is its label, its text, or its number from 0. None if it names none."""
    if isinstance(key, str) and key in texts and key not in labels:
        return texts.index(key)
    if str(key) in labels:
        return labels.index(str(key))
    return key if isinstance(key, int) and 0 <= key < len(texts) else None
