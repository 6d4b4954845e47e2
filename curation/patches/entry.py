"""One entry of a patch: a reviewed change to one row, as a line of JSON and as a value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from curation.errors import DataError
from curation.records import canonical, row_id
from curation.validate import format_validator

Op = Literal["drop", "edit", "add", "relabel"]
_SCHEMA: Final = "patch.schema.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A checked line of a patch file."""

    file: str  # patches/p-014.jsonl
    line: int  # from 1
    fields: Mapping[str, Any]  # as schemas/patch.schema.json
    offset: int = -1  # of the line in the file, in bytes
    length: int = -1

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def op(self) -> Op:
        op: Op = self.fields["op"]
        return op

    @property
    def row_id(self) -> bytes:
        """The row it changes; for an added row that row itself."""
        return row_id(self.added()) if self.op == "add" else UUID(self.fields["row_id"]).bytes

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def why(self) -> str:
        """`p-014 by ana: old prices`."""
        reason = self.fields["reason"]
        return f"{self.id} by {self.fields['author']}{f': {reason}' if reason else ''}"

    def added(self) -> bytes:
        """Canonical JSON of the row that an add brings."""
        return canonical({"meta": {}, **self.fields["record"]})

    def changed(self, record: bytes) -> bytes:
        """Canonical JSON of a row after this edit or relabel."""
        parsed: dict[str, Any] = orjson.loads(record)
        if "messages" in self.fields:
            parsed["messages"] = self.fields["messages"]
        for turn in self.fields.get("turns", ()):
            if turn["turn"] > len(parsed["messages"]):
                raise DataError(
                    f"{self.where}: turn {turn['turn']} is not there, the row has {len(parsed['messages'])}; correct it"
                )
            parsed["messages"][turn["turn"] - 1]["content"] = turn["content"]
        if self.op == "relabel":
            meta = {**parsed["meta"], **self.fields["meta"]}
            parsed["meta"] = {name: value for name, value in meta.items() if value is not None}
        return canonical(parsed)


def parse_entry(file: str, line: int, raw: bytes, offset: int = -1) -> Entry:
    """An entry from its line; DataError says what is wrong with it."""
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{file}:{line}: is not JSON ({error.msg}); repair the line, or take it out") from None
    problem = format_validator(_SCHEMA).explain(fields)
    if problem:
        raise DataError(f"{file}:{line}: {problem}")
    return Entry(file, line, fields, offset, len(raw))


def expectation(record: bytes) -> str:
    """What `expect` holds for a row: sha256 of its canonical JSON as converted."""
    return hashlib.sha256(record).hexdigest()
