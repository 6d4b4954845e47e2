"""How many rows a selection step would have to take for one row to be among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.selection.config import SelectConfig, Step
from curation.selection.steps import Chosen, choose

_SPREAD: Final = 5000  # rows that a diversity step is tried on again and again


@dataclass(frozen=True, slots=True)
class Needed:
    """The step that leaves the row out."""

    step: int  # its place among the steps
    key: str  # n or per_value
    least: int | None  # the smallest that takes the row; None: too costly to find


def needed(rows: Any, config: SelectConfig, pos: int) -> Needed | None:
    """What the first step that leaves out the row at `pos` needs; None if no step does."""
    if "fixed_split" in rows.column_names:
        rows = rows.filter(pc.is_null(rows["fixed_split"]))
    rows = rows.combine_chunks()
    for place, step in enumerate(config.steps):
        assert isinstance(step, Step), step
        chosen = choose(rows, step)
        mine = pc.index(rows["pos"], pos).as_py()
        if mine < 0:
            return None
        if not chosen.taken[mine]:
            key = "n" if step.n is not None else "per_value"
            return Needed(place, key, _least(rows, step, chosen, mine))
        rows = rows.filter(pa.array(chosen.taken)).combine_chunks()
    return None


def _least(rows: Any, step: Step, chosen: Chosen, mine: int) -> int | None:
    """More rows asked for never leave out one that fewer take."""
    key = "n" if step.n is not None else "per_value"
    if step.by == "diversity" and rows.num_rows > _SPREAD:
        return None
    low, high = _bounds(step, chosen, mine)  # low is too few
    while high - low > 1:
        middle = (low + high) // 2
        if choose(rows, replace(step, **{key: middle})).taken[mine]:  # type: ignore[arg-type]  # key names an int
            high = middle
        else:
            low = middle
    return high


def _bounds(step: Step, chosen: Chosen, mine: int) -> tuple[int, int]:
    """A number of rows that leaves the row out, and one that takes it."""
    low, high = step.n or step.per_value or 0, len(chosen.taken)
    value = chosen.value
    if step.by == "random" or step.per_value is not None:  # the value is the row's rank
        return int(value[mine]) - 1, int(value[mine])
    if step.by not in ("length", "score"):
        return low, high
    if np.isnan(value[mine]):  # after all that have one
        return max(low, int((~np.isnan(value)).sum())), high
    ahead = value > value[mine] if step.order in ("longest", "highest") else value < value[mine]
    before = int(ahead.sum())
    return max(low, before), before + int((value == value[mine]).sum())
