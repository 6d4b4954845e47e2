"""Rows that belong together: clusters of near-equal questions, and rows that contradict each other."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from app.dashboard.downloads import picked, tabled
from app.dashboard.links import chosen, numbered
from app.dashboard.place import here
from app.dashboard.screens.row_story import story
from curation.library import Version
from curation.store import open_store
from curation.store.browse import Asked, noted, page
from curation.store.browse import clusters as largest

_REASONS: Final = {
    "contradicting answers": ("conflict",),
    "alternative answers": ("alternative_answers",),
    "a fact differs across splits": ("differs_in_fact",),
}


def clusters(version: Version) -> None:
    """The largest clusters; of one that was chosen, its rows."""
    store = open_store(here().store_path)
    table: pd.DataFrame = largest(store, version.info).to_pandas()
    st.caption("rows that ask nearly the same; a cluster is never divided between splits")
    if table.empty:
        st.info("No two rows ask nearly the same. How near is near: `split` in recipe.yaml.")
        return
    at = picked(table, "clusters")
    asked = st.query_params.get("cluster", "")
    if at is not None:
        asked = st.query_params["cluster"] = str(table.iloc[at]["cluster"])
    if asked.isdecimal():
        st.subheader(f"Cluster {asked}")
        tabled(page(store, version.info, Asked(cluster=int(asked))).units.to_pandas(), "cluster")


def conflicts(version: Version) -> None:
    """Rows that answer one question differently, each beside the other."""
    left, right = st.columns([2, 1])
    kind = chosen(left, "which", list(_REASONS), "which")
    store = open_store(here().store_path)
    found = noted(store, version.info, _REASONS[kind])
    if not found.total:
        st.info("None in this version. What counts as a conflict: `conflicts` in recipe.yaml.")
        return
    number = numbered(right, f"page of {found.pages:,}", found.pages, "page")
    found = found if number == 1 else noted(store, version.info, _REASONS[kind], number)
    table: pd.DataFrame = found.units.to_pandas()
    st.text(f"{found.total:,} notes; choose one to see both rows")
    at = picked(table, "conflicts")
    if at is None:
        return
    row = table.iloc[at]
    story(version, f"{row['source']}:{row['line']}")
    if row["matched_row_id"]:
        st.divider()
        story(version, str(row["matched_row_id"]))
