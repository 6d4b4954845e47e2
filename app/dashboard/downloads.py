"""A chart with its table behind it, and the table as a file."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard.plain import guarded


def charted(chart: Any, table: pd.DataFrame, name: str) -> None:
    """The chart; beneath it the table, and its download. A table without rows says so."""
    if table.empty:
        st.info("Nothing to draw yet.")
        return
    st.altair_chart(chart, key=f"chart {name}")
    with st.expander("table"):
        tabled(table, name)


def tabled(table: pd.DataFrame, name: str) -> None:
    """The table, and its download with cells that no spreadsheet runs."""
    st.dataframe(table, hide_index=True, key=f"table {name}")
    text = table.map(guarded).to_csv(index=False)
    st.download_button("CSV", text, f"{name}.csv", "text/csv", key=f"csv {name}")
