"""Text of models and data on the page: only through st.code, never as Markdown, with what hides made visible."""

from __future__ import annotations

import streamlit as st

from reports.visible import visible

_LONGEST = 20_000  # characters; what is longer is cut, and said so


def plain(text: str | None, label: str = "") -> None:
    """Show a text letter by letter."""
    if label:
        st.caption(label)
    if text is None:
        st.code("(no output)", language=None)
        return
    st.code(visible(text[:_LONGEST]) or "(empty)", language=None, wrap_lines=True)
    if len(text) > _LONGEST:
        st.caption(f"{len(text) - _LONGEST:,} more characters are not shown")


def guarded(value: object) -> object:
    """A cell for a CSV download: a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
