"""Data: what came in, what became of it, and why; single rows with their history."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.place import here, versions
from app.dashboard.plain import plain
from curation.errors import CurateError
from curation.library import Version
from curation.store import open_store
from curation.store.sql import query
from reports.charts import data as charts
from reports.tables import data as tables

PAGE: Final = 50


def show() -> None:
    st.title("Data")
    built = versions()
    if not built:
        st.info("Nothing was built yet. In a terminal: curate build")
        return
    names = [v.name for v in built][::-1]
    asked = st.query_params.get("version")
    chosen = st.selectbox("version", names, index=names.index(asked) if asked in names else 0, key="version")
    version = next(v for v in built if v.name == chosen)
    st.write(tables.leak_sentence(version))
    browse, account, shapes = st.tabs(["rows", "what became of it", "languages and lengths"])
    with browse:
        _browse(version)
    with account:
        sources, reasons = tables.sources(version), tables.reasons(version)
        charted(charts.sources(sources), sources, "sources")
        charted(charts.reasons(reasons), reasons, "reasons")
        tabled(tables.splits(version), "splits")
    with shapes:
        languages, lengths = tables.languages(version), tables.lengths(version)
        charted(charts.languages(languages), languages, "languages")
        charted(charts.lengths(lengths), lengths, "lengths")


def _browse(version: Version) -> None:
    """One page of units at a time; the database does the filtering, and the page gets what it shows."""
    verdicts = ["kept", "dropped", "merged", "quarantined"]
    one, two, three, four = st.columns(4)
    verdict = one.selectbox("verdict", ["any", *verdicts], key="verdict")
    source = two.selectbox("source", ["any", *tables.sources(version)["source"]], key="source")
    reason = three.text_input("reason", key="reason", placeholder="near_duplicate")
    row = four.text_input("row id begins with", key="row", value=st.query_params.get("row", ""))
    page = int(st.number_input("page", 1, 1_000_000, 1, key="page"))
    text = sql(verdict, source, reason, row, page)
    try:
        table = query(open_store(here().store_path), text, version.name).to_pandas()
    except CurateError as error:
        st.error(str(error))
        return
    picked = st.dataframe(table, hide_index=True, key="browse", on_select="rerun", selection_mode="single-row")
    st.code(f'curate sql "{text}"', language=None, wrap_lines=True)
    chosen = picked["selection"]["rows"]
    if chosen:
        st.code(f"curate why {table.iloc[chosen[0]]['source']}:{table.iloc[chosen[0]]['line']}", language=None)
        plain(str(table.iloc[chosen[0]].to_dict()), "this unit")


def sql(verdict: str, source: str, reason: str, row: str, page: int) -> str:
    """The query of one page; every value stands in quotes of its own."""
    asked = [("verdict", verdict), ("source", source)]
    where = [f"{column} = {quoted(value)}" for column, value in asked if value != "any"]
    where += [f"reason = {quoted(reason)}"] if reason else []
    where += [f"cast(row_id as varchar) like {quoted(row + '%')}"] if row else []
    condition = f" where {' and '.join(where)}" if where else ""
    return (
        "select source, line, verdict, stage, reason, cast(row_id as varchar) as row_id from ledger"
        f"{condition} order by source, unit limit {PAGE} offset {(page - 1) * PAGE}"
    )


def quoted(value: str) -> str:
    """A text of SQL."""
    return "'" + value.replace("'", "''") + "'"
