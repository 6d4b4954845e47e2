"""What every stage promises about the rows it was given, checked on its verdict."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.tables import DROPPED, FLAGGED, Verdict

_VERDICTS = ("dropped", "merged")


def problem(rows: Any, verdict: Any) -> str | None:
    """The first promise that a stage broke, in words; None if it kept them all.

    Every row given is kept or dropped, once; kept rows come back unchanged and in their order; every drop has a
    reason; notes and matches are about rows given.
    """
    if not isinstance(verdict, Verdict):
        return f"returned {type(verdict).__name__}, not a Verdict(kept, dropped, flagged)"
    return (
        _shape("kept", verdict.kept, rows.schema)
        or _shape("dropped", verdict.dropped, DROPPED)
        or _shape("flagged", verdict.flagged, FLAGGED)
        or _conserved(rows, verdict)
        or _unchanged(rows, verdict.kept)
        or _reasons(verdict.dropped, "dropped")
        or _reasons(verdict.flagged, "flagged")
        or _known(rows, verdict)
    )


def _shape(name: str, table: Any, schema: Any) -> str | None:
    if not isinstance(table, pa.Table):
        return f"{name} is {type(table).__name__}, not a pyarrow Table"
    if table.schema.equals(schema):
        return None
    for wanted in schema:
        if wanted.name not in table.column_names:
            return f"{name} has lost its column {wanted.name}"
        if table.schema.field(wanted.name).type != wanted.type:
            return f"{name}: column {wanted.name} is {table.schema.field(wanted.name).type}, not {wanted.type}"
    extra = [column for column in table.column_names if column not in schema.names]
    return f"{name} has a column more, {extra[0]}" if extra else f"{name}: its columns are not in their order"


def _conserved(rows: Any, verdict: Verdict) -> str | None:
    given, kept, gone = (table["pos"].to_numpy() for table in (rows, verdict.kept, verdict.dropped))
    for name, pos in (("kept", kept), ("dropped", gone)):
        values, counts = np.unique(pos, return_counts=True)
        if (counts > 1).any():
            return f"{_named(rows, values[counts > 1][0])} is in {name} {counts.max()} times"
        strange = np.setdiff1d(pos, given)
        if len(strange):
            return f"{name} holds pos {strange[0]}, which it was not given"
    both = np.intersect1d(kept, gone)
    if len(both):
        return f"{_named(rows, both[0])} is both kept and dropped"
    lost = np.setdiff1d(given, np.concatenate([kept, gone]))
    if len(lost):
        others = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        return f"{_named(rows, lost[0])}{others} is neither kept nor dropped; drop it with a reason"
    if (np.diff(kept) <= 0).any():
        return "kept is not in the order in which it was given (pos ascending)"
    return None


def _unchanged(rows: Any, kept: Any) -> str | None:
    same = rows if kept.num_rows == rows.num_rows else rows.filter(pc.is_in(rows["pos"], value_set=_pos(kept)))
    for name in rows.column_names:
        if same[name].equals(kept[name]):
            continue
        differ = (i for i in range(kept.num_rows) if not same[name][i].equals(kept[name][i]))
        i = next(differ, None)
        if i is not None:
            return f"{_named(rows, kept['pos'][i].as_py())}: {name} was changed; a stage judges rows, it rewrites none"
    return None


def _reasons(table: Any, name: str) -> str | None:
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(table["reason"]), ""), True)
    if pc.any(blank).as_py():
        return f"{name}: pos {table['pos'].filter(blank)[0].as_py()} has no reason"
    if name == "flagged":
        return None
    odd = pc.invert(pc.fill_null(pc.is_in(table["verdict"], value_set=pa.array(_VERDICTS)), False))
    if pc.any(odd).as_py():
        line = table.filter(odd).to_pylist()[0]
        return f"dropped: pos {line['pos']} has verdict {line['verdict']!r}; it must be one of {', '.join(_VERDICTS)}"
    return None


def _known(rows: Any, verdict: Verdict) -> str | None:
    for name, table in (("dropped", verdict.dropped), ("flagged", verdict.flagged)):
        for column in ("pos", "matched"):
            values = table[column].drop_null()
            strange = values.filter(pc.invert(pc.is_in(values, value_set=_pos(rows))))
            if len(strange):
                return f"{name}: {column} {strange[0].as_py()} is no row it was given"
    return None


def _pos(table: Any) -> Any:
    return table["pos"].combine_chunks()


def _named(rows: Any, pos: int) -> str:
    """A row as the user can look it up."""
    at = np.flatnonzero(rows["pos"].to_numpy() == pos)
    if not len(at):
        return f"pos {pos}"
    name = f"row {UUID(bytes=rows['row_id'][int(at[0])].as_py())}"
    asked = (rows["prompt"][int(at[0])].as_py() or "")[:40]
    return f"{name} ({asked!r})"
