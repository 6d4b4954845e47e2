"""Charts about trainings."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from reports.charts.style import styled, tooltips


def curve(
    table: pd.DataFrame, metrics: tuple[str, ...] = ("train_loss", "validation_loss"), title: str = "loss"
) -> Any:
    """One line a run and metric over the steps; `table` as reports.tables.training.curves gives it."""
    shown = table[table["metric"].isin(metrics)].dropna(subset=["value"])
    one = shown["run"].nunique() <= 1
    chart = (
        alt.Chart(shown)
        .mark_line(point=alt.OverlayMarkDef(size=24))
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
            color=alt.Color("metric:N" if one else "run:N", title=None),
            # Dashes without a legend of their own: beside that of the shapes it would name each metric twice.
            strokeDash=alt.condition(alt.datum.metric == metrics[0], alt.value([1, 0]), alt.value([4, 3])),
            detail=alt.Detail("metric:N"),
            # A loss that was measured once is a point, and no line; of one run its colour tells it.
            shape=alt.value("circle") if one else alt.Shape("metric:N", title=None),
            tooltip=tooltips("run", "metric", "step", alt.Tooltip("value:Q", format=".4g")),
        )
    )
    return styled(chart)
