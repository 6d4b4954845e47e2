"""Overview: what is stale, the last verdicts, versions, runs, evaluations."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.dashboard.downloads import picked, tabled
from app.dashboard.links import link
from app.dashboard.place import evaluations, here, place, versions
from app.dashboard.plain import plain
from curation.errors import CurateError
from curation.library import Version
from curation.store import open_store
from eval.folder import EvalFolder, all_finished, foremost
from reports.tables import training
from reports.todo import damage, todo, unbuilt


def show() -> None:
    st.title("Overview")
    built = versions()
    runs = training.runs(place())
    done = evaluations()
    _stale(built, runs, done)
    if not built and runs.empty:
        st.info("Nothing was built yet. In a terminal, in this workspace: curate build")
        return
    verdicts = st.container()  # filled last: a comparison is made when it is asked for the first time
    _versions(built)
    _runs(runs)
    _evaluations(done)
    with verdicts:
        _verdicts(done)
    st.caption(f"store: {here().store_path.name}/, runs: experiments/")


def _stale(built: list[Version], runs: pd.DataFrame, done: list[EvalFolder]) -> None:
    _, damaged = all_finished(place().experiments)
    store = open_store(here().store_path) if here().has_store else None
    latest = store.latest() if store else None
    left = [*damage(damaged), *(unbuilt(here(), store) if store else [])]
    left += todo([v.name for v in built], runs, done, place().journal, latest.name if latest else None)
    st.subheader("To do")
    if not left:
        st.success("Nothing is stale.")
    for one in left:
        what, command = st.columns([3, 2], vertical_alignment="center")
        what.text(one.what)
        command.code(one.command, language=None)


def _versions(built: list[Version]) -> None:
    st.subheader("Versions")
    if not built:
        st.info("None yet. In a terminal: curate build")
        return
    rows = [
        {"version": v.name, "id": v.info.short_id, **v.rows, "built": v.info.created, "message": v.info.message or ""}
        for v in reversed(built)
    ]
    table = pd.DataFrame(rows)
    at = picked(table, "versions")
    name = str(table.iloc[at or 0]["version"])
    link("rows", f"rows of {name}", version=name)


def _runs(runs: pd.DataFrame) -> None:
    st.subheader("Runs")
    if runs.empty:
        st.info("No run yet. In a terminal: curate train --check, then curate train")
        return
    table = runs.iloc[::-1].reset_index(drop=True)
    at = picked(table, "runs")
    row = table.iloc[at or 0]
    if row["kind"] == "training":
        link("training", f"curves of {row['run']}", runs=str(row["run"]))


def _evaluations(done: list[EvalFolder]) -> None:
    st.subheader("Evaluations")
    if not done:
        st.info("No evaluation yet. In a terminal: curate eval")
        return
    told = [(e.name, e.run.base, e.run.settings.get("suite", ""), e.run.started) for e in reversed(done)]
    tabled(pd.DataFrame(told, columns=["evaluation", "base", "suite", "started"]), "evaluations")
    usual = foremost(done) or done[-1]
    link("errors", f"errors of {usual.name}", evaluation=usual.name)


def _verdicts(done: list[EvalFolder]) -> None:
    st.subheader("Last verdicts")
    if not done:
        st.info("Nothing to compare yet: evaluate a run and its base. In a terminal: curate eval")
        return
    # Loaded when the rest of the page is drawn already.
    from app.dashboard.comparing import headline, latest_pairs
    from app.dashboard.verdicts import verdict

    pairs = latest_pairs(done)
    if not pairs:
        st.info("Nothing to compare yet: evaluate a run and its base. In a terminal: curate eval")
    for first, second in pairs:
        try:
            with st.spinner(f"comparing {second} with {first}"):
                found = headline(first, second)
        except CurateError as error:
            st.text(f"{first}, {second}: cannot be compared")
            plain(str(error))
            continue
        verdict(found)
        link("compare", "the whole comparison", a=first, b=second)
