"""Training: live curves of one run or several."""

from __future__ import annotations

import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.links import several
from app.dashboard.place import place
from reports.charts.training import curve
from reports.tables import training

_OTHERS = ("learning_rate", "gradient_norm", "tokens_per_second")


def show() -> None:
    st.title("Training")
    runs = training.runs(place())
    runs = runs[runs["kind"] == "training"]
    if runs.empty:
        st.info("No run yet. In a terminal: curate train")
        return
    names = list(runs["run"])[::-1]
    chosen = several(st, "runs", names, "runs", names[:1])
    if not chosen:
        st.info("Choose a run.")
        return
    now = runs[runs["run"].isin(chosen)]
    live = st.toggle("follow", value="running" in set(now["state"]), key="follow")
    st.fragment(run_every=2.0 if live else None)(_drawn)(chosen)
    tabled(now, "chosen")


def _drawn(chosen: list[str]) -> None:
    table = training.curves(place().journal, chosen)
    if table.empty:
        st.info("No measurement of these runs is in the journal: they have not begun, or were made elsewhere.")
        return
    charted(curve(table), table[table["metric"].isin(["train_loss", "validation_loss"])], "loss")
    for column, metric in zip(st.columns(len(_OTHERS)), _OTHERS, strict=True):
        part = table[table["metric"] == metric]
        if not part.empty:
            with column:
                charted(curve(part, (metric,), metric.replace("_", " ")), part, metric)
