"""Training: live curves of one run or several."""

from __future__ import annotations

import streamlit as st

from app.dashboard.downloads import charted
from app.dashboard.place import place
from reports.charts.training import curve
from reports.tables import training


def show() -> None:
    st.title("Training")
    runs = training.runs(place())
    runs = runs[runs["kind"] == "training"]
    if runs.empty:
        st.info("No run yet. In a terminal: curate train")
        return
    names = list(runs["run"])[::-1]
    chosen = st.multiselect("runs", names, default=names[:1], key="runs")
    live = st.toggle("follow", value="running" in set(runs.loc[runs["run"].isin(chosen), "state"]), key="follow")

    def drawn() -> None:
        table = training.curves(place().journal, chosen)
        charted(curve(table), table[table["metric"].isin(["train_loss", "validation_loss"])], "loss")
        for metric in ("learning_rate", "gradient_norm", "tokens_per_second"):
            part = table[table["metric"] == metric]
            if not part.empty:
                charted(curve(part, (metric,), metric.replace("_", " ")), part, metric)

    st.fragment(run_every=2.0 if live else None)(drawn)()
    st.dataframe(runs[runs["run"].isin(chosen)], hide_index=True, key="chosen")
