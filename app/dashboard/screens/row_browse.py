"""Pages of a version's units: filters in the database, a search that streams, and one unit with its whole story."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.dashboard.downloads import picked
from app.dashboard.links import chosen, numbered
from app.dashboard.place import here
from app.dashboard.plain import refused
from app.dashboard.units import choices, page
from curation.errors import CurateError
from curation.library import Version
from curation.store import open_store
from curation.store.browse import PAGE, Asked, Page, search

_ANY = "any"
_VERDICTS = (_ANY, "kept", "dropped", "merged", "quarantined")
_SPLITS = (_ANY, "train", "validation", "test")


def show(version: Version) -> None:
    try:
        asked = _asked(choices(version))
        text = st.text_input("text to look for, in any case", key="text", bind="query-params")
        table = _searched(version, text, asked) if text else _paged(page(version, asked), version, asked)
    except CurateError as error:
        refused(error)
        return
    if table.empty:
        st.info("No unit is like that. Ask for less, or see what there is under `what became of it`.")
        return
    at = picked(table, "units")
    if at is not None:
        row = table.iloc[at]
        st.query_params["unit"] = f"{row['source']}:{row['line']}"
    if unit := st.query_params.get("unit"):
        from app.dashboard.screens.row_story import story  # the first page of units waits for no story

        story(version, unit)


def _asked(known: dict[str, list[str]]) -> Asked:
    one, two, three, four = st.columns(4)
    verdict = chosen(one, "verdict", _VERDICTS, "verdict")
    split = chosen(two, "split", _SPLITS, "split")
    source = chosen(three, "source", (_ANY, *known["source"]), "source")
    reason = chosen(four, "reason", (_ANY, *known["reason"]), "reason")
    one, two, three, four = st.columns(4)
    language = chosen(one, "language of the answer", (_ANY, *known["language"]), "language")
    row = two.text_input("row id begins with", key="row", bind="query-params")
    shortest = three.number_input("bytes, at least", 0, value=None, key="shortest", bind="query-params")
    longest = four.number_input("bytes, at most", 0, value=None, key="longest", bind="query-params")
    verdict, split, source, reason, language = (
        "" if value == _ANY else value for value in (verdict, split, source, reason, language)
    )
    return Asked(verdict, split, source, reason, language, row or "", shortest, longest)


def _paged(first: Page, version: Version, asked: Asked) -> pd.DataFrame:
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    number = numbered(left, f"page of {first.pages:,}", first.pages, "page")
    right.text(f"{first.total:,} units, {PAGE} a page; choose one to see why")
    found = first if number == 1 else page(version, asked, number)
    table: pd.DataFrame = found.units.to_pandas()
    return table


def _searched(version: Version, text: str, asked: Asked) -> pd.DataFrame:
    """What was found so far, again and again, while the search goes on."""
    kept = ("search", version.id, text, asked)
    if st.session_state.get("search") and st.session_state["search"][0] == kept:
        told, table = st.session_state["search"][1:]
        st.text(told)
        return table
    bar, place = st.progress(0.0), st.empty()
    table = pd.DataFrame()
    told = ""
    for step in search(open_store(here().store_path), version.info, text, replace(asked)):
        table = step.units.to_pandas() if step.units is not None else table
        told = f"{len(table):,} found in {step.looked:,} of {step.rows:,} rows"
        bar.progress(min(1.0, step.looked / max(1, step.rows)))
        place.text(told)
    bar.empty()
    st.session_state["search"] = (kept, told, table)
    return table
