"""Rows that patches add: units of the build like any other, their source being the patch file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation import tables
from curation.gather import Gathered
from curation.patches.entry import Entry
from curation.reading.sources import Source, SourceSpec
from curation.records import row_id, sides
from curation.store.files import file_sha256


def with_added(gathered: Gathered, entries: Sequence[Entry], root: Path) -> tuple[Gathered, list[Source]]:
    """A build's units and rows with those that patches add behind them, and the patch files as sources.

    Added rows stand in the order of their row_id, so that it does not matter which patch was written first. They
    count as reviewed, as a person wrote them: a near-duplicate does not push them out.
    """
    added = sorted((e for e in entries if e.op == "add"), key=lambda e: (e.row_id, e.file, e.line))
    if not added:
        return gathered, []
    files = list(dict.fromkeys(e.file for e in entries if e.op == "add"))
    sources = [_source(name, root) for name in files]
    first, known = gathered.units.num_rows, len(gathered.sources)
    number = {name: known + i for i, name in enumerate(files)}
    unit = {e.where: unit for name in files for unit, e in enumerate(e for e in entries if _adds(e, name))}
    units = [
        {"pos": first + i, "source": number[e.file], "unit": unit[e.where], **_bytes(e)} for i, e in enumerate(added)
    ]
    rows = [_row(first + i, number[e.file], e.added()) for i, e in enumerate(added)]
    described = [_described(source, [e for e in added if e.file == source.name]) for source in sources]
    more = replace(
        gathered,
        units=pa.concat_tables([gathered.units, pa.Table.from_pylist(units, tables.UNITS)]).combine_chunks(),
        rows=pa.concat_tables([gathered.rows, pa.Table.from_pylist(rows, tables.ROWS)]).combine_chunks(),
        sources=[*gathered.sources, *described],
    )
    return more, sources


def _adds(entry: Entry, name: str) -> bool:
    return entry.op == "add" and entry.file == name


def _bytes(entry: Entry) -> dict[str, int]:
    return {"line": entry.line, "offset": entry.offset, "length": entry.length}


def _source(name: str, root: Path) -> Source:
    path = root / name
    spec = SourceSpec(path=name, reviewed=True)
    return Source(name, path, "jsonl", None, file_sha256(path), path.stat().st_size, spec)


def _row(pos: int, source: int, record: bytes) -> dict[str, Any]:
    roles, system, prompt, answer = sides(orjson.loads(record)["messages"])
    texts = {"roles": roles, "system": system, "prompt": prompt, "answer": answer}
    return {"pos": pos, "source": source, "row_id": row_id(record), **texts, "record": record}


def _described(source: Source, entries: Sequence[Entry]) -> dict[str, Any]:
    patches = ", ".join(dict.fromkeys(entry.why for entry in entries))
    return {
        "source": source.name,
        "sha256": source.sha256,
        "bytes": source.bytes,
        "container": source.container,
        "format": "patch",
        "evidence": f"added by {patches}",
        "units": len(entries),
        "blank": 0,
        "bad": 0,
    }
