"""Filters for instruction data: hard defects drop, soft signals flag, each with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from curation.stages.filters.answers import Answers, Found
from curation.stages.filters.boilerplate import boilerplate
from curation.stages.filters.config import FiltersConfig, MaxRule, RangeRule, Rule
from curation.stages.filters.cut_off import cut_off
from curation.stages.filters.echo import echo
from curation.stages.filters.empty import empty
from curation.stages.filters.length import too_long, too_short
from curation.stages.filters.mojibake import mojibake
from curation.stages.filters.placeholder import placeholder
from curation.stages.filters.refusal import refusal
from curation.stages.filters.repetition import repetition
from curation.stages.filters.symbols import symbols
from curation.stages.filters.unbalanced_fence import unbalanced_fence
from curation.stages.filters.undecodable import undecodable
from curation.tables import Verdict, dropped_table, flagged_table

__all__ = ["CHECKS", "RECIPE_KEY", "FiltersConfig", "MaxRule", "RangeRule", "Rule", "filters"]

# (key in the recipe, check), in the order in which the reason of a drop is chosen.
CHECKS: Final[tuple[tuple[str, Callable[[Answers, Any], Found]], ...]] = (
    ("empty", empty),
    ("placeholder", placeholder),
    ("undecodable", undecodable),
    ("length", too_short),
    ("length", too_long),
    ("repetition", repetition),
    ("refusal", refusal),
    ("boilerplate", boilerplate),
    ("cut_off", cut_off),
    ("unbalanced_fence", unbalanced_fence),
    ("mojibake", mojibake),
    ("symbols", symbols),
    ("echo", echo),
)

# Which key of the recipe's `filters` governs a reason; a reason not listed is its own key.
RECIPE_KEY: Final = {"empty_answer": "empty", "too_short": "length", "too_long": "length"}


def filters(table: Any, config: FiltersConfig) -> Verdict:
    """Runs every filter that is not off. A dropped row bears its first reason, further ones in the detail; no flags."""
    answers = Answers.of(table)
    active = [(getattr(config, key), check) for key, check in CHECKS]
    found = [(rule.action, check(answers, rule)) for rule, check in active if rule.action != "off"]
    drops = [f for action, f in found if action == "drop" and len(f.rows)]
    keep = np.ones(table.num_rows, bool)
    for finding in drops:
        keep[finding.rows] = False
    pos = table["pos"].to_numpy()
    flags = [line for action, f in found if action == "flag" for line in _lines(f) if keep[line[0]]]
    kept = table if keep.all() else table.filter(keep)
    return Verdict(kept, dropped_table(**_columns(_first_reasons(drops), pos)), flagged_table(**_columns(flags, pos)))


_Line = tuple[int, str, float | None, float | None, str | None]


def _lines(found: Found) -> list[_Line]:
    """(row, reason, value, threshold, detail) of every row found."""
    n = len(found.rows)
    values = [None] * n if found.values is None else [float(v) for v in found.values]
    details: Sequence[str | None] = found.details or [None] * n
    rows = [int(row) for row in found.rows]
    return [(r, found.reason, v, found.threshold, d) for r, v, d in zip(rows, values, details, strict=True)]


def _first_reasons(drops: list[Found]) -> list[_Line]:
    """One line a row: undoing the first reason alone would not keep a row that has a second one, so it is named."""
    first: dict[int, _Line] = {}
    further: dict[int, list[str]] = {}
    for line in (line for finding in drops for line in _lines(finding)):
        if first.setdefault(line[0], line) is not line:
            further.setdefault(line[0], []).append(line[1])
    return [(*line[:4], _with_further(line[4], further.get(row))) for row, line in sorted(first.items())]


def _with_further(detail: str | None, reasons: list[str] | None) -> str | None:
    also = f"also {', '.join(reasons)}" if reasons else None
    return "; ".join(part for part in (detail, also) if part) or None


def _columns(lines: list[_Line], pos: Any) -> dict[str, Any]:
    rows = np.array([line[0] for line in lines], np.int64)
    named = {name: [line[i] for line in lines] for i, name in enumerate(("reason", "value", "threshold", "detail"), 1)}
    return {"pos": pos[rows], **named}
