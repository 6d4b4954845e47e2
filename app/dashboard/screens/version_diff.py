"""Two versions: which rows one has and the other has not, which read otherwise now, and why."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

import pandas as pd
import streamlit as st

from app.dashboard.downloads import charted, tabled
from app.dashboard.links import chosen, numbered
from app.dashboard.place import versions
from app.dashboard.plain import plain
from curation.diff import EditedRow, VersionDiff
from curation.library import Version
from reports.tables import data as tables

_PAGE = 50


def show(version: Version) -> None:
    others = [other.name for other in versions() if other.name != version.name][::-1]
    if not others:
        st.info("There is one version so far. Change the data or recipe.yaml, then: curate build")
        return
    before = chosen(st, "compared with", others, "before", version.info.parent and _parent(version))
    found = _diff(before, version.name)
    changes = tables.changes(found)
    st.code(f"curate diff {before} {version.name}", language=None)
    if changes.empty:
        st.info("They hold the same rows, with the same texts, in the same splits.")
        return
    from reports.charts import data as charts  # where a chart is drawn: the first view has none

    charted(charts.changes(changes), changes, "changes")
    if settings := found.settings():
        st.subheader("Settings that differ")
        tabled(
            pd.DataFrame(
                [(n, str(a), str(b)) for n, (a, b) in settings.items()], columns=["setting", before, version.name]
            ),
            "settings",
        )
    st.subheader("Rows")
    kinds = [kind for kind in ("added", "removed", "edited", "moved") if found.count(kind)]
    kind = chosen(st, "change", kinds, "change")
    count = found.count(kind)
    pages = max(1, -(-count // _PAGE))
    number = numbered(st, f"page of {pages:,}", pages, "page")
    tabled(tables.changed_rows(found, kind, _PAGE, number), "changed rows")
    if kind == "edited":
        _edits(found, (number - 1) * _PAGE, min(_PAGE, count - (number - 1) * _PAGE))


def _edits(found: VersionDiff, start: int, count: int) -> None:
    """One edited row at a time, turn by turn."""
    place = numbered(st, "edited row on this page", count, "edit")
    edit: EditedRow = next(islice(found.edits(start + place), start + place - 1, None))
    st.text(f"{edit.line['source']}:{edit.line['line']}  {edit.line['why']}")
    for turn in edit.turns:
        left, right = st.columns(2)
        with left:
            plain(turn.before, f"turn {turn.number}, {turn.role}, before")
        with right:
            plain(turn.after, "after")
    if edit.fields:
        tabled(
            pd.DataFrame([(f.name, f.before, f.after) for f in edit.fields], columns=["field", "before", "after"]),
            "fields",
        )


def _parent(version: Version) -> str | None:
    return next((one.name for one in versions() if one.id == version.info.parent), None)


@lru_cache(maxsize=2)
def _diff(before: str, after: str) -> VersionDiff:
    known = {version.name: version for version in versions()}
    return known[before].diff(known[after])
