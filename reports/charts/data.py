"""Charts about a version."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import pandas as pd

from reports.charts.style import COLOURS, INK, bars_high, styled, tooltips

_FEW: Final = 12  # values of which each has a bar of its own
_NARROW: Final = 8  # pixels


def reasons(table: pd.DataFrame, top: int = 15) -> Any:
    """Why rows were quarantined, dropped or flagged; `table` as reports.tables.data.reasons gives it."""
    shown = table.groupby(["verdict", "reason"], as_index=False)["rows"].sum().nlargest(top, "rows")
    colours = {"quarantined": COLOURS[3], "dropped": COLOURS[5], "flagged": COLOURS[1]}
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("rows:Q", title="rows"),
            y=alt.Y("reason:N", sort="-x", title=None),
            color=alt.Color(
                "verdict:N", title=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
            ),
            tooltip=tooltips("verdict", "reason", "rows"),
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
            tooltip=tooltips("source", "verdict", "rows"),
        )
    )
    return styled(chart, height=bars_high(len(table)))


def languages(table: pd.DataFrame, top: int = 12) -> Any:
    """Rows by language of the answer."""
    chart = (
        alt.Chart(table.head(top))
        .mark_bar(color=COLOURS[0])
        .encode(
            x=alt.X("rows:Q", title="rows"),
            y=alt.Y("language:N", sort="-x", title=None),
            tooltip=tooltips("language", "rows"),
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
            xOffset=alt.XOffset("side:N"),
            y=alt.Y("rows:Q", title="rows"),
            color=alt.Color("side:N", title=None),
            tooltip=tooltips("side", "characters", "rows"),
        )
    )
    return styled(chart)


def measured(table: pd.DataFrame) -> Any:
    """How one measured value is spread over the rows that it decided about, and the limit that it was held against."""
    limits = table[["threshold"]].dropna().drop_duplicates()
    few = table["value"].nunique() <= _FEW  # a bar of a range of values would stand beside each of them
    colours = {"kept": 2, "flagged": 1, "dropped": 5, "merged": 4, "quarantined": 3}
    domain = [name for name in colours if name in set(table["verdict"])]
    bars = (
        alt.Chart(table)
        .mark_bar(**({"orient": "vertical", "size": _NARROW} if few else {}))
        .encode(
            x=alt.X(
                "value:Q",
                title="value",
                scale=alt.Scale(zero=False),
                **({} if few else {"bin": alt.Bin(maxbins=40)}),
                axis=alt.Axis(tickMinStep=1) if (table["value"] % 1 == 0).all() else alt.Axis(),
            ),
            y=alt.Y("sum(rows):Q", title="rows"),
            color=alt.Color(
                "verdict:N", title=None, scale=alt.Scale(domain=domain, range=[COLOURS[colours[n]] for n in domain])
            ),
            tooltip=tooltips("verdict", alt.Tooltip("sum(rows):Q", title="rows")),
        )
    )
    line = (
        alt.Chart(limits)
        .mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=2)
        .encode(x=alt.X("threshold:Q"), tooltip=tooltips(alt.Tooltip("threshold:Q", title="limit")))
    )
    return styled(alt.layer(bars, line), height=160)


def changes(table: pd.DataFrame) -> Any:
    """What differs between two versions, and why; `table` as reports.tables.data.changes gives it."""
    said = table["why"] + (": " + table["reason"].str.replace("_", " ")).fillna("")
    shown = table.assign(said=said).groupby(["change", "said"], as_index=False)["rows"].sum()
    order = ["added", "removed", "edited", "moved"]
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("rows:Q", title="rows"),
            y=alt.Y("said:N", sort="-x", title=None),
            color=alt.Color(
                "change:N", title=None, scale=alt.Scale(domain=order, range=[COLOURS[n] for n in (2, 5, 1, 0)])
            ),
            tooltip=tooltips("change", alt.Tooltip("said:N", title="why"), "rows"),
        )
    )
    return styled(chart, height=bars_high(shown["said"].nunique()))
