"""One unit: its text, what each stage said, what it is tied to, and what would have kept it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from app.cli.render import Screen
from app.cli.why import lines
from app.dashboard.place import here
from app.dashboard.plain import plain, refused
from curation.errors import CurateError
from curation.library import Version
from curation.lookup import Row, Tables, find
from curation.store import open_store
from curation.why import Story, explain

_WIDE = 132  # characters a line


def story(version: Version, target: str) -> None:
    """The story of FILE:LINE, or of the row whose id begins so."""
    tables = _tables(version.id)
    try:
        places = find(tables, target, here().root)
    except CurateError as error:
        refused(error)
        return
    entry = tables.entry(places[0])
    kept = entry["verdict"] == "kept"
    st.subheader("Why")
    tried = kept or st.toggle("try what would have kept it (may take a while)", key="tried")
    with st.spinner("trying"):
        told = explain(tables, places[0], here().root, tried=tried)
    st.code("\n".join(lines(told, Screen(_WIDE))), language=None, wrap_lines=True)
    st.code(f"curate why {shlex.quote(target)} --version {version.name}", language=None)
    sides: Sequence[tuple[str, Row | None]] = (("this row", told.row), ("the row it matched", told.matched))
    _beside([(label, row) for label, row in sides if row is not None])
    if told.row is None:
        plain(told.raw, "as it stands in the source")
    _ties(told)


def _beside(rows: Sequence[tuple[str, Row]]) -> None:
    for column, (label, row) in zip(st.columns(max(1, len(rows))), rows, strict=False):
        with column:
            st.text(f"{label}: {row.where}, {row.fate}")
            if row.system:
                plain(row.system, "system")
            plain(row.prompt, "prompt")
            plain(row.answer, "answer")


def _ties(told: Story) -> None:
    if not told.ties:
        return
    with st.expander(f"tied to {len(told.ties)} rows, which stay in one split with it"):
        for tie in told.ties:
            st.text(f"{tie.row.where}, {tie.row.fate}, {tie.kind.replace('_', ' ')}")
            plain(f"{tie.row.prompt}\n-> {tie.row.answer}")


@lru_cache(maxsize=2)
def _tables(version: str) -> Tables:
    """The tables of a version, read once; a version never changes."""
    store = open_store(here().store_path)
    return Tables(store, store.resolve(version))
