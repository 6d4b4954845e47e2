"""Compare: domain metrics beside benchmarks, with intervals; which outputs changed; and what changed in the data."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.place import evaluations, versions
from app.dashboard.plain import plain
from eval.folder import EvalFolder
from reports.charts import evaluation as charts
from reports.tables import evaluation as tables


def show() -> None:
    st.title("Compare")
    done = {one.name: one for one in evaluations()}
    if len(done) < 2:
        st.info("Two evaluations are needed. In a terminal: curate eval base, curate eval")
        return
    names = list(done)[::-1]
    chosen = st.multiselect("evaluations", names, default=names[:2], key="evaluations")
    folders = [done[name] for name in chosen]
    if not folders:
        return
    table = tables.metrics(folders)
    charted(charts.metrics(table), table, "metrics")
    st.code(f"curate compare {' '.join(name.split('/')[0] for name in chosen[::-1])}", language=None)
    metrics = sorted(set(table["metric"]))
    metric = st.selectbox("metric", metrics, index=metrics.index("rougeL") if "rougeL" in metrics else 0, key="metric")
    traded = tables.trade_off(folders, metric)
    if not traded.empty:
        st.subheader("Trade-off")
        charted(charts.trade_off(traded), traded, "trade-off")
    if len(folders) == 2:
        _flips(folders[1], folders[0], metric)
        _data(folders[1], folders[0])


def _flips(before: EvalFolder, after: EvalFolder, metric: str) -> None:
    st.subheader(f"Most changed, {before.name} to {after.name}")
    one, two = (tables.outputs(folder, metric) for folder in (before, after))
    both = one.merge(two, on="item_id", suffixes=("_before", "_after")).dropna(subset=["value_before", "value_after"])
    if both.empty:
        st.info("They share no item with this metric.")
        return
    both = both.assign(change=both["value_after"] - both["value_before"])
    both = both.reindex(both["change"].abs().sort_values(ascending=False, kind="stable").index)
    number = int(st.number_input("output", 1, len(both), 1, key="flip"))
    row = both.iloc[number - 1]
    st.text(f"item {row['item_id']}   {metric} {row['value_before']:.3f} -> {row['value_after']:.3f}")
    plain(row["prompt_after"], "prompt")
    columns = st.columns(3)
    for column, (label, text) in zip(
        columns,
        [("reference", row["reference_after"]), ("before", row["output_before"]), ("after", row["output_after"])],
        strict=True,
    ):
        with column:
            plain(text, label)


def _data(before: EvalFolder, after: EvalFolder) -> None:
    """What changed between the versions that the two were trained on."""
    named = {v.name: v for v in versions()}
    one, two = ((folder.run.version or {}).get("name") for folder in (before, after))
    if one == two or one not in named or two not in named:
        return
    st.subheader(f"Data, {one} to {two}")
    rows = {name: named[name].rows for name in (one, two)}
    tabled(pd.DataFrame(rows).T.rename_axis("version").reset_index(), "rows")
    st.code(f"curate diff {one} {two}", language=None)
