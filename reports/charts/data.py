"""Charts about a version."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from reports.charts.style import COLOURS, bars_high, styled


def reasons(table: pd.DataFrame, top: int = 15) -> Any:
    """Why rows were dropped or flagged; `table` as reports.tables.data.reasons gives it."""
    shown = table.groupby(["verdict", "reason"], as_index=False)["rows"].sum().nlargest(top, "rows")
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("rows:Q", title="rows"),
            y=alt.Y("reason:N", sort="-x", title=None),
            color=alt.Color(
                "verdict:N", scale=alt.Scale(domain=["dropped", "flagged"], range=[COLOURS[5], COLOURS[1]])
            ),
            tooltip=["verdict", "reason", "rows"],
        )
    )
    return styled(chart, height=bars_high(shown["reason"].nunique()))


def sources(table: pd.DataFrame) -> Any:
    """What became of the units of each source; `table` as reports.tables.data.sources gives it."""
    verdicts = ["kept", "dropped", "quarantined"]
    long = table.melt(id_vars="source", value_vars=verdicts, var_name="verdict", value_name="rows")
    chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("rows:Q", title="units"),
            y=alt.Y("source:N", sort=list(table["source"]), title=None),
            color=alt.Color("verdict:N", scale=alt.Scale(domain=verdicts, range=[COLOURS[2], COLOURS[5], COLOURS[3]])),
            tooltip=["source", "verdict", "rows"],
        )
    )
    return styled(chart, height=bars_high(len(table)))


def languages(table: pd.DataFrame, top: int = 12) -> Any:
    """Rows by language of the answer."""
    chart = (
        alt.Chart(table.head(top))
        .mark_bar(color=COLOURS[0])
        .encode(
            x=alt.X("rows:Q", title="rows"), y=alt.Y("language:N", sort="-x", title=None), tooltip=["language", "rows"]
        )
    )
    return styled(chart, height=bars_high(min(top, len(table))))


def lengths(table: pd.DataFrame) -> Any:
    """How long prompts and answers are, in characters."""
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("characters:N", sort=None, title="characters", axis=alt.Axis(labelAngle=-40)),
            xOffset="side:N",
            y=alt.Y("rows:Q", title="rows"),
            color=alt.Color("side:N", title=None),
            tooltip=["side", "characters", "rows"],
        )
    )
    return styled(chart)
