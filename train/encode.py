"""Rows as tokens, with a label on every token that the model itself has to write, and on no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation.source import Row
from curation.templates.refusal import TemplateRefusal
from train.config import TrainingConfig
from train.model.encoding import encoded_pieces
from train.model.template import ModelTemplate, with_system

IGNORED: Final = -100  # the label that torch's cross-entropy leaves out
_TOKENS: Final = pa.list_(pa.int32())
_COLUMNS: Final = pa.schema(
    [("row_id", pa.string()), ("input_ids", _TOKENS), ("labels", _TOKENS), ("trained", pa.int32())]
)
_BATCH: Final = 1024  # rows that are Python objects at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row of the datasets of `encoded_dataset`: the columns are these fields."""

    row_id: str
    input_ids: list[int]
    labels: list[int]  # of the same length, not shifted; IGNORED where nothing is trained
    trained: int  # labels that count


@dataclass(frozen=True, slots=True)
class Refused:
    row_id: str
    reason: str  # of curation.templates.REASONS
    detail: str


@dataclass(frozen=True, slots=True)
class Overlong:
    row_id: str
    tokens: int
    kept: int  # tokens after truncate-prompt-left; 0: left out


@dataclass(frozen=True, slots=True)
class EncodedSplit:
    """rows + refused + untrained + the overlong that were left out == the split."""

    rows: Any  # a datasets.Dataset of Encoded
    refused: list[Refused] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)  # ids of rows without one trained token
    overlong: list[Overlong] = field(default_factory=list)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(tokens, trained tokens) of each row."""
        return list(zip(lengths(self.rows), self.rows.data["trained"].to_pylist(), strict=True))


def encode(row: Row, template: ModelTemplate, tokenizer: Any, config: TrainingConfig) -> Encoded | Refused:
    """A row's tokens, however many; its answers labelled from the end of their prompt to their end of turn."""
    try:
        return _encoded(row.row_id, with_system(row.record, config.system_prompt), template, tokenizer)
    except TemplateRefusal as refusal:
        return Refused(row.row_id, refusal.reason, refusal.detail)


def encode_all(
    rows: Iterable[Row],
    template: ModelTemplate,
    tokenizer: Any,
    config: TrainingConfig,
    progress: Callable[[int], None] = lambda done: None,
) -> EncodedSplit:
    """Every row that fits the config's max_length; what was left out is told, with its reason."""
    refused: list[Refused] = []
    untrained: list[str] = []
    overlong: list[Overlong] = []

    def fitting() -> Iterator[Encoded]:
        for done, row in enumerate(rows, start=1):
            result: Encoded | Refused | None = encode(row, template, tokenizer, config)
            if isinstance(result, Encoded) and result.trained and len(result.input_ids) > config.max_length:
                long, result = result, _cut(row, template, tokenizer, config)
                overlong.append(Overlong(row.row_id, len(long.input_ids), len(result.input_ids) if result else 0))
            if isinstance(result, Refused):
                refused.append(result)
            elif result and result.trained:
                yield result
            elif result:
                untrained.append(row.row_id)
            progress(done)

    return EncodedSplit(encoded_dataset(fitting()), refused, untrained, overlong)


def encoded_dataset(rows: Iterable[Encoded]) -> Any:
    """A datasets.Dataset in memory, 8 bytes a token; nothing is written to a cache."""
    from datasets import Dataset

    left, batches = iter(rows), []
    while batch := list(islice(left, _BATCH)):
        columns = {name: [getattr(row, name) for row in batch] for name in _COLUMNS.names}
        batches.append(pa.record_batch(columns, _COLUMNS))
    return Dataset(pa.Table.from_batches(batches, _COLUMNS), fingerprint="encoded")  # else all of it is hashed


def lengths(rows: Any) -> list[int]:
    """Tokens of each row of an encoded dataset."""
    counted: list[int] = pc.list_value_length(rows.data["input_ids"]).to_pylist()
    return counted


def _encoded(row_id: str, record: Mapping[str, Any], template: ModelTemplate, tokenizer: Any) -> Encoded:
    pieces = encoded_pieces(record, template, tokenizer)
    ids = [token for piece in pieces for token in piece.ids]
    labels = [token if piece.trained else IGNORED for piece in pieces for token in piece.ids]
    return Encoded(row_id, ids, labels, sum(label != IGNORED for label in labels))


def _cut(row: Row, template: ModelTemplate, tokenizer: Any, config: TrainingConfig) -> Encoded | None:
    """An overlong row as the config wants it: cut, or not at all."""
    if config.overlong != "truncate-prompt-left":
        return None
    record = with_system(row.record, config.system_prompt)
    return _cut_left(row.row_id, record, template, tokenizer, config.max_length)


def _cut_left(
    row_id: str, record: Mapping[str, Any], template: ModelTemplate, tokenizer: Any, room: int
) -> Encoded | None:
    """The row with its oldest turns left out, then the beginning of its question; None if no question is left.

    The text is cut and rendered anew, never its tokens: BOS, system text, markers and answer stay whole.
    """
    shorter = record
    while (rest := _without_oldest(shorter)) is not None:
        shorter = rest
        if found := _fitting(row_id, shorter, template, tokenizer, room):
            return found
    messages = list(shorter["messages"])
    at = next(i for i, message in enumerate(messages) if message["role"] == "user")
    text, best = messages[at]["content"], None
    low, high = 0, len(text)  # characters of the question: low fits (or is nothing), high does not
    while high - low > 1:
        middle = (low + high) // 2
        messages[at] = {**messages[at], "content": text[-middle:].lstrip()}
        found = _fitting(row_id, {**shorter, "messages": messages}, template, tokenizer, room)
        empty = not messages[at]["content"]
        best = found if found and not empty else best
        low, high = (middle, high) if found or empty else (low, middle)
    return best


def _without_oldest(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record without its first question and what answers it; None if there is but one question."""
    messages = record["messages"]
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    if len(users) < 2:
        return None
    return {**record, "messages": [*messages[: users[0]], *messages[users[1] :]]}


def _fitting(
    row_id: str, record: Mapping[str, Any], template: ModelTemplate, tokenizer: Any, room: int
) -> Encoded | None:
    try:
        encoded = _encoded(row_id, record, template, tokenizer)
    except TemplateRefusal:
        return None
    return encoded if encoded.trained and len(encoded.input_ids) <= room else None
