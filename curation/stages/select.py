"""Selects rows by the recipe's steps, one after the other; what is left out says by which step and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.selection.config import SelectConfig, Step
from curation.selection.steps import Chosen, choose
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table


@dataclass(frozen=True, slots=True)
class Selection:
    verdict: Verdict
    notes: list[str]  # where there were fewer rows than asked


def select(rows: Any, config: SelectConfig) -> Verdict:
    """Keep what every step chooses; a row with a fixed split is never left out, nor counted by a step.

    A row left out has reason not_selected_<step>, what was compared, and where the line lay (value and threshold); a
    chosen row has a note selected_<step> a step, with the same figures, and a fixed one the note selected_fixed.
    """
    return selection(rows, config).verdict


def selection(rows: Any, config: SelectConfig) -> Selection:
    """`select`, and a note for every step that asked for more rows than there were."""
    if not config.steps:
        return Selection(Verdict(rows, empty(DROPPED), empty(FLAGGED)), [])
    free = _free(rows)
    candidates = rows.filter(pa.array(free)).combine_chunks()
    dropped, flagged, notes = [], [_fixed_notes(rows["pos"].to_numpy()[~free])], []
    for step in config.steps:
        assert isinstance(step, Step), step
        chosen = choose(candidates, step)
        notes += _shortage(step, chosen)
        dropped.append(_left_out(candidates, step, chosen))
        flagged.append(_selected(candidates, step, chosen))
        candidates = candidates.filter(pa.array(chosen.taken)).combine_chunks()
    gone = pa.concat_tables(dropped).combine_chunks().sort_by("pos")
    kept = rows.filter(pc.invert(pc.is_in(rows["pos"], value_set=gone["pos"].combine_chunks())))
    said = pa.concat_tables(flagged).combine_chunks()
    said = said.filter(pc.is_in(said["pos"], value_set=kept["pos"].combine_chunks()))
    order = np.argsort(said["pos"].to_numpy(), kind="stable")  # stable: a row's steps in their order
    return Selection(Verdict(kept, gone, said.take(pa.array(order))), notes)


def _free(rows: Any) -> Any:
    if "fixed_split" not in rows.column_names:
        return np.ones(rows.num_rows, np.bool_)
    return pc.is_null(rows["fixed_split"]).to_numpy()


def _fixed_notes(pos: Any) -> Any:
    return flagged_table(pos, "selected_fixed", detail="its split is fixed")


def _left_out(rows: Any, step: Step, chosen: Chosen) -> Any:
    return dropped_table(**_columns(rows, chosen, ~chosen.taken), reason=f"not_selected_{step.by}")


def _selected(rows: Any, step: Step, chosen: Chosen) -> Any:
    return flagged_table(**_columns(rows, chosen, chosen.taken), reason=f"selected_{step.by}")


def _columns(rows: Any, chosen: Chosen, these: Any) -> dict[str, Any]:
    pos = rows["pos"].to_numpy()
    at = np.flatnonzero(these)
    columns: dict[str, Any] = {"pos": pos[at], "value": _floats(chosen.value[at])}
    columns["threshold"] = _floats(chosen.threshold[at])
    if chosen.matched is not None:
        matched = chosen.matched[at]
        columns["matched"] = pa.array(np.append(pos, -1)[matched], pa.int64(), mask=matched < 0)
    if chosen.detail is not None:
        columns["detail"] = [chosen.detail[i] for i in at.tolist()]
    return columns


def _floats(values: Any) -> Any:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _shortage(step: Step, chosen: Chosen) -> list[str]:
    found, there = int(chosen.taken.sum()), len(chosen.taken)
    if found >= chosen.wanted:
        return []
    field = f" {step.field}" if step.field else ""
    taken = "all are taken" if found == there else f"{found:,} are taken"
    return [f"select: by {step.by}{field}: {chosen.wanted:,} rows asked for, {there:,} there; {taken}"]
