"""The trainings: loss curves and what they cost."""

from __future__ import annotations

import pandas as pd

from reports.cells import number
from reports.charts.training import curve
from reports.document import Block, Figure, Table, Text
from reports.sections.subject import Subject
from reports.tables.training import curves

_LOSSES = ("train_loss", "validation_loss")
_MOST_POINTS = 600  # of one line; a chart is no wider
_SHOWN = ("train_loss", "validation_loss", "trained_tokens", "tokens_per_second", "seconds", "peak_memory_mb")


def training(of: Subject) -> list[Block]:
    trained = [part for part in of.runs if part.is_trained]
    if not trained:
        return [Text("Nothing was trained: this is a base model as it came.", "note")]
    table = thinned(curves(of.place.journal, [part.name for part in trained], _LOSSES))
    known = [name for name in _SHOWN if any(name in part.run.metrics for part in trained)]
    rows = [
        [
            part.name,
            part.version_name or "-",
            ", ".join(map(str, part.run.seeds)) or "-",
            *(number(part.run.metrics.get(name)) for name in known),
        ]
        for part in trained
    ]
    columns = ("run", "version", "seeds", *(name.replace("_", " ") for name in known))
    blocks: list[Block] = [Table(columns, rows, frozenset(columns[3:]), "At the end of each training.")]
    if table.empty:
        return [Text("No curve: the journal beside these runs holds none of them.", "note"), *blocks]
    return [Figure("loss", curve(table), "Loss over the steps."), *blocks]


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    """At most so many points a line that an eye can tell apart; the last one always stays."""
    kept = []
    for _, part in table.groupby(["run", "metric"], sort=False):
        step = -(-len(part) // _MOST_POINTS)
        kept.append(part.iloc[::-1].iloc[::step].iloc[::-1])
    return pd.concat(kept, ignore_index=True) if kept else table
