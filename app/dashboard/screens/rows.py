"""Data: what came in, what became of it, and why; single rows with their history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.links import chosen
from app.dashboard.place import versions
from app.dashboard.screens import row_browse
from curation.library import Version


def show() -> None:
    st.title("Data")
    built = versions()
    if not built:
        st.info("Nothing was built yet. In a terminal: curate build")
        return
    left, right = st.columns([1, 3])
    name = chosen(left, "version", [v.name for v in built][::-1], "version")
    view = chosen(right, "show", list(VIEWS), "view")
    version = next(v for v in built if v.name == name)
    VIEWS[view](version)


def _account(version: Version) -> None:
    from reports.charts import data as charts  # where a chart is drawn: the first view has none
    from reports.tables import data as tables

    st.text(tables.leak_sentence(version))
    sources, reasons = tables.sources(version), tables.reasons(version)
    st.subheader("Units by source")
    charted(charts.sources(sources), sources, "sources")
    st.subheader("Why rows were quarantined, dropped or flagged")
    if reasons.empty:
        st.info("No stage dropped or flagged a row.")
    else:
        charted(charts.reasons(reasons), reasons, "reasons")
    st.subheader("Splits")
    tabled(tables.splits(version), "splits")


def _measured(version: Version) -> None:
    """Every number that decided about a row, beside the limit that it was held against."""
    from reports.charts import data as charts
    from reports.tables import data as tables

    st.caption("what stages measured of the rows that they dropped or flagged; the line is the limit in force")
    values = tables.measured(version)
    if values.empty:
        st.info("No stage measured anything about a row. The filters are in recipe.yaml, stage `filters`.")
    for number, (what, part) in enumerate(values.groupby("what", sort=False)):
        st.text(f"{what}: {int(part['rows'].sum()):,} rows")
        charted(charts.measured(part), part, f"measured {number}")
    st.subheader("Lengths")
    lengths = tables.lengths(version)
    charted(charts.lengths(lengths), lengths, "lengths")
    st.subheader("Languages of the answers")
    languages = tables.languages(version)
    if languages.empty:
        st.info("This build looked at no language; switch stage `language` on in recipe.yaml, then: curate build")
    else:
        charted(charts.languages(languages), languages, "languages")


def _clusters(version: Version) -> None:
    from app.dashboard.screens.row_groups import clusters

    clusters(version)


def _conflicts(version: Version) -> None:
    from app.dashboard.screens.row_groups import conflicts

    conflicts(version)


def _another(version: Version) -> None:
    from app.dashboard.screens.version_diff import show

    show(version)


VIEWS: Final[dict[str, Callable[[Version], None]]] = {
    "rows": row_browse.show,
    "what became of it": _account,
    "measured values": _measured,
    "clusters": _clusters,
    "conflicts": _conflicts,
    "another version": _another,
}
