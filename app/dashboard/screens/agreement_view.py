"""Agreement: how far reviewers agree, tag by tag, and the outputs on which they do not."""

from __future__ import annotations

from typing import Final

import streamlit as st

from app.dashboard.downloads import tabled
from app.dashboard.place import evaluations, here, journal
from app.dashboard.plain import plain
from curation.store.tags import tags
from eval.review.frame import review_frame
from eval.review.rates import judged
from eval.taxonomy import load_taxonomy
from reports.tables.tags import agreements, pairs, steadiness

THRESHOLD: Final = 0.6  # under it a tag is too unsure to change data by


def show() -> None:
    st.title("Agreement")
    taxonomy = load_taxonomy(here().root)
    table = agreements(journal(), taxonomy)
    steady = steadiness(journal(), taxonomy)
    if table.empty and steady.empty:
        st.info(
            "Nothing to compare yet: let two people review the same outputs (curate tag --calibration 20 --as NAME)."
        )
        return
    if not table.empty:
        alpha = table[table["coefficient"] == "alpha_nominal"]
        for row in alpha.itertuples():
            if not row.value >= THRESHOLD:
                st.warning(f"{row.tag}: alpha {row.value:.2f} is under {THRESHOLD}; agree on its definition first")
        tabled(table, "agreement")
        st.subheader("Pairs")
        tabled(pairs(journal(), taxonomy), "pairs")
    if not steady.empty:
        st.subheader("Second looks")
        st.caption("how often a person who saw an output again, unsaid, gave it the same tags")
        tabled(steady, "second looks")
    _disputed()


def _disputed() -> None:
    """Outputs whose judges say different things, side by side."""
    done = evaluations()
    if not done:
        return
    frame = review_frame(done)
    given = judged(tags(journal(), kinds=("person",)))
    disputed = [p for p, by in given.items() if p in frame.at and len({frozenset(held) for held in by.values()}) > 1]
    st.subheader(f"To adjudicate: {len(disputed):,}")
    if not disputed:
        return
    number = int(st.number_input("output", 1, len(disputed), 1, key="disputed"))
    shown = frame.shown(disputed[number - 1])
    for author, held in given[shown.prediction_id].items():
        st.text(f"{author}: {', '.join(sorted(held))}")
    plain("\n\n".join(f"{m['role']}: {m.get('content') or ''}" for m in shown.messages), "prompt")
    left, right = st.columns(2)
    with left:
        plain(shown.reference, "reference")
    with right:
        plain(shown.output, "output")
