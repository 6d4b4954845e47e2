"""Puts text into one Unicode form, one kind of newline, and takes white space off both ends of each message."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.language.cedilla import fold_romanian
from curation.records import canonical, sides
from curation.tables import DROPPED, FLAGGED, Verdict, empty

_TEXTS: Final = ("system", "prompt", "answer")
_CEDILLA: Final = "[\u015e\u015f\u0162\u0163]"  # Turkish letters that stand for Romanian ones in much old text


@dataclass(frozen=True, slots=True)
class NormaliseConfig:
    unicode: Literal["nfc", "none"] = "nfc"
    newlines: Literal["lf", "keep"] = "lf"
    cedilla: Literal["keep", "fold"] = "keep"
    strip: bool = True

    def __post_init__(self) -> None:
        if self.unicode not in ("nfc", "none"):
            raise ConfigError(f"normalise.unicode: {self.unicode!r} is not known; use nfc or none")
        if self.newlines not in ("lf", "keep"):
            raise ConfigError(f"normalise.newlines: {self.newlines!r} is not known; use lf or keep")
        if self.cedilla not in ("keep", "fold"):
            raise ConfigError(f"normalise.cedilla: {self.cedilla!r} is not known; use keep or fold")
        if not isinstance(self.strip, bool):
            raise ConfigError(f"normalise.strip: {self.strip!r} is not true or false")


@dataclass(frozen=True, slots=True)
class _Rewritten:
    row: int
    roles_texts: tuple[str, str, str, str]
    record: bytes


def normalise(table: Any, config: NormaliseConfig) -> Verdict:
    """Every row is kept, and row_id stays. Only messages change: never meta, tools or tool calls."""
    suspects = _suspects(table, config)
    records = table["record"].take(pa.array(suspects, pa.int64())).to_pylist()
    pairs = zip(suspects, records, strict=True)
    changed = [new for row, record in pairs if (new := _normalised(row, record, config)) is not None]
    return Verdict(_replaced(table, changed), empty(DROPPED), empty(FLAGGED))


def clean(text: str, config: NormaliseConfig) -> str:
    """One message's text, normalised; cleaning it again changes nothing."""
    if config.newlines == "lf" and "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if config.unicode == "nfc" and not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip() if config.strip else text


def _suspects(table: Any, config: NormaliseConfig) -> list[int]:
    """Rows that may change. The text columns of a longer conversation hide the inner ends of its messages."""
    suspects = set(pc.indices_nonzero(pc.invert(pc.match_substring_regex(table["roles"], "^s?ua$"))).to_pylist())
    for name in _TEXTS:
        texts = table[name].to_pylist()
        suspects.update(i for i, text in enumerate(texts) if text and clean(text, config) is not text)
        if config.cedilla == "fold":
            suspects.update(pc.indices_nonzero(pc.match_substring_regex(table[name], _CEDILLA)).to_pylist())
    return sorted(suspects)


def _normalised(row: int, record: bytes, config: NormaliseConfig) -> _Rewritten | None:
    value = orjson.loads(record)
    if canonical(value) != record:  # integers beyond 64 bits, which orjson reads as floats
        value = json.loads(record)
    touched = False
    for message in value["messages"]:
        if content := message["content"]:
            message["content"] = clean(content, config)
            if config.cedilla == "fold":
                [message["content"]] = fold_romanian([message["content"]])
            touched |= message["content"] != content
    return _Rewritten(row, sides(value["messages"]), canonical(value)) if touched else None


def _replaced(table: Any, changed: list[_Rewritten]) -> Any:
    if not changed:
        return table
    rows = np.zeros(table.num_rows, dtype=bool)
    rows[[new.row for new in changed]] = True
    mask = pa.array(rows)
    _, *texts = zip(*(new.roles_texts for new in changed), strict=True)
    for name, values in zip((*_TEXTS, "record"), (*texts, [new.record for new in changed]), strict=True):
        at = table.schema.get_field_index(name)
        kind = table.schema.field(at)
        column = table[name].combine_chunks()
        table = table.set_column(at, kind, pc.replace_with_mask(column, mask, pa.array(values, kind.type)))
    return table
