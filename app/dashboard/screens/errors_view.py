"""Errors: what is wrong with a run's outputs, how often, where, and how sure the model was."""

from __future__ import annotations

import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.links import chosen
from app.dashboard.place import evaluations, here, journal
from app.dashboard.plain import plain
from app.dashboard.screens import error_places
from eval.taxonomy import load_taxonomy
from reports.charts import evaluation as charts
from reports.charts import tags as tag_charts
from reports.tables import evaluation as tables
from reports.tables.tags import tag_rates


def show() -> None:
    st.title("Errors")
    done = {one.name: one for one in evaluations()}
    if not done:
        st.info("Nothing to look at yet. In a terminal: curate eval")
        return
    name = chosen(st, "evaluation", list(done)[::-1], "evaluation")
    folder = done[name]
    outputs = tables.outputs(folder)
    rates = tag_rates(journal(), folder.of.name, list(outputs["prediction_id"]), load_taxonomy(here().root))
    st.subheader("Tags")
    if rates.empty:
        st.info("No tags yet. Review some outputs (screen Review, or curate tag), or let rules look: curate autotag")
    else:
        st.caption("people: rates from random draws alone; rules: of all outputs")
        charted(tag_charts.rates(rates), rates, "tags")
    st.subheader("Confidence")
    metrics = sorted(set(folder.item_metrics(["metric"])["metric"].to_pylist()))
    if metrics:
        usual = tables.RIGHT if tables.RIGHT in metrics else metrics[0]
        metric = st.selectbox("right by", metrics, index=metrics.index(usual), key="right by")
        sure = tables.confidence(folder, metric)
        charted(charts.confidence(sure), sure, "confidence")
        left, right = st.columns(2)
        with left:
            table = tables.reliability(sure)
            charted(charts.reliability(table), table, "reliability")
        with right:
            table = tables.risk_coverage(sure)
            charted(charts.risk_coverage(table), table, "risk and coverage")
    error_places.by_slice(folder)
    error_places.over_runs(folder)
    _worst(folder.name, metrics)


def _worst(name: str, metrics: list[str]) -> None:
    """Single outputs, worst by a metric first."""
    folder = next(one for one in evaluations() if one.name == name)
    st.subheader("Outputs")
    if not metrics:
        return
    metric = st.selectbox("worst by", metrics, key="worst by")
    table = tables.outputs(folder, metric).sort_values("value", kind="stable")
    if table.empty:
        st.info("No output is stored in this evaluation.")
        return
    ids = list(table["item_id"])
    asked = st.query_params.get("item")
    if asked in ids and st.session_state.get("item shown") != asked:
        st.session_state["worst"] = ids.index(asked) + 1
    number = int(st.number_input("output", 1, len(table), key="worst"))
    row = table.iloc[number - 1]
    st.session_state["item shown"] = st.query_params["item"] = str(row["item_id"])
    st.text(f"item {row['item_id']}   {metric} {row['value']:.3f}   {row['finish_reason']}")
    plain(row["prompt"], "prompt")
    left, right = st.columns(2)
    with left:
        plain(row["reference"], "reference")
    with right:
        plain(row["output"], "output")
    with st.expander("all numbers of this output"):
        values = folder.item_metrics(["item_id", "metric", "value"]).to_pandas()
        tabled(values[values["item_id"] == row["item_id"]], "numbers")
