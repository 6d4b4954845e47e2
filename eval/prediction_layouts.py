"""Recorded outputs as they are found: our own layout and published ones, each brought into one form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from curation.config_file import check_config
from curation.errors import ConfigError, DataError, did_you_mean
from curation.reading.batches import read_batches
from curation.reading.sources import Source, SourceSpec, expand

SCHEMA: Final = "predictions.schema.json"
_READ: Final = 512  # records at a time
_SHOWN: Final = 8  # fields, of a file of no known layout
_LOGPROBS: Final = ("logprob_mean", "logprob_min", "logprob_first")
NAMES: Final = ("output", "prompt", "messages", "item_id", "id", "reference", "finish_reason", "logprobs", *_LOGPROBS)
_NAMES: Final = frozenset({"prompt", "messages", "item_id", "id"})
_IN_CELLS: Final = ("messages", "logprobs", "tokens", *_LOGPROBS)  # JSON in a CSV file, empty for none


@dataclass(frozen=True, slots=True)
class Prediction:
    """where: its file and line. key: an id, of the item, of its row, or the row's own. asked: the messages, if told."""

    where: str
    key: str | None
    asked: Sequence[Mapping[str, Any]] | None
    output: str | None
    reference: str | None = None
    finish_reason: str = "stop"
    tokens: int | None = None
    logprobs: Mapping[str, float] = field(default_factory=dict)  # logprob_mean and so on
    meta: Mapping[str, Any] = field(default_factory=dict)  # of the question, not of the model

    @property
    def prompt(self) -> str | None:
        return None if self.asked is None else prompt_text(self.asked)

    def answer(self) -> dict[str, Any]:
        """As eval.answers.prediction wants it."""
        missing = self.output is None
        reason = "missing" if missing and self.finish_reason != "error" else self.finish_reason
        detail = f"{self.where} was recorded without an output" if missing else ""
        return {
            "text": self.output,
            "finish_reason": reason,
            "detail": detail,
            "tokens": self.tokens,
            **dict.fromkeys(_LOGPROBS),
            **self.logprobs,
        }


class Record(NamedTuple):
    where: str
    value: dict[str, Any]
    checked: bool = False  # against the schema of our own layout


def prompt_text(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """What a single question says, without system text and outer white space; None of a longer conversation."""
    said = [message for message in messages if message["role"] != "system"]
    return (said[0].get("content") or "").strip() if len(said) == 1 and said[0]["role"] == "user" else None


def opened(path: Path, near: Path) -> Source:
    """A file of records: .jsonl, .json, .csv, .tsv, .parquet, also packed."""
    if not (near / path).is_file():
        raise ConfigError(f"{path}: no such file; name one of recorded outputs (.jsonl, .json, .csv, each also .gz)")
    return expand([SourceSpec(str(near / path))], near)[0]


def records(source: Source) -> Iterator[Record]:
    """The units of a file; DataError, with its line, for the first that cannot be read."""
    for batch in read_batches(source, _READ):
        for place, value in enumerate(batch.value):
            line = batch.line[place]
            where = f"{source.name}:{line}" if line > 0 else f"{source.name}: record {batch.unit[place] + 1}"
            if value is None:
                raise DataError(f"{where}: {batch.bad[place].detail}; repair it")
            yield Record(where, value)


@dataclass(frozen=True, slots=True)
class Predictions:
    """A file of recorded outputs, of which each was seen to be readable. model: its name, where the file tells it."""

    source: Source
    layout: Layout
    model: str | None
    count: int
    fields: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> Iterator[Prediction]:
        """Anew at each call, so that the length of the file does not matter."""
        for record in _renamed(self.source, self.fields):
            yield from _converted(self.layout, record._replace(checked=True), self.source.container == "csv")


def read_predictions(source: Source, fields: Mapping[str, str] | None = None) -> Predictions:
    """DataError for a damaged line, or a file of another layout. fields: of our layout, what they are called in it."""
    names = fields or {}
    first = next(_renamed(source, names), None)
    if first is None:
        raise DataError(f"{source.name}: holds no prediction; name a file with one a line")
    known = [one for one in LAYOUTS if not names or one.name == PLAIN]
    layout = next((one for one in known if set(one.keys) <= set(first.value)), None)
    if layout is None:
        raise DataError(_unknown(first))
    count, models = 0, set[str]()
    for record in _renamed(source, names):
        count += len(list(_converted(layout, record, source.container == "csv")))
        if layout.model in record.value:
            models.add(str(record.value[layout.model]))
    if len(models) > 1:
        shown = ", ".join(sorted(models)[:3])
        raise DataError(f"{source.name}: holds outputs of {len(models)} models ({shown}); give each a file of its own")
    return Predictions(source, layout, next(iter(models), None), count, names)


def _unknown(first: Record) -> str:
    """What a file of no known layout is told."""
    layouts = ", ".join(one.name for one in LAYOUTS if one.name != PLAIN)
    return (
        f"{first.where}: is no prediction: it needs output, and item_id or prompt, and has "
        f"{', '.join(list(first.value)[:_SHOWN]) or 'no field'}; say what yours are called: --field output=FIELD "
        f"--field prompt=FIELD --field reference=FIELD; read as well are the layouts of {layouts}"
    )


def _renamed(source: Source, fields: Mapping[str, str]) -> Iterator[Record]:
    """The records, with our names for fields that have others; what was called so before is left out."""
    if not fields:
        yield from records(source)
        return
    for record in records(source):
        if lacking := [theirs for theirs in fields.values() if theirs not in record.value]:
            raise DataError(f"{record.where}: has no field {lacking[0]}{did_you_mean(lacking[0], record.value)}")
        rest = {name: value for name, value in record.value.items() if name not in fields}
        yield record._replace(value={**rest, **{ours: record.value[theirs] for ours, theirs in fields.items()}})


class Layout(NamedTuple):
    name: str
    keys: tuple[str, ...]  # by which it is known
    convert: Callable[[Record], Iterator[Prediction]]
    model: str = ""  # the field that names the model


def _converted(layout: Layout, record: Record, cells: bool) -> Iterator[Prediction]:
    lacking = [key for key in layout.keys if key not in record.value]
    if lacking:
        raise DataError(f"{record.where}: has no {lacking[0]}, which the lines before have ({layout.name}); repair it")
    yield from layout.convert(_without_cells(record) if cells else record)


def _without_cells(record: Record) -> Record:
    value = {key: text for key, text in record.value.items() if text or key not in (*_IN_CELLS, "finish_reason")}
    try:
        parsed: dict[str, Any] = {key: orjson.loads(value[key]) for key in _IN_CELLS if key in value}
    except orjson.JSONDecodeError as error:
        raise DataError(f"{record.where}: a list or number in it is not JSON ({error}); repair the cell") from None
    return record._replace(value={**value, **parsed})


def _plain(record: Record) -> Iterator[Prediction]:
    value = record.value
    if not record.checked:
        if not _NAMES & set(value):
            raise DataError(f"{record.where}: does not say what was asked; add prompt, messages, item_id or id")
        check_plain(record)
    asked = value.get("messages")
    if asked is None and "prompt" in value:
        asked = user(value["prompt"])
    key = next((str(value[name]) for name in ("item_id", "id") if name in value), None)
    meta = {"id": value["id"]} if "id" in value else {}
    numbers = {name: value[name] for name in _LOGPROBS if value.get(name) is not None}
    tokens, listed = value.get("tokens"), value.get("logprobs")
    if listed:
        tokens = len(listed)
        numbers = dict(zip(_LOGPROBS, (sum(listed) / tokens, min(listed), listed[0]), strict=True))
    if not all(map(math.isfinite, numbers.values())):
        raise DataError(f"{record.where}: a log-probability in it is not a number; leave it out")
    yield Prediction(
        record.where,
        key,
        asked,
        value["output"],
        value.get("reference"),
        value.get("finish_reason") or "stop",
        tokens,
        numbers,
        meta,
    )


def check_plain(record: Record) -> None:
    """DataError where a record is none of our own layout."""
    try:
        check_config(record.value, SCHEMA, where=record.where)
    except ConfigError as error:
        raise DataError(f"{error}; repair it") from None


def _generated(record: Record) -> Iterator[Prediction]:
    renamed = {("output" if key == "response" else key): value for key, value in record.value.items()}
    yield from _plain(record._replace(value=renamed))


def _alpaca_eval(record: Record) -> Iterator[Prediction]:
    value = record.value
    given = _text(record, "input") if value.get("input") else None
    asked = "\n".join(part for part in (_text(record, "instruction"), given) if part)
    meta = {"dataset": value["dataset"]} if "dataset" in value else {}
    yield Prediction(record.where, None, user(asked), _text(record, "output"), meta=meta)


def _flan(record: Record) -> Iterator[Prediction]:
    value = record.value
    key = str(value["id"]) if "id" in value else None
    meta = {"id": value["id"]} if "id" in value else {}
    asked = user(_text(record, "instruction"))
    yield Prediction(record.where, key, asked, _text(record, "decoded"), _text(record, "text"), meta=meta)


def _self_instruct(record: Record) -> Iterator[Prediction]:
    asked = user(_text(record, "prompt"))
    yield Prediction(record.where, None, asked, _text(record, "response"), _text(record, "target"))


def _mt_bench(record: Record) -> Iterator[Prediction]:
    """A turn each, with the key QUESTION:TURN, turns from 1; of several answers the first."""
    for number, output in enumerate(mt_bench_turns(record), start=1):
        yield Prediction(record.where, f"{record.value['question_id']}:{number}", None, output)


def mt_bench_turns(record: Record) -> list[str]:
    try:
        turns = record.value["choices"][0]["turns"]
    except (LookupError, TypeError):
        turns = None
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise DataError(f"{record.where}: its choices hold no turns; repair it")
    return turns


def question_turns(record: Record) -> list[str]:
    """What an MT-bench question asks, turn by turn."""
    turns = record.value["turns"]
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise DataError(f"{record.where}: turns must be a list of texts; repair it")
    return turns


def user(text: str | None) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text or ""}]


def _text(record: Record, key: str) -> str | None:
    value = record.value.get(key)
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{record.where}: {key} is not a text; repair it")


PLAIN: Final = "plain"
LAYOUTS: Final = (
    Layout("curate generate", ("item_id", "messages", "response"), _generated),
    Layout("MT-bench", ("question_id", "choices"), _mt_bench, "model_id"),
    Layout("AlpacaEval", ("instruction", "output", "generator"), _alpaca_eval, "generator"),
    Layout("Flan-T5", ("decoded", "text", "instruction"), _flan),
    Layout("self-instruct", ("prompt", "response", "target"), _self_instruct),
    Layout(PLAIN, ("output",), _plain),
)
