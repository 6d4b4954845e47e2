"""One terminal verdict for every unit: the tables of a version, put together from what the stages said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.gather import Gathered


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a build found, still by pos."""

    gathered: Gathered
    rows: Any  # tables.ROWS of all rows that reached `normalise`, with their exported record
    languages: Any  # tables.ROWS of all rows that stage `language` kept, with its columns if it was on
    dropped: Sequence[tuple[str, Any]]  # (stage, tables.DROPPED)
    flagged: Sequence[tuple[str, Any]]  # (stage, tables.FLAGGED)
    placed: Any  # pos, split, place, cluster of the kept rows
    edges: Any  # left, right (pos), similarity, kind, fact
    contamination: Any  # stages.decontaminate.CONTAMINATION


def stored_tables(outcome: Outcome) -> dict[str, Any]:
    """The tables of tables.STORED for an outcome."""
    gathered = outcome.gathered
    ids = _Ids(gathered)
    n = gathered.units.num_rows
    rows = _rows(gathered.rows, outcome.rows, n)
    content = _scattered(gathered.rows["pos"], rows["content_hash"], n)
    return {
        "rows": _once(rows),
        "members": _members(outcome, ids, content),
        "ledger": _ledger(outcome, ids),
        "flags": _flags(outcome, ids),
        "edges": _edges(outcome.edges, ids),
        "contamination": _contamination(outcome.contamination, ids),
        "quarantine": gathered.quarantine,
        "sources": pa.Table.from_pylist(gathered.sources, tables.STORED["sources"]),
    }


class _Ids:
    """From pos to source name, unit, and row_id."""

    def __init__(self, gathered: Gathered) -> None:
        self.units = gathered.units
        n = self.units.num_rows
        names = pa.array([source["source"] for source in gathered.sources], pa.string())
        self.source = pc.take(names, self.units["source"]) if n else pa.chunked_array([], pa.string())
        self.row_id = _scattered(gathered.rows["pos"], gathered.rows["row_id"], n)

    def of(self, column: Any, pos: Any) -> Any:
        """`column` at each pos; null where pos is null."""
        return pc.take(column, pos) if len(column) else pa.nulls(len(pos), column.type)


def _scattered(pos: Any, values: Any, n: int) -> Any:
    """A column of length n with values at their pos and null elsewhere; pos ascending."""
    at = np.full(n, -1, np.int64)
    at[pos.to_numpy()] = np.arange(len(pos))
    return pc.take(values, pa.array(at, mask=at < 0))


def _rows(converted: Any, final: Any, n: int) -> Any:
    """Every converted row by pos: its exported record, and the converted one where they differ."""
    final_record = _scattered(final["pos"], final["record"], n).take(converted["pos"])
    record = pc.coalesce(final_record, converted["record"])
    changed = pc.not_equal(record, converted["record"])
    content = converted["row_id"].to_pylist()  # an unchanged record hashes to its row_id
    for i in np.flatnonzero(changed.to_numpy()).tolist():
        content[i] = hashlib.sha256(record[i].as_py()).digest()[:16]
    return pa.table(
        {
            "row_id": converted["row_id"],
            "record": record.cast(pa.large_string()),
            "converted": pc.if_else(changed, converted["record"], None).cast(pa.large_string()),
            "content_hash": pa.array(content, pa.binary(16)),
        },
        schema=tables.STORED["rows"],
    )


def _once(rows: Any) -> Any:
    """Rows sorted by row_id, each id once: equal ids are equal records."""
    rows = rows.sort_by("row_id").combine_chunks()
    if rows.num_rows < 2:
        return rows
    ids = rows["row_id"].chunk(0)
    first = pc.not_equal(ids[1:], ids[:-1])
    return rows.filter(pa.concat_arrays([pa.array([True]), first]))


def _members(outcome: Outcome, ids: _Ids, content: Any) -> Any:
    placed = outcome.placed
    table = pa.table(
        {
            "split": placed["split"],
            "place": placed["place"],
            "row_id": ids.of(ids.row_id, placed["pos"]),
            "content_hash": ids.of(content, placed["pos"]),
            "cluster": placed["cluster"],
        },
        schema=tables.STORED["members"],
    )
    rank = pc.index_in(table["split"], value_set=pa.array(["train", "validation", "test"]))
    order = np.lexsort((table["place"].to_numpy(), rank.to_numpy()))
    return table.take(pa.array(order))


def _ledger(outcome: Outcome, ids: _Ids) -> Any:
    units = ids.units
    n = units.num_rows
    dropped = _with_stage(outcome.dropped, tables.DROPPED)
    taken: Mapping[str, Any] = {name: _scattered(dropped["pos"], dropped[name], n) for name in dropped.column_names}
    placed = {name: _scattered(outcome.placed["pos"], outcome.placed[name], n) for name in ("cluster", "split")}
    matched = taken["matched"]
    similar = pc.if_else(pc.is_valid(matched), taken["value"], None)
    return pa.table(
        {
            "source": ids.source,
            "unit": units["unit"],
            "line": units["line"],
            "byte_offset": units["offset"],
            "byte_length": units["length"],
            "row_id": ids.row_id,
            "verdict": pc.coalesce(taken["verdict"], pa.scalar("kept")),
            "stage": taken["stage"],
            "reason": taken["reason"],
            "value": taken["value"],
            "threshold": taken["threshold"],
            "matched_row_id": ids.of(ids.row_id, matched),
            "matched_source": ids.of(ids.source, matched),
            "matched_unit": ids.of(units["unit"], matched),
            "similarity": similar,
            "cluster": placed["cluster"],
            "split": placed["split"],
            "detail": taken["detail"],
            **{name: _language(outcome.languages, name, n) for name in ("prompt_language", "answer_language")},
        },
        schema=tables.STORED["ledger"],
    )


def _language(rows: Any, name: str, n: int) -> Any:
    return _scattered(rows["pos"], rows[name], n) if name in rows.column_names else pa.nulls(n, pa.string())


def _contamination(matches: Any, ids: _Ids) -> Any:
    pos = matches["pos"]
    of_row = {
        "source": ids.of(ids.source, pos),
        "unit": ids.of(ids.units["unit"], pos),
        "row_id": ids.of(ids.row_id, pos),
    }
    schema = tables.STORED["contamination"]
    return pa.table({name: of_row[name] if name in of_row else matches[name] for name in schema.names}, schema=schema)


def _flags(outcome: Outcome, ids: _Ids) -> Any:
    flagged = _with_stage(outcome.flagged, tables.FLAGGED, then=[("stage_order", "ascending")])
    pos = flagged["pos"]
    return pa.table(
        {
            "source": ids.of(ids.source, pos),
            "unit": ids.of(ids.units["unit"], pos),
            "row_id": ids.of(ids.row_id, pos),
            "stage": flagged["stage"],
            "reason": flagged["reason"],
            "value": flagged["value"],
            "threshold": flagged["threshold"],
            "matched_row_id": ids.of(ids.row_id, flagged["matched"]),
            "detail": flagged["detail"],
        },
        schema=tables.STORED["flags"],
    )


def _with_stage(parts: Sequence[tuple[str, Any]], schema: Any, then: Sequence[tuple[str, str]] = ()) -> Any:
    """All parts in one table with their stage, in pos order (and order of stages)."""
    full = schema.append(pa.field("stage", pa.string())).append(pa.field("stage_order", pa.int32()))
    tagged = [
        part.append_column("stage", pa.array([stage] * part.num_rows, pa.string())).append_column(
            "stage_order", pa.array([i] * part.num_rows, pa.int32())
        )
        for i, (stage, part) in enumerate(parts)
        if part.num_rows
    ]
    if not tagged:
        return full.empty_table()
    return pa.concat_tables(tagged).combine_chunks().sort_by([("pos", "ascending"), *then])


def _edges(edges: Any, ids: _Ids) -> Any:
    return pa.table(
        {
            "left_row_id": ids.of(ids.row_id, edges["left"]),
            "right_row_id": ids.of(ids.row_id, edges["right"]),
            "similarity": edges["similarity"].cast(pa.float32()),
            "kind": edges["kind"],
            "fact": edges["fact"],
        },
        schema=tables.STORED["edges"],
    )
