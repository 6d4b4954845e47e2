"""Items: what a model is asked and what it should have said; one assistant turn with the gold turns before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import pyarrow as pa

from curation.pack.layout import item_id
from curation.records import canonical
from curation.source import ClusteredRow, Source

Turns = Literal["last", "all"]

_ROWS: Final = 512  # of a file, read at a time
ITEMS: Final = pa.schema(
    [
        ("item_id", pa.string()),
        ("row_id", pa.string()),
        ("turn", pa.int64()),  # the answer's place among the row's messages, from 0
        ("cluster", pa.int64()),
        ("split", pa.string()),
        ("messages", pa.large_string()),  # JSON: all before the answer
        ("tools", pa.large_string()),  # JSON, or null
        ("answer", pa.large_string()),  # JSON: the gold message
        ("reference", pa.large_string()),  # its text; null where it only calls tools
        ("language", pa.string()),  # of the answer, ISO 639-1, where the row says it
        ("meta", pa.large_string()),  # JSON: the row's own fields
        ("prompt_sha256", pa.string()),  # 16 hex digits: of messages and tools
        ("sha256", pa.string()),  # the same with the answer
    ]
)


@dataclass(frozen=True, slots=True)
class Item:
    """One question and its gold answer. Items of one row, and of one cluster, belong together when resampled."""

    item_id: str
    row_id: str
    turn: int
    cluster: int
    split: str
    messages: Sequence[Mapping[str, Any]]
    answer: Mapping[str, Any]
    tools: Any
    meta: Mapping[str, Any]

    @property
    def reference(self) -> str | None:
        said: str | None = self.answer["content"]
        return said

    @property
    def prompt(self) -> dict[str, Any]:
        """What the model is asked, as a record."""
        asked: dict[str, Any] = {"messages": list(self.messages)}
        return asked if self.tools is None else {**asked, "tools": self.tools}

    @property
    def record(self) -> dict[str, Any]:
        """The prompt with its gold answer."""
        return {**self.prompt, "messages": [*self.messages, self.answer]}

    def as_row(self) -> dict[str, Any]:
        language = self.meta.get("language")
        return {
            "item_id": self.item_id,
            "row_id": self.row_id,
            "turn": self.turn,
            "cluster": self.cluster,
            "split": self.split,
            "messages": canonical(list(self.messages)).decode(),
            "tools": None if self.tools is None else canonical(self.tools).decode(),
            "answer": canonical(dict(self.answer)).decode(),
            "reference": self.reference,
            "language": language if isinstance(language, str) else None,
            "meta": canonical(dict(self.meta)).decode(),
            "prompt_sha256": hashlib.sha256(canonical(self.prompt)).hexdigest()[:16],
            "sha256": hashlib.sha256(canonical(self.record)).hexdigest()[:16],
        }


def item_of(row: Mapping[str, Any]) -> Item:
    """The item in a row of ITEMS, as to_pylist gives it."""
    tools = None if row["tools"] is None else orjson.loads(row["tools"])
    said = {name: row[name] for name in ("item_id", "row_id", "turn", "cluster", "split")}
    texts = {name: orjson.loads(row[name]) for name in ("messages", "answer", "meta")}
    return Item(**said, **texts, tools=tools)


def items(source: Source, split: str, turns: Turns = "last") -> Iterator[Item]:
    """The items of a version's split, by row_id; memory does not grow with their number."""
    yield from _of_rows(source.stream(split), split, turns)


def file_items(path: Path, root: Path, turns: Turns = "last") -> Iterator[Item]:
    """The items of a file in any layout that a build reads, a batch at a time; DataError for a unit that is no
    conversation."""
    from curation.ingest import IngestOptions, stream_rows
    from curation.reading.sources import SourceSpec, expand

    sources = expand([SourceSpec(str(path))], root)
    name = f"file:{sources[0].name}"
    for source in sources:
        rows = enumerate(stream_rows(source, IngestOptions(_ROWS, root)))
        numbered = (ClusteredRow(str(UUID(bytes=at)), orjson.loads(record), i) for i, (at, record) in rows)
        yield from _of_rows(numbered, name, turns)


def _of_rows(rows: Iterable[ClusteredRow], split: str, turns: Turns) -> Iterator[Item]:
    seen: set[bytes] = set()  # a file may hold a row twice
    for row in rows:
        if (key := UUID(row.row_id).bytes) in seen:
            continue
        seen.add(key)
        messages = row.record["messages"]
        for turn in _answered(messages)[-1 if turns == "last" else 0 :]:
            yield Item(
                item_id(row.row_id, turn),
                row.row_id,
                turn,
                row.cluster,
                split,
                messages[:turn],
                messages[turn],
                row.record.get("tools"),
                row.record.get("meta") or {},
            )


def _answered(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """The assistant turns that somebody had asked for."""
    asked = next((at for at, message in enumerate(messages) if message["role"] == "user"), len(messages))
    return [at for at, message in enumerate(messages) if message["role"] == "assistant" and at > asked]
