"""Numbers and names as the cells of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.document import Table


def number(value: Any, digits: int = 3) -> str:
    """A number as people read it: 1,234 · 0.412 · 12.3; "-" where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 10):
        return f"{int(value):,}"
    return f"{value:,.{digits if abs(value) < 10 else 1}f}"


def with_interval(value: Any, low: Any, high: Any) -> str:
    """0.412 [0.391, 0.433]; the value alone where no interval is known."""
    missing = any(bound is None or math.isnan(bound) for bound in (low, high))
    return number(value) if missing else f"{number(value)} [{number(low)}, {number(high)}]"


def signed(value: float) -> str:
    """+0.052, so that a difference is seen to be one."""
    return "-" if math.isnan(value) else f"{value:+,.3f}"


def table(frame: pd.DataFrame, names: Mapping[str, str] | None = None, caption: str = "") -> Table:
    """A data frame as a table; `names` chooses columns and titles them (default: all, as they are)."""
    chosen = names or {column: column.replace("_", " ") for column in frame.columns}
    numeric = frozenset(title for column, title in chosen.items() if pd.api.types.is_numeric_dtype(frame[column]))
    cells = [[_cell(row[column]) for column in chosen] for _, row in frame.iterrows()]
    return Table(tuple(chosen.values()), cells, numeric, caption)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value.item() if hasattr(value, "item") else value)
