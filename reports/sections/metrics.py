"""Numbers of the evaluations: domain metrics beside benchmarks, with intervals and verdicts; slices; the trade-off."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pandas as pd

from eval.compare.beside import Beside
from eval.compare.comparison import Comparison
from eval.compare.sides import Side
from eval.folder import EvalFolder
from eval.stats.compare import Difference
from reports import address
from reports.cells import number, with_interval
from reports.document import Block, Figure, Table, Text
from reports.sections.subject import Subject
from reports.sections.words import change
from reports.tables import evaluation as tables

_MOST_SLICES = 40  # lines of the table; all are in metrics.parquet


def compared(of: Subject) -> list[Block]:
    """The two sides on the same items."""
    found = of.comparison
    if found is None:
        return [Text(f"Not compared: {of.no_comparison}.", "note")]
    rows = [_row(name, one) for name, one in named(found)]
    baselines = [_baseline(found, one) for one in found.baselines]
    columns = ("what", found.a.label, found.b.label, "difference", "p", "n", "could show", "verdict")
    right = frozenset({found.a.label, found.b.label, "p", "n", "could show"})
    about = (
        "Same items, resampled by cluster; 95 % intervals. The first line decides; p of all others is under Holm. "
        "`could show`: the smallest difference this exam finds 80 times of 100."
    ).replace("`", "")
    sides = tuple(_names(side) for side in (found.a, found.b))
    suite = of.asked[-1] if "--suite" in of.asked else None
    addresses = {(at, 3): address.of_difference((sides[0], sides[1]), row[0], suite) for at, row in enumerate(rows)}
    blocks: list[Block] = [Table(columns, rows, right, about, addresses)]
    if baselines:
        against = f"What needs no training, on the same items: {found.b.label} against each baseline.{_each(found)}"
        heads = ("baseline", found.primary.name, found.b.label, "difference", "p", "verdict")
        blocks.append(Table(heads, baselines, frozenset({found.primary.name, found.b.label, "p"}), against))
    if found.floor is not None:
        size = f"{number(found.floor.widest)} apart at most, two more would stay within {number(found.floor.floor)}"
        blocks.append(Text(f"Noise floor: {found.floor.seeds} seeds of one training are {size}, 19 times of 20."))
    blocks += [Text(f"{one.name}: both at chance level ({number(one.chance)}), which says nothing.", "note")
               for one in found.benchmarks if one.at_chance]  # fmt: skip
    return blocks


def _names(side: Side) -> list[str]:
    return ["base"] if side.is_base else [part.name for model in side.models for part in model.parts]


def named(found: Comparison) -> list[tuple[str, Difference]]:
    """Every difference of a comparison by what it is of, the deciding one first."""
    lines = [(found.primary.name, found.primary)]
    lines += [(f"{one.name}, {one.metric}", one.diff) for one in found.benchmarks]
    lines += [(f"{one.name}, {one.metric}, clean", one.clean) for one in found.benchmarks if one.clean]
    lines += [(one.name, one) for one in found.others]
    return lines + [(f"{found.primary.name}, {name}", one) for name, one in found.slices.items()]


def _row(name: str, one: Difference) -> list[str]:
    p = "< 0.001" if one.p_adjusted < 0.001 else f"{one.p_adjusted:.3f}"
    reach = "none" if one.detectable == inf else number(one.detectable)
    values = [number(one.value_a), number(one.value_b), change(one), p, f"{one.n:,}", reach]
    return [name, *values, one.verdict]


def _baseline(found: Comparison, one: Beside) -> list[str]:
    diff = one.diff
    p = "< 0.001" if diff.p_adjusted < 0.001 else f"{diff.p_adjusted:.3f}"
    return [one.name, number(diff.value_a), number(diff.value_b), change(diff), p, diff.verdict]


def _each(found: Comparison) -> str:
    count = len(found.b.models)
    words = (
        f" A verdict holds for each of its {count} models alone, p is the largest, the interval holds all of theirs."
    )
    return words if count > 1 else ""


def stored(of: Subject) -> list[Block]:
    """What each evaluation measured by itself, on all of its items, with intervals."""
    from reports.charts import evaluation as charts  # a trace reads these tables where nothing can be drawn

    if of.evaluation is None:
        return [Text(f"Not evaluated: {of.no_evaluation}.", "note")]
    folders = _ordered(of.evaluations)
    table = tables.metrics(folders)
    blocks: list[Block] = [_metric_table(table, folders, "each on all items that it was asked")]
    shown = table.dropna(subset=["value"])
    if not shown.empty:
        blocks.append(Figure("metrics", charts.metrics(shown), "Metrics and benchmarks with 95 % intervals."))
    parts = tables.metrics([of.evaluation], None)
    parts = parts[parts["slice"] != tables.ALL]
    if not parts.empty:
        blocks.append(_slices(parts))
    return blocks


def trade_off(of: Subject) -> list[Block]:
    """What was won on the domain against what was lost elsewhere, a point a run."""
    from reports.charts import evaluation as charts

    found = of.comparison
    if of.evaluation is None:
        return []
    metric = tables.suite_of(of.evaluation).primary.metric
    table = tables.trade_off(_ordered(of.evaluations), metric)
    if table.empty:
        return [Text("No benchmark was run, so nothing is known of what was lost elsewhere; see docs/evaluation.md.",
                     "note")]  # fmt: skip
    blocks: list[Block] = [
        Figure("trade-off", charts.trade_off(table), f"{metric} against benchmarks, with intervals.")
    ]
    if found is not None and found.trades:
        names = list(dict.fromkeys(name for trade in found.trades for name in trade.elsewhere))
        rows = [
            [t.run, t.version or "-", "-" if t.seed is None else str(t.seed), change(t.domain)]
            + [change(t.elsewhere[name]) if name in t.elsewhere else "-" for name in names]
            for t in found.trades
        ]
        columns = ("run", "version", "seed", f"{metric} against {found.trades_against}", *names)
        blocks.append(Table(columns, rows, caption="Each run alone, on the exam of the comparison."))
    return blocks


def _ordered(folders: Sequence[EvalFolder]) -> list[EvalFolder]:
    return sorted(folders, key=lambda folder: folder.name)


def _metric_table(table: pd.DataFrame, folders: Sequence[EvalFolder], caption: str) -> Table:
    """A line a metric, a column an evaluation."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.itertuples():
        cell = f"{with_interval(row.value, row.ci_low, row.ci_high)} ({row.n:,})"
        lines.setdefault((row.split, row.metric), {})[row.evaluation] = cell
    names = [folder.name for folder in folders]
    rows = [[split, metric, *(cells.get(name, "-") for name in names)] for (split, metric), cells in lines.items()]
    addresses = {
        (at, 2 + column): address.of_score(name, split, metric)
        for at, ((split, metric), cells) in enumerate(lines.items())
        for column, name in enumerate(names)
        if name in cells
    }
    about = f"Value [95 % interval] (items), {caption}."
    return Table(("exam", "metric", *names), rows, caption=about, addresses=addresses)


def _slices(parts: pd.DataFrame) -> Table:
    rows = [
        [row.slice, row.metric, with_interval(row.value, row.ci_low, row.ci_high), f"{row.n:,}"]
        for row in parts.head(_MOST_SLICES).itertuples()
    ]
    more = f"; {len(parts) - _MOST_SLICES:,} more are in metrics.parquet" if len(parts) > _MOST_SLICES else ""
    shown = parts.head(_MOST_SLICES).itertuples()
    addresses = {
        (at, 2): address.of_score(row.evaluation, row.split, row.metric, row.slice) for at, row in enumerate(shown)
    }
    about = f"Slices of this run's evaluation{more}."
    return Table(("slice", "metric", "value", "n"), rows, frozenset({"n"}), about, addresses)
