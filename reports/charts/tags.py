"""Charts about tags."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from reports.charts.style import BAR, COLOURS, INK, bars_high, styled, tooltips

STARRED: Final = "* more often than in the rest, at a false discovery rate of 5 %"
_KINDS: Final = {"person": COLOURS[0], "rule": COLOURS[1]}  # a legend names those that are there
_FALSE_DISCOVERIES: Final = 0.05
_DARK: Final = 0.5  # from this share on a cell is so dark that its words are white


def rates(table: pd.DataFrame) -> Any:
    """The share of outputs with each tag and its interval; `table` as reports.tables.tags.tag_rates gives it."""
    shown = table[table["n"] > 0]
    order = list(shown.groupby("tag")["share"].max().sort_values(ascending=False, kind="stable").index)
    base = alt.Chart(shown).encode(y=alt.Y("tag:N", sort=order, title=None), yOffset=alt.YOffset("kind:N"))
    kinds = {kind: colour for kind, colour in _KINDS.items() if kind in set(shown["kind"])}
    scale = alt.Scale(domain=list(kinds), range=list(kinds.values()))
    colour = alt.Color("kind:N", title=None, scale=scale)
    tips = tooltips("tag", "kind", "hits", "n", alt.Tooltip("share:Q", format=".1%"))
    bars = base.mark_bar(opacity=0.8, size=BAR * 0.7).encode(
        x=alt.X("share:Q", title="share of outputs", axis=alt.Axis(format="%")), color=colour, tooltip=tips
    )
    # A thin bar: a rule stands beside the middle of a bar that has an offset.
    lines = base.mark_bar(color=INK, size=2).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"))
    return styled(alt.layer(bars, lines), height=bars_high(shown["tag"].nunique() * 2))


def heat_map(table: pd.DataFrame) -> Any:
    """Tags by slice, with their share; `table` as reports.tables.tags.slices gives it. STARRED says what a star is."""
    share = table["hits"] / table["n"]
    said = share.map("{:.0%}".format) + np.where(table["p_adjusted"] < _FALSE_DISCOVERIES, " *", "")
    shown = table.assign(slice=table["field"] + " = " + table["value"], share=share, said=said)
    base = alt.Chart(shown).encode(
        x=alt.X("tag:N", title=None, axis=alt.Axis(labelAngle=-40)), y=alt.Y("slice:N", title=None)
    )
    cells = base.mark_rect(stroke="white", strokeWidth=0.5).encode(
        color=alt.Color("share:Q", title=None, scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=None),
        tooltip=tooltips("slice", "tag", "hits", "n", alt.Tooltip("p_adjusted:Q", format=".3f")),
    )
    words = base.mark_text(fontSize=11).encode(
        text="said:N", color=alt.condition(alt.datum.share > _DARK, alt.value("white"), alt.value("black"))
    )
    return styled(alt.layer(cells, words), height=bars_high(shown["slice"].nunique()))


def trend(table: pd.DataFrame) -> Any:
    """The share of outputs with each tag, run after run; `table` as reports.tables.slices.trend gives it."""
    order = list(dict.fromkeys(table["run"]))
    base = alt.Chart(table).encode(
        x=alt.X("run:O", sort=order, title=None, axis=alt.Axis(labelAngle=-20)),
        color=alt.Color("tag:N", title=None, legend=alt.Legend(symbolOpacity=1)),  # not that of the intervals
    )
    points = base.mark_line(point=True).encode(
        y=alt.Y("share:Q", title="share of outputs", axis=alt.Axis(format="%")),
        tooltip=tooltips("run", "version", "tag", "hits", "n", alt.Tooltip("share:Q", format=".1%")),
    )
    return styled(alt.layer(base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")), points))
