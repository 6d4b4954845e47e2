"""Patches applied to the rows of a build: each entry once, in order, and never to a row other than the one it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.errors import DataError
from curation.patches.entry import Entry, expectation
from curation.records import row_id, sides
from curation.tables import Verdict

PATCHES: Final = tables.STORED["patches"]


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """The entries to apply. Names of the sources and the units only serve to say what became of a missing row."""

    entries: Sequence[Entry]
    sources: Sequence[str] = ()
    units: Any = None  # tables.UNITS


@dataclass(frozen=True, slots=True)
class Patched:
    verdict: Verdict
    changed: Any  # tables.ROWS of the rows that read differently now, under their old pos
    applied: Any  # PATCHES


@dataclass(slots=True)
class _Row:
    """A row as the entries so far have left it. Units with equal records are one row."""

    record: bytes
    places: list[int]
    by: list[tuple[Entry, bytes]] = field(default_factory=list)  # and the row_id it had before


def apply_patches(rows: Any, plan: PatchPlan) -> Patched:
    """Drop, edit and relabel rows of tables.ROWS (as converted). Added rows are in the table already; see added.py.

    A changed row keeps its place (pos) and takes the row_id of its new record. An entry whose row is not there, or
    was changed by an earlier entry, raises DataError.
    """
    if not plan.entries:
        none = rows.slice(0, 0)
        return Patched(Verdict(rows, tables.dropped_table([], []), tables.empty(tables.FLAGGED)), none, _table([]))
    state = _State(rows, plan)
    lines = [state.apply(entry) for entry in plan.entries]
    after = with_rows(rows, changed := state.changed())
    gone = np.zeros(rows.num_rows, np.bool_)
    gone[list(state.dropped)] = True
    pos = rows["pos"].to_numpy()
    at = sorted(state.dropped)
    dropped = tables.dropped_table(pos[at], "patch_drop", detail=[state.dropped[i].why for i in at])
    return Patched(Verdict(after.filter(pa.array(~gone)), dropped, state.notes()), changed, _table(lines))


def with_rows(rows: Any, changed: Any) -> Any:
    """`rows` with the lines of `changed` in the place of those of equal pos; pos that rows lack are left out."""
    if not changed.num_rows:
        return rows
    stay = rows.filter(pc.invert(pc.is_in(rows["pos"], value_set=changed["pos"].combine_chunks())))
    come = changed.filter(pc.is_in(changed["pos"], value_set=rows["pos"].combine_chunks()))
    return pa.concat_tables([stay, come.select(stay.column_names)]).sort_by("pos").combine_chunks()


class _State:
    """The rows that entries name, by their row_id of the moment."""

    def __init__(self, rows: Any, plan: PatchPlan) -> None:
        self._rows, self._plan = rows, plan
        self._live: dict[bytes, _Row] = {}
        self._taken: dict[bytes, tuple[Entry, bytes | None]] = {}  # row_id -> who changed it, and into what
        self.dropped: dict[int, Entry] = {}  # place in the table -> entry
        wanted = pa.array(sorted({entry.row_id for entry in plan.entries}), pa.binary(16))
        for i in pc.indices_nonzero(pc.is_in(rows["row_id"], value_set=wanted)).to_pylist():
            name = rows["row_id"][i].as_py()
            row = self._live.setdefault(name, _Row(rows["record"][i].as_py(), []))
            row.places.append(i)

    def apply(self, entry: Entry) -> dict[str, Any]:
        """Change the row that the entry names; a line of PATCHES."""
        name = entry.row_id
        row = self._live.get(name)
        if row is None:
            self._missing(entry)
        if entry.op != "add" and entry.fields["expect"] != expectation(row.record):
            raise DataError(
                f"{entry.where}: row {UUID(bytes=name)} is not as this patch expects it; write the patch again "
                f"with curate patch add, or take it back: curate patch drop {entry.id}"
            )
        row.by.append((entry, name))
        result: bytes | None = name
        if entry.op == "drop":
            result = None
            del self._live[name]
            self._taken[name] = (entry, None)
            self.dropped |= dict.fromkeys(row.places, entry)
        elif entry.op != "add":
            result = self._change(entry, name, row)
        old = None if entry.op == "add" else name
        return _line(entry, old, result, len(row.places))

    def _change(self, entry: Entry, name: bytes, row: _Row) -> bytes:
        row.record = entry.changed(row.record)
        result = row_id(row.record)
        if result == name:
            return result
        del self._live[name]
        self._taken[name] = (entry, result)
        self._taken.pop(result, None)  # an edit may bring a former text back
        if result in self._live:  # it reads now like another row that patches name: the two go on as one
            self._live[result].places += row.places
            self._live[result].by += row.by
        else:
            self._live[result] = row
        return result

    def changed(self) -> Any:
        """tables.ROWS of the rows that were edited, dropped ones left as they were."""
        lines: list[tuple[int, bytes, bytes]] = []
        for name, row in self._live.items():
            if any(entry.op in ("edit", "relabel") for entry, _ in row.by):
                lines += [(place, name, row.record) for place in sorted(row.places)]
        lines.sort()
        base = self._rows.take(pa.array([place for place, _, _ in lines], pa.int64()))
        texts = [sides(_messages(record)) for _, _, record in lines]
        columns: dict[str, list[Any]] = {
            "row_id": [name for _, name, _ in lines],
            "record": [record for _, _, record in lines],
        }
        columns |= {part: [side[i] for side in texts] for i, part in enumerate(("roles", "system", "prompt", "answer"))}
        for column, values in columns.items():
            i = base.schema.get_field_index(column)
            base = base.set_column(i, base.schema.field(i), pa.array(values, base.schema.field(i).type))
        return base

    def notes(self) -> Any:
        """tables.FLAGGED: which patches touched a row that is still there."""
        lines = [
            (place, entry.op, entry.why if entry.op == "add" else f"{entry.why}; was row {UUID(bytes=before)}")
            for row in self._live.values()
            for place in row.places
            for entry, before in row.by
        ]
        lines.sort(key=lambda line: line[0])  # stable: entries in the order applied
        pos = self._rows["pos"].to_numpy()[[place for place, _, _ in lines]] if lines else []
        return tables.flagged_table(pos, [f"patch_{op}" for _, op, _ in lines], detail=[why for _, _, why in lines])

    def _missing(self, entry: Entry) -> NoReturn:
        name = UUID(bytes=entry.row_id)
        taken = self._taken.get(entry.row_id)
        back = f"curate patch drop {entry.id}"
        if taken is None:
            raise DataError(
                f"{entry.where}: row {name}{self._whereabouts(entry)}; write the patch again, or take it back: {back}"
            )
        first, result = taken
        if result is None:
            raise DataError(f"{entry.where}: row {name} was dropped by {first.where} already; take it back: {back}")
        raise DataError(
            f"{entry.where}: row {name} was changed by {first.where} already, into {UUID(bytes=result)}; "
            f"name that row, or take it back: {back}"
        )

    def _whereabouts(self, entry: Entry) -> str:
        """What became of a row that is not there: its source is gone, its line holds another row, or none."""
        at, units = entry.fields.get("at"), self._plan.units
        if at is None or units is None:
            return " is gone or has changed"
        place = f"{at['source']}:{at['line']}"
        if at["source"] not in self._plan.sources:
            return f" is gone: the recipe does not read {at['source']}, where it stood on line {at['line']}"
        source = list(self._plan.sources).index(at["source"])
        here = pc.and_(pc.equal(units["source"], source), pc.equal(units["line"], at["line"]))
        pos = units["pos"].filter(here)
        now = self._rows["row_id"].filter(pc.is_in(self._rows["pos"], value_set=pos.combine_chunks())).to_pylist()
        if now:
            return f" has changed: {place} holds row {UUID(bytes=now[0])} now"
        return f" is gone: {place} holds no row now"


def _messages(record: bytes) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = orjson.loads(record)["messages"]
    return messages


def _line(entry: Entry, old: bytes | None, result: bytes | None, units: int) -> dict[str, Any]:
    said = {name: entry.fields[name] for name in ("author", "time", "reason")}
    known = {"patch": entry.id, "file": entry.file, "line": entry.line, "op": entry.op}
    ids = {"row_id": old, "result_row_id": result}
    return {**known, **ids, "units": units, **said, "tags": ",".join(entry.fields.get("tags", ()))}


def _table(lines: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(lines, PATCHES)


def links(applied: Any) -> list[tuple[bytes, bytes]]:
    """(row_id before, row_id after) of every changed row, for lineage.inheritance."""
    pairs = zip(applied["row_id"].to_pylist(), applied["result_row_id"].to_pylist(), strict=True)
    return [(old, new) for old, new in pairs if old is not None and new is not None and old != new]


def summary(applied: Any) -> list[dict[str, Any]]:
    """For a version's stats: one item a patch, with the units it touched."""
    patches: dict[str, dict[str, Any]] = {}
    for line in applied.to_pylist():
        item = {"id": line["patch"], "ops": {}, "units": 0, "author": line["author"], "reason": line["reason"]}
        item = patches.setdefault(line["patch"], item)
        item["ops"][line["op"]] = item["ops"].get(line["op"], 0) + 1
        item["units"] += line["units"]
    return list(patches.values())
