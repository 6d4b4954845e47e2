"""Compare: the verdict, domain metrics beside benchmarks, the trade-off, flips, and what changed in the data."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.dashboard.comparing import comparable, comparison, latest_pairs
from app.dashboard.downloads import charted, picked, tabled
from app.dashboard.links import chosen, link
from app.dashboard.place import evaluations
from app.dashboard.plain import plain, refused
from app.dashboard.verdicts import verdict
from curation.errors import CurateError
from eval.compare.comparison import Comparison
from reports.charts import evaluation as charts
from reports.tables import comparison as tables
from reports.tables import evaluation as stored


def show() -> None:
    st.title("Compare")
    names = comparable()
    if len(names) < 2:
        st.info("Two runs with an evaluation are needed. In a terminal: curate eval (it asks the base model as well)")
        return
    left, right, third = st.columns(3)
    pairs = [pair for pair in latest_pairs(evaluations()) if set(pair) <= set(names)]
    usual = pairs[-1] if pairs else (names[-1], names[0])
    second = chosen(right, "this one", names, "b", usual[1])
    others = [name for name in names if name != second]
    first = chosen(left, "against", others, "a", usual[0])
    suites = ["newest", *dict.fromkeys(_suites())]
    suite = chosen(third, "suite", suites, "suite")
    try:
        with st.spinner("comparing"):
            found = comparison(first, second, None if suite == "newest" else suite)
    except CurateError as error:
        refused(error)
    else:
        _compared(found)
        st.code(f"curate compare {first} {second}", language=None)
    _stored()


def _compared(found: Comparison) -> None:
    verdict(found)
    left, right = st.columns(2)
    with left:
        st.subheader("Metrics")
        table = tables.differences(found)
        charted(charts.differences(table), table, "differences")
    with right:
        st.subheader("Data")
        _data(found)
    st.subheader("Trade-off")
    trades = tables.trades(found)
    beside = stored.trade_off(evaluations(), found.primary.name) if trades.empty else trades
    if beside.empty:
        st.info("No benchmark was asked, so nothing is known of what was lost elsewhere; see suites/.")
    elif trades.empty:
        st.caption("every evaluation by itself, with intervals")
        charted(charts.trade_off(beside), beside, "trade-off")
    else:
        st.caption(f"each run alone against {found.trades_against}, with intervals")
        charted(charts.won_and_lost(trades), trades, "trade-off")
    _flips(found)


def _data(found: Comparison) -> None:
    """What the two were trained on differs in."""
    if found.data is None:
        st.info("Both come from one version, or one was not trained here: no change of the data to show.")
        return
    if found.data.same:
        st.info(f"{found.data.old} and {found.data.new} hold the same rows.")
        return
    counts = pd.DataFrame([found.data.counts, found.data.train], index=["all rows", "train"])
    tabled(counts.rename_axis("of").reset_index(), "rows that differ")
    tabled(tables.data_changes(found.data), "why they differ")
    tabled(pd.DataFrame(found.data.sources), "by source")
    link("rows", "see the rows", view="another version", version=found.data.new, before=found.data.old)


def _flips(found: Comparison) -> None:
    st.subheader("Flips")
    table = tables.flips(found.flips)
    if table.empty:
        st.info(f"No item changed on {found.primary.name}.")
        return
    st.caption("the items that changed most; a row that is near asks alike, nobody has shown that it is the cause")
    at = picked(table, "flips")
    flip = found.flips[at or 0]
    st.text(f"item {flip.item_id}   {flip.value_a:.3f} -> {flip.value_b:.3f}")
    plain(flip.question, "question")
    labels = ("reference", *found.labels)
    for column, label, text in zip(st.columns(3), labels, (flip.reference, flip.output_a, flip.output_b), strict=True):
        with column:
            plain(text, label)
    if flip.near is not None:
        plain(f"{flip.near.row.prompt}\n-> {flip.near.row.answer}", f"near: {tables.near_row(flip)}")


def _stored() -> None:
    """What evaluations measured by themselves, any number of them beside each other."""
    done = {one.name: one for one in evaluations()}
    with st.expander("every evaluation by itself"):
        picked_names = st.multiselect("evaluations", list(done)[::-1], default=list(done)[::-1][:3], key="evaluations")
        if not picked_names:
            return
        table = stored.metrics([done[name] for name in picked_names])
        charted(charts.metrics(table.dropna(subset=["value"])), table, "metrics")


def _suites() -> list[str]:
    return [str(one.run.settings.get("suite", "")) for one in evaluations() if one.run.settings.get("suite")]
