"""Ingest every source, in this process or in spawned ones, and lay the rows of all of them in build order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.ingest import Ingested, IngestOptions, ingest
from curation.progress import Progress
from curation.reading.sources import Source
from curation.workers import map_in_processes


@dataclass(frozen=True, slots=True)
class Gathered:
    """All units and rows of a build; `pos` numbers the units of all sources in order."""

    units: Any  # tables.UNITS
    rows: Any  # tables.ROWS
    dropped: Any  # tables.DROPPED: units that never became a row
    flagged: Any  # tables.FLAGGED
    quarantine: Any  # tables.STORED["quarantine"]
    sources: list[dict[str, Any]]  # one per source, as tables.STORED["sources"]


def gather(sources: Sequence[Source], options: IngestOptions, workers: int, progress: Progress) -> Gathered:
    """Read all sources. The result does not depend on `workers`."""
    total = sum(source.bytes for source in sources)
    progress.stage("read", total, "bytes")
    parts: list[Ingested] = []
    done = 0
    for source, part in zip(sources, _ingest_all(sources, options, workers, progress.advance), strict=True):
        parts.append(part)
        done += source.bytes
        progress.advance(done)
    return _concatenate(sources, parts)


def _ingest_all(
    sources: Sequence[Source], options: IngestOptions, workers: int, advance: Callable[[int], None]
) -> Iterator[Ingested]:
    if workers <= 1 or len(sources) <= 1:
        before = 0
        for source in sources:
            yield ingest(source, options, _offset(advance, before))
            before += source.bytes
        return
    yield from map_in_processes(partial(ingest, options=options), sources, workers, lambda source: source.name)


def _offset(advance: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda bytes_read: advance(before + bytes_read)


def _concatenate(sources: Sequence[Source], parts: Sequence[Ingested]) -> Gathered:
    starts = np.concatenate([[0], np.cumsum([part.units.num_rows for part in parts])])

    def stack(name: str, schema: Any) -> Any:
        shifted = [
            _placed(getattr(part, name), int(starts[i]), i)
            for i, part in enumerate(parts)
            if getattr(part, name).num_rows
        ]
        return pa.concat_tables(shifted).combine_chunks() if shifted else schema.empty_table()

    return Gathered(
        units=stack("units", tables.UNITS),
        rows=stack("rows", tables.ROWS),
        dropped=stack("dropped", tables.DROPPED),
        flagged=stack("flagged", tables.FLAGGED),
        quarantine=_quarantine(sources, parts),
        sources=[_described(source, part) for source, part in zip(sources, parts, strict=True)],
    )


def _placed(table: Any, start: int, source: int) -> Any:
    """A source's table with build-wide pos and the source's number."""
    for name in ("pos", "matched"):
        if name in table.column_names:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, pc.add(table[name], pa.scalar(start, pa.int64())))
    if "source" in table.column_names:
        at = table.schema.get_field_index("source")
        table = table.set_column(at, "source", pa.array(np.full(table.num_rows, source, np.int32)))
    return table


def _quarantine(sources: Sequence[Source], parts: Sequence[Ingested]) -> Any:
    lines = [
        {"source": source.name, "unit": unit, "reason": reason, "raw": raw}
        for source, part in zip(sources, parts, strict=True)
        for unit, reason, raw in part.quarantine
    ]
    return pa.Table.from_pylist(lines, tables.STORED["quarantine"])


def _described(source: Source, part: Ingested) -> dict[str, Any]:
    return {
        "source": source.name,
        "sha256": source.sha256,
        "bytes": source.bytes,
        "container": source.container,
        "format": part.format,
        "evidence": part.evidence,
        "units": part.units.num_rows,
        "blank": part.blank,
        "bad": part.dropped.num_rows,
    }
