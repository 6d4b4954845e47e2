"""A chart with its table behind it, and the table as a file."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard.plain import guarded, shown


def charted(chart: Any, table: pd.DataFrame, name: str) -> None:
    """The chart; beneath it the table, and its download. A table without rows says so."""
    if table.empty:
        st.info("Nothing to draw yet.")
        return
    import altair as alt  # only where something is drawn: tables come without waiting for it

    if not isinstance(chart, alt.FacetChart):
        # As wide as the page, and as high as the chart says: axes and legends come on top, not out of the bars.
        chart = chart.properties(autosize={"type": "fit-x", "contains": "padding"})
        st.altair_chart(chart, key=f"chart {name}")
    else:
        st.altair_chart(chart, key=f"chart {name}", width="content")  # rows of charts have widths of their own
    with st.expander("table"):
        tabled(table, name)


def tabled(table: pd.DataFrame, name: str) -> None:
    """The table, and its download with cells that no spreadsheet runs."""
    st.dataframe(shown(table), hide_index=True, key=f"table {name}")
    download(table, name)


def picked(table: pd.DataFrame, name: str) -> int | None:
    """The table with rows to choose from; the place of the one that was chosen."""
    found = st.dataframe(
        shown(table), hide_index=True, key=f"table {name}", on_select="rerun", selection_mode="single-row"
    )
    download(table, name)
    rows = found["selection"]["rows"]
    return int(rows[0]) if rows and rows[0] < len(table) else None


def download(table: pd.DataFrame, name: str) -> None:
    text = table.map(guarded).to_csv(index=False)
    st.download_button("CSV", text, f"{name}.csv", "text/csv", key=f"csv {name}")
