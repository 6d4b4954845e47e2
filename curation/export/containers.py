"""Files that rows are written into: JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation.export.layouts import Layout
from curation.export.members import Chunk, Members
from curation.records import canonical

Rendered = Iterable[list[dict[str, Any]]]

_TEXT: Final = pa.large_string()
_CALLS: Final = ("name", "tool_call_id", "tool_calls")  # of a message, where any message of the version has them
_JSON: Final = frozenset({"meta", "tools", "tool_calls"})  # free in form, so Parquet holds them as JSON text
_ZSTD_LEVEL: Final = 3


def write_spliced(path: Path, chunks: Iterable[Chunk]) -> int:
    """Records as they are stored, the row's id put in before the closing brace: no parsing, one pass over bytes."""
    opening, closing, nothing = (pa.scalar(text, pa.large_binary()) for text in (b',"row_id":"', b'"}\n', b""))
    rows = 0
    with path.open("wb") as file:
        for chunk in chunks:
            bodies, ids = pc.binary_slice(chunk.records, 0, -1), chunk.row_ids.cast(pa.large_binary())
            file.write(pc.binary_join_element_wise(bodies, opening, ids, closing, nothing).buffers()[2])
            rows += len(ids)
    return rows


def write_jsonl(path: Path, rendered: Rendered) -> int:
    rows = 0
    with path.open("wb") as file:
        for part in rendered:
            file.write(b"".join([canonical(row) + b"\n" for row in part]))
            rows += len(part)
    return rows


def write_parquet(path: Path, rendered: Rendered, schema: Any) -> int:
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=_ZSTD_LEVEL) as file:
        for part in rendered:
            file.write_table(pa.Table.from_pylist([with_json_text(row) for row in part], schema=schema))
            rows += len(part)
    return rows


def parquet_schema(layout: Layout, members: Members) -> Any:
    """The same columns for every split; tool columns only where the version has tools."""
    calls = [(key, _TEXT) for key in _CALLS if _in_any_message(members, key)]
    tools = any("tools" in record for record in members.mentioning("tools"))
    ends: list[tuple[str, Any]] = [("tools", _TEXT)] if tools else []
    ends += [("meta", _TEXT), ("row_id", pa.string())]
    match layout.name:
        case "messages":
            turns = pa.list_(pa.struct([("role", pa.string()), ("content", _TEXT), *calls]))
            return pa.schema([("messages", turns), *ends])
        case "sharegpt":
            turns = pa.list_(pa.struct([("from", pa.string()), ("value", _TEXT)]))
            return pa.schema([("conversations", turns), *ends])
        case "alpaca":
            texts = [(key, _TEXT) for key in ("instruction", "input", "output", "system")]
            return pa.schema([*texts, ("history", pa.list_(pa.list_(_TEXT))), *ends[-2:]])
        case "text":
            return pa.schema([("text", _TEXT)])
        case _:
            return pa.schema([("prompt", _TEXT), ("completion", _TEXT), *ends[-2:]])


def _in_any_message(members: Members, key: str) -> bool:
    return any(key in message for record in members.mentioning(key) for message in record["messages"])


def with_json_text(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose parts that are free in form are JSON text, as Parquet holds them."""
    row = dict(row)
    for key in row.keys() & _JSON:
        if not isinstance(row[key], str):
            row[key] = canonical(row[key]).decode()
    if any("tool_calls" in message for message in row.get("messages", ())):
        row["messages"] = [with_json_text(message) for message in row["messages"]]
    return row
