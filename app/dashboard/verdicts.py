"""The verdict of a comparison on the page: its sentence with a mark, then what it rests on, all letter by letter."""

from __future__ import annotations

from typing import Final

import streamlit as st

from eval.compare.comparison import Comparison, Headline
from reports.sections.verdict import lead, summary_of
from reports.visible import visible

_MARKS: Final = {
    "good": ":green-badge[better]",
    "bad": ":red-badge[worse]",
    "note": ":orange-badge[cannot tell]",
    "plain": ":gray-badge[same]",
}


def verdict(found: Comparison | Headline) -> None:
    """The sentence and its claim; of a whole comparison with the exam and the benchmarks."""
    first, *rest = lead(found) if isinstance(found, Headline) else summary_of(found)
    with st.container(border=True):
        st.markdown(_mark(found))
        st.text(visible(first.text))
        st.caption("what this rests on")
        for line in rest:
            st.text(visible(line.text))


def _mark(found: Comparison | Headline) -> str:
    said = found.primary.verdict
    tone = {"better": "good", "worse": "bad", "cannot tell": "note"}.get(said, "plain")
    return _MARKS[tone].replace("[same]", f"[{said}]") if tone == "plain" else _MARKS[tone]
