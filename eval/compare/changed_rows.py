"""What the training rows of two sides differ in: the data diff in numbers, and the rows a flip may be near to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow.compute as pc

from curation.diff import VersionDiff, diff
from curation.records import sides
from curation.store import Store, VersionInfo
from eval.nearest import nearest
from eval.neighbours import training_rows

_TRAIN: Final = "train"
_SIGNS: Final = {"added": "+", "removed": "-", "edited": "~", "moved": ">"}


@dataclass(frozen=True, slots=True)
class DataDiff:
    """counts: of all rows; train: of those that are or were in train. whys, sources: most rows first."""

    old: str
    new: str
    counts: dict[str, int]
    train: dict[str, int]
    whys: list[dict[str, Any]]
    sources: list[dict[str, Any]]

    @property
    def same(self) -> bool:
        return not any(self.counts.values())


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A row of train of one side that the other has not, or has otherwise; sign: + - ~ >, or "" of an unchanged one."""

    row_id: str
    sign: str
    source: str | None
    line: int | None
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    row: ChangedRow
    similarity: float  # of the questions: character 5-grams, Jaccard


def data_diff(store: Store, old: VersionInfo, new: VersionInfo) -> tuple[DataDiff, list[ChangedRow]]:
    """What was done to the data between the two sides' versions, and the training rows concerned."""
    found = diff(store, old, new)
    train = pc.or_(
        pc.fill_null(pc.equal(found.changes["split_before"], _TRAIN), False),
        pc.fill_null(pc.equal(found.changes["split_after"], _TRAIN), False),
    )
    lines = found.changes.filter(train)
    told = DataDiff(
        old.name,
        new.name,
        {change: found.count(change) for change in _SIGNS},
        {change: int(pc.sum(pc.equal(lines["change"], change)).as_py() or 0) for change in _SIGNS},
        found.by("change", "why", "stage", "reason"),
        found.by("source", "change"),
    )
    return told, _changed(found, lines)


def all_rows(store: Store, version: VersionInfo) -> list[ChangedRow]:
    """All rows of train, where there is no other version to compare with."""
    rows = training_rows(store, version)
    return [ChangedRow(row.row_id, "", row.source, row.line, row.prompt, row.answer) for row in rows]


def neighbours(questions: Sequence[str], rows: Sequence[ChangedRow]) -> list[Neighbour | None]:
    """For each question the row whose own is most like it; None where none shares anything."""
    if not rows:
        return [None] * len(questions)
    found = nearest(questions, [row.prompt for row in rows])
    return [None if near is None else Neighbour(rows[near.text], near.similarity) for near in found]


def _changed(found: VersionDiff, lines: Any) -> list[ChangedRow]:
    after = found.new.records(lines["row_id"])
    records = pc.coalesce(after, found.old.records(lines["row_id"])).to_pylist()
    return [
        _row(line["row_id"], _SIGNS[line["change"]], line["source"], line["line"], record)
        for line, record in zip(lines.to_pylist(), records, strict=True)
        if record
    ]


def _row(row_id: bytes, sign: str, source: str | None, line: int | None, record: str) -> ChangedRow:
    _, _, prompt, answer = sides(orjson.loads(record)["messages"])
    return ChangedRow(str(UUID(bytes=row_id)), sign, source, line, prompt, answer)
