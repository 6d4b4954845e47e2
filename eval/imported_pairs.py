"""Pairs of outputs recorded elsewhere with what raters preferred (PandaLM): two runs, and their judgements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import DataError
from curation.reading.sources import Source
from curation.runs import RunPlace
from curation.store.journal import open_journal
from curation.store.tags import Tag, add_tags
from eval.folder import EvalFolder
from eval.imported_predictions import Imported, Wanted, import_read
from eval.measuring import Trust
from eval.prediction_layouts import Prediction, Record, opened, records, user
from eval.recorded import NO_TRUST
from eval.review.pairwise import PREFERS, UNRECORDED, pair_key
from eval.suite import Suite

LAYOUT: Final = "PandaLM"
_KEYS: Final = frozenset({"instruction", "response1", "response2"})
_RATER: Final = "annotator"  # the beginning of a rater's field: 0 tie, 1 and 2 the response that is better
_BETTER: Final = {0: "tie", 1: "first", 2: "second"}


@dataclass(frozen=True, slots=True)
class ImportedPairs:
    """judgements: how many of the raters' are new."""

    first: Imported
    second: Imported
    raters: tuple[str, ...]
    judgements: int


def is_pairs(file: Path, near: Path) -> bool:
    """Whether a file holds pairs of outputs."""
    first = next(records(opened(file, near)), None)
    return first is not None and set(first.value) >= _KEYS


def import_pairs(wanted: Wanted, suite: Suite, place: RunPlace, near: Path, trust: Trust = NO_TRUST) -> ImportedPairs:
    """Both outputs of every pair as a run each, and the raters' preferences as events; said twice, nothing is new.

    The order in which the raters saw the two is not in the file, so nothing is said of position bias.
    """
    source = opened(wanted.file, near)
    raters = tuple(sorted({key for one in records(source) for key in one.value if key.startswith(_RATER)}))
    _check(records(source), raters)
    name = wanted.name or source.name.rpartition("/")[2].split(".")[0]
    sides = [
        import_read(
            wanted,
            source,
            LAYOUT,
            f"{name}, response {n}",
            partial(_outputs, source, n),
            suite,
            place,
            near,
            trust,
        )
        for n in (1, 2)
    ]
    first, second = sides
    events = list(_preferences(list(records(source)), raters, first, second, source.sha256))
    with open_journal(place.journal) as journal:
        new = add_tags(journal, events)
    return ImportedPairs(first, second, raters, new)


def _outputs(source: Source, number: int) -> Iterator[Prediction]:
    return (_output(record, number) for record in records(source))


def _output(record: Record, number: int) -> Prediction:
    value = record.value
    texts = [_text(value.get(key)) for key in ("instruction", "input", f"response{number}")]
    if not all(isinstance(text, str) or text is None for text in texts) or texts[0] is None:
        raise DataError(f"{record.where}: instruction, input and responses must be texts; repair it")
    asked = "\n".join(text for text in texts[:2] if text)
    meta = {key: value[source] for key, source in (("id", "idx"), ("models", "cmp_key")) if source in value}
    return Prediction(record.where, None, user(asked), texts[2], meta=meta)


def _text(value: Any) -> Any:
    """A bare true or 42 is what somebody's CSV reader made of a text."""
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else value


def _check(read: Iterable[Record], raters: tuple[str, ...]) -> None:
    """DataError before anything is stored."""
    for record in read:
        for rater in raters:
            said = record.value.get(rater)
            if said is not None and (isinstance(said, bool) or said not in tuple(_BETTER)):
                raise DataError(f"{record.where}: {rater} is {said!r}; it must be 0 (tie), 1 or 2")
        for number in (1, 2):
            _output(record, number)


def _preferences(
    read: list[Record], raters: tuple[str, ...], first: Imported, second: Imported, sha256: str
) -> Iterator[Tag]:
    key = pair_key(first.sat.folder, second.sat.folder)
    rows = _rows(first.sat.folder)
    if len(rows) != len(read):
        raise DataError(f"{first.sat.folder.name}: holds {len(rows)} outputs, the file {len(read)} pairs; import anew")
    for record, row in zip(read, rows, strict=True):
        for rater in raters:
            said = record.value.get(rater)
            if said is None:
                continue
            event = uuid.uuid5(uuid.NAMESPACE_URL, f"{sha256} {record.where} {rater} {key}").hex
            yield Tag(
                event,
                row["prediction_id"],
                key,
                PREFERS,
                f"{_BETTER[said]}|{UNRECORDED}",
                author=rater,
                kind="preference",
                note=row["item_id"],
            )


def _rows(folder: EvalFolder) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = folder.predictions(["prediction_id", "item_id"]).to_pylist()
    return rows
