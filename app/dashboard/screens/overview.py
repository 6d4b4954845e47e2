"""Overview: versions, runs, evaluations, and what to do next."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.dashboard.place import evaluations, here, place, versions
from reports.tables import training
from reports.todo import todo


def show() -> None:
    st.title("Overview")
    built = versions()
    if not built:
        st.info("Nothing was built yet. In a terminal, in this workspace: curate build")
        return
    runs = training.runs(place())
    done = evaluations()
    for one in todo([v.name for v in built], runs, done, place().journal):
        st.warning(f"{one.what}: {one.command}")
    st.subheader("Versions")
    rows = [
        {"version": v.name, "id": v.info.short_id, **v.rows, "message": v.info.message or ""} for v in reversed(built)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="versions")
    st.subheader("Runs")
    if runs.empty:
        st.info("No run yet. In a terminal: curate train --check, then curate train")
    else:
        st.dataframe(runs.iloc[::-1], hide_index=True, key="runs")
    st.subheader("Evaluations")
    if not done:
        st.info("No evaluation yet. In a terminal: curate eval")
        return
    told = [
        {"evaluation": e.name, "base": e.run.base, "started": e.run.started, "suite": e.suite.name}
        for e in reversed(done)
    ]
    st.dataframe(pd.DataFrame(told), hide_index=True, key="evaluations")
    st.caption(f"store: {here().store_path.name}/, runs: experiments/")
