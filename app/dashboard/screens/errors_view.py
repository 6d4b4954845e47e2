"""Errors: what is wrong with a run's outputs, how often, where, and how sure the model was."""

from __future__ import annotations

import orjson
import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.links import chosen
from app.dashboard.place import evaluations, here, journal
from app.dashboard.plain import asked, plain
from app.dashboard.screens import error_places, error_rows
from eval.folder import EvalFolder, foremost
from eval.taxonomy import load_taxonomy
from reports.charts import evaluation as charts
from reports.charts import tags as tag_charts
from reports.tables import evaluation as tables
from reports.tables.tags import random_draws, tag_rates


def show() -> None:
    st.title("Errors")
    done = {one.name: one for one in evaluations()}
    if not done:
        st.info("Nothing to look at yet. In a terminal: curate eval")
        return
    usual = foremost(list(done.values()))
    name = chosen(st, "evaluation", list(done)[::-1], "evaluation", usual.name if usual else None)
    folder = done[name]
    outputs = tables.outputs(folder)
    ids, taxonomy = list(outputs["prediction_id"]), load_taxonomy(here().root)
    rates = tag_rates(journal(), folder.of.name, ids, taxonomy)
    st.subheader("Tags")
    told = random_draws(journal(), folder.of.name, taxonomy, ids).told
    if rates.empty and told:
        st.info("Nobody gave a tag, and no rule did. Let rules look: curate autotag")
        st.caption(told)
    elif rates.empty:
        st.info("No tags yet. Review some outputs (screen Review, or curate tag), or let rules look: curate autotag")
    else:
        st.caption("people: rates from random draws alone; rules: of all outputs")
        if told:
            st.caption(told)
        charted(tag_charts.rates(rates), rates, "tags")
    st.subheader("Confidence")
    rights = ["people"] if folder.verdicts() else tables.right_by(folder)
    if not rights:
        st.info("No metric here says which outputs are right. Put exact_match into the suite, then: curate eval")
    else:
        metric = st.selectbox("right by (a metric from .5 on)", rights, key="right by")
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
    _worst(folder)


def _worst(folder: EvalFolder) -> None:
    """Single outputs, worst by a metric first."""
    st.subheader("Outputs")
    metrics = sorted(set(folder.item_metrics(["metric"])["metric"].to_pylist()))
    if not metrics:
        return
    primary = folder.primary()
    usual = metrics.index(primary) if primary in metrics else 0
    metric = st.selectbox("worst by", metrics, index=usual, key="worst by")
    table = tables.worst_first(folder, metric)
    if table.empty:
        st.info("No output is stored in this evaluation.")
        return
    ids = list(table["item_id"])
    named = st.query_params.get("item")
    if named in ids and st.session_state.get("item shown") != named:
        st.session_state["worst"] = ids.index(named) + 1
    number = int(st.number_input("output", 1, len(table), key="worst"))
    row = table.iloc[number - 1]
    st.session_state["item shown"] = st.query_params["item"] = str(row["item_id"])
    st.text(f"item {row['item_id']}   {metric} {row['value']:.3f}   {row['finish_reason']}")
    asked(orjson.loads(row["prompt"]))
    left, right = st.columns(2)
    with left:
        plain(row["reference"], "reference")
    with right:
        plain(row["output"], "output")
    error_rows.behind(folder, row)
    with st.expander("all numbers of this output"):
        values = folder.item_metrics(["item_id", "metric", "value"]).to_pandas()
        tabled(values[values["item_id"] == row["item_id"]], "numbers")
