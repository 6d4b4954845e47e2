"""Charts about evaluations: metrics with intervals, confidence, the trade-off between domain and benchmark."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from reports.charts.style import BAR, COLOURS, HEIGHT, INK, bars_high, styled, themed, tooltips

_BINS: Final = 20
_RIGHT: Final = {1: "right", 0: "wrong"}


def metrics(table: pd.DataFrame, names: list[str] | None = None) -> Any:
    """Each metric's value with its interval, one colour an evaluation; metrics have scales of their own."""
    shown = table if names is None else table[table["metric"].isin(names)]
    shown = shown.assign(what=shown["split"] + " " + shown["metric"])
    base = alt.Chart(shown).encode(
        y=alt.Y("evaluation:N", title=None, axis=alt.Axis(labels=False, ticks=False)),
        color=alt.Color("evaluation:N", title=None),
        tooltip=tooltips(
            "evaluation",
            "what",
            *(alt.Tooltip(f"{c}:Q", format=".4g") for c in ("value", "ci_low", "ci_high")),
            "n",
        ),
    )
    line = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("ci_low:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5, format=".4~r")),
        x2=alt.X2("ci_high:Q"),
    )
    point = base.mark_point(filled=True, size=60).encode(x=alt.X("value:Q"))
    height = bars_high(shown["evaluation"].nunique())
    rows = alt.layer(line, point).properties(width=360, height=height)
    header = alt.Header(labelAngle=0, labelAlign="left", labelColor=INK, labelLimit=200)
    return themed(rows.facet(row=alt.Row("what:N", title=None, header=header)).resolve_scale(x="independent"))


def confidence(table: pd.DataFrame) -> Any:
    """Outputs by how sure the model was, right and wrong apart; counted here, so that any number of them is drawn."""
    edges = np.linspace(0, 1, _BINS + 1)
    counts = {name: np.histogram(table.loc[table["right"] == n, "confidence"], edges)[0] for n, name in _RIGHT.items()}
    shown = pd.DataFrame(
        [
            (low, high, name, int(n))
            for name, each in counts.items()
            for low, high, n in zip(edges[:-1], edges[1:], each, strict=True)
        ],
        columns=["low", "high", "verdict", "outputs"],
    )
    chart = (
        alt.Chart(shown)
        .mark_bar(opacity=0.85)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title="mean probability of a token",
                axis=alt.Axis(format=".1f", values=[tenth / 10 for tenth in range(11)]),
            ),
            x2=alt.X2("high:Q"),
            y=alt.Y("outputs:Q", stack=True),
            color=alt.Color(
                "verdict:N", title=None, scale=alt.Scale(domain=["right", "wrong"], range=[COLOURS[2], COLOURS[5]])
            ),
            tooltip=tooltips("verdict", "outputs"),
        )
    )
    return styled(chart)


def reliability(table: pd.DataFrame) -> Any:
    """Share of right outputs against confidence, a tenth of the outputs a point; on the diagonal they agree."""
    line = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
        .mark_line(strokeDash=[4, 4], color=INK)
        .encode(x=alt.X("x:Q"), y=alt.Y("y:Q"))
    )
    points = (
        alt.Chart(table)
        .mark_line(point=True, color=COLOURS[0])
        .encode(
            x=alt.X("confidence:Q", title="confidence", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("right:Q", title="share right", scale=alt.Scale(domain=[0, 1])),
            tooltip=tooltips(alt.Tooltip("confidence:Q", format=".3f"), alt.Tooltip("right:Q", format=".3f"), "n"),
        )
    )
    return styled(alt.layer(line, points), width=HEIGHT + 40)


def risk_coverage(table: pd.DataFrame) -> Any:
    """Share of wrong outputs among the surest, as more of them are answered; rising, confidence is worth something."""
    step = max(1, len(table) // 400)
    chart = (
        alt.Chart(table.iloc[::step])
        .mark_line(color=COLOURS[0])
        .encode(
            x=alt.X("coverage:Q", title="share of outputs answered, surest first", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("risk:Q", title="share wrong", scale=alt.Scale(domain=[0, 1])),
            tooltip=tooltips(alt.Tooltip("coverage:Q", format=".2f"), alt.Tooltip("risk:Q", format=".3f")),
        )
    )
    return styled(chart)


def trade_off(table: pd.DataFrame) -> Any:
    """Domain metric against benchmark score, each with its interval, a point an evaluation."""
    base = alt.Chart(table).encode(color=alt.Color("evaluation:N", title=None))
    tips = [alt.Tooltip(f"{c}:Q", format=".3f") for c in ("domain", "score")]
    across = base.mark_rule().encode(x=alt.X("domain_low:Q"), x2=alt.X2("domain_high:Q"), y=alt.Y("score:Q"))
    up = base.mark_rule().encode(x=alt.X("domain:Q"), y=alt.Y("score_low:Q"), y2=alt.Y2("score_high:Q"))
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("domain:Q", title="domain metric", scale=alt.Scale(zero=False)),
        y=alt.Y("score:Q", title="benchmark", scale=alt.Scale(zero=False)),
        shape=alt.Shape("benchmark:N", title=None),
        tooltip=tooltips("evaluation", "benchmark", *tips),
    )
    return styled(alt.layer(across, up, points))


def differences(table: pd.DataFrame) -> Any:
    """Every difference with its interval and verdict, each on a scale of its own; the dashes are no change.

    `table` as reports.tables.comparison.differences gives it.
    """
    shown = table[np.isfinite(table["difference"])].assign(nought=0.0)
    colours = {"better": 2, "worse": 5, "higher": 0, "lower": 0, "same within the margin": 4}
    known = [name for name in colours if name in set(shown["verdict"])]
    base = alt.Chart(shown).encode(
        color=alt.Color(
            "verdict:N",
            title=None,
            scale=alt.Scale(domain=[*known, "cannot tell"], range=[*(COLOURS[colours[n]] for n in known), INK]),
        ),
        tooltip=tooltips(
            "what",
            "verdict",
            *(alt.Tooltip(f"{c}:Q", format="+.3f") for c in ("difference", "low", "high")),
            "n",
        ),
    )
    line = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=None, axis=alt.Axis(tickCount=4)), x2=alt.X2("high:Q"), y=alt.value(BAR / 2)
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(x=alt.X("difference:Q"), y=alt.value(BAR / 2))
    nought = alt.Chart(shown).mark_rule(color=INK, strokeDash=[4, 4]).encode(x=alt.X("nought:Q"))
    rows = alt.layer(nought, line, point).properties(width=330, height=BAR)
    # Above each: beside it the long name of a baseline would be cut, and two of them be told alike.
    header = alt.Header(labelOrient="top", labelAnchor="start", labelAlign="left", labelColor=INK, labelPadding=2)
    facets = rows.facet(row=alt.Row("what:N", title=None, header=header, sort=list(shown["what"])))
    return themed(facets.resolve_scale(x="independent"))


def won_and_lost(table: pd.DataFrame) -> Any:
    """What each run won on its own job against what it lost elsewhere, with intervals; the cross is no change."""
    base = alt.Chart(table).encode(color=alt.Color("run:N", title=None))
    across = base.mark_rule().encode(x=alt.X("domain_low:Q"), x2=alt.X2("domain_high:Q"), y=alt.Y("elsewhere:Q"))
    up = base.mark_rule().encode(x=alt.X("domain:Q"), y=alt.Y("elsewhere_low:Q"), y2=alt.Y2("elsewhere_high:Q"))
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("domain:Q", title="won on the domain"),
        y=alt.Y("elsewhere:Q", title="won or lost on the benchmark"),
        shape=alt.Shape("benchmark:N", title=None),
        tooltip=tooltips("run", "benchmark", *(alt.Tooltip(f"{c}:Q", format="+.3f") for c in ("domain", "elsewhere"))),
    )
    zero = alt.Chart(pd.DataFrame({"z": [0]}))
    nought = [
        zero.mark_rule(color=INK, strokeDash=[4, 4]).encode(**{axis: channel("z:Q")})
        for axis, channel in (("x", alt.X), ("y", alt.Y))
    ]
    return styled(alt.layer(*nought, across, up, points))
