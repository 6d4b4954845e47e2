"""Rows as tokens, with a label on every token that the model itself has to write, and on no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from curation.source import Row
from curation.templates.refusal import TemplateRefusal
from train.config import TrainingConfig
from train.model.encoding import encoded_pieces
from train.model.template import ModelTemplate, with_system

IGNORED: Final = -100  # the label that torch's cross-entropy leaves out


@dataclass(frozen=True, slots=True)
class Encoded:
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

    rows: list[Encoded] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)  # ids of rows without one trained token
    overlong: list[Overlong] = field(default_factory=list)


def encode(row: Row, template: ModelTemplate, tokenizer: Any, config: TrainingConfig) -> Encoded | Refused:
    """A row's tokens, however many; its answers labelled from the end of their prompt to their end of turn."""
    try:
        return _encoded(row.row_id, with_system(row.record, config.system_prompt), template, tokenizer)
    except TemplateRefusal as refusal:
        return Refused(row.row_id, refusal.reason, refusal.detail)


def encode_all(
    rows: Sequence[Row],
    template: ModelTemplate,
    tokenizer: Any,
    config: TrainingConfig,
    progress: Callable[[int], None] = lambda done: None,
) -> EncodedSplit:
    """Every row that fits the config's max_length; what was left out is told, with its reason."""
    split = EncodedSplit()
    for done, row in enumerate(rows):
        result = encode(row, template, tokenizer, config)
        if isinstance(result, Refused):
            split.refused.append(result)
        elif not result.trained:
            split.untrained.append(row.row_id)
        elif len(result.input_ids) <= config.max_length:
            split.rows.append(result)
        else:
            _settle_overlong(row, result, template, tokenizer, config, split)
        progress(done + 1)
    return split


def _encoded(row_id: str, record: Mapping[str, Any], template: ModelTemplate, tokenizer: Any) -> Encoded:
    pieces = encoded_pieces(record, template, tokenizer)
    ids = [token for piece in pieces for token in piece.ids]
    labels = [token if piece.trained else IGNORED for piece in pieces for token in piece.ids]
    return Encoded(row_id, ids, labels, sum(label != IGNORED for label in labels))


def _settle_overlong(
    row: Row, long: Encoded, template: ModelTemplate, tokenizer: Any, config: TrainingConfig, split: EncodedSplit
) -> None:
    cut = None
    if config.overlong == "truncate-prompt-left":
        record = with_system(row.record, config.system_prompt)
        cut = _cut_left(row.row_id, record, template, tokenizer, config.max_length)
    if cut:
        split.rows.append(cut)
    split.overlong.append(Overlong(row.row_id, len(long.input_ids), len(cut.input_ids) if cut else 0))


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
