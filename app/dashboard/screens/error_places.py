"""Where tags are: by slice, and run after run."""

from __future__ import annotations

import streamlit as st

from app.dashboard.downloads import charted
from app.dashboard.links import chosen
from app.dashboard.place import evaluations, here, journal
from eval.folder import EvalFolder
from eval.taxonomy import load_taxonomy
from reports.charts import tags as charts
from reports.tables import slices as tables

_KINDS = {"by rules": "rule", "by people": "person"}
_MOST_TAGS = 6


def by_slice(folder: EvalFolder) -> None:
    st.subheader("Slices")
    taxonomy = load_taxonomy(here().root)
    found = {name: tables.by_slice(journal(), folder, taxonomy, kind) for name, kind in _KINDS.items()}
    fuller = max(found, key=lambda name: len(found[name]))
    table = found[chosen(st, "tags", list(_KINDS), "by", fuller)]
    if table.empty:
        st.info(
            "No slice to compare: items need fields of a few values each, and tags. Name fields under `slices` in the "
            "suite, and let rules look: curate autotag"
        )
        return
    st.caption(f"share of the outputs of a slice that have the tag (people: of random draws); {charts.STARRED}")
    charted(charts.heat_map(table), table, "slices")


def over_runs(folder: EvalFolder) -> None:
    """Evaluations that asked the same items, one a run, oldest first."""
    st.subheader("Over runs")
    exam = _exam(folder)
    alike = {one.of.name: one for one in evaluations() if _exam(one) == exam}
    if len(alike) < 2:
        st.info("One run so far was asked these items. Train another, then: curate eval")
        return
    table = tables.trend(journal(), list(alike.values()), load_taxonomy(here().root))
    if table.empty:
        st.info(
            "None of these runs has tags with a rate yet. In a terminal: curate autotag RUN, or review random draws"
        )
        return
    kind = table["kind"].mode()[0]
    part = table[table["kind"] == kind]
    highest = part.groupby("tag")["share"].max()
    often = highest[highest > 0].nlargest(_MOST_TAGS).index
    shown = part[part["tag"].isin(often)]
    if shown.empty:
        st.info("No output of these runs has a tag.")
        return
    whole = len(shown) == len(often) * table["run"].nunique()
    ends = "" if whole else "; a run without a point: nobody gave the tag there, or looked for it"
    who = "rules, of all outputs" if kind == "rule" else "people, of random draws"
    st.caption(f"{who}; the most frequent tags{ends}")
    charted(charts.trend(shown), table, "trend")


def _exam(folder: EvalFolder) -> object:
    asked = folder.run.settings.get("exam") or {}
    return asked.get("split"), folder.run.settings.get("suite")
