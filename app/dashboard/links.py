"""Widgets whose value stands in the address, so that a link leads to the very row, item or run that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def chosen(place: Any, label: str, options: Sequence[str], key: str, default: str | None = None) -> str:
    """A select box bound to the address; what a link names and is not there gives the default, or else the first."""
    if st.query_params.get(key) not in (None, *options):
        del st.query_params[key]
    index = options.index(default) if default in options else 0
    found = place.selectbox(label, options, index=index, key=key, bind="query-params")
    return str(found) if found in options else options[index]


def several(place: Any, label: str, options: Sequence[str], key: str, default: Sequence[str]) -> list[str]:
    """Several of the options, bound to the address; what a link names and is not there is left out."""
    asked = st.query_params.get_all(key)
    if asked and not set(asked) <= set(options):
        del st.query_params[key]
    found = place.multiselect(label, options, default=list(default), key=key, bind="query-params")
    return [str(one) for one in found if one in options]


def numbered(place: Any, label: str, most: int, key: str) -> int:
    """A number from 1 to `most`, bound to the address."""
    asked = st.query_params.get(key)
    if asked is not None and not (asked.isdecimal() and 1 <= int(asked) <= most):
        del st.query_params[key]
    if st.session_state.get(key, 1) > most:
        st.session_state[key] = 1
    return int(place.number_input(label, 1, max(1, most), key=key, bind="query-params"))


PAGES = "pages"  # in the session: url path -> page, put there by main.py


def link(page: str, label: str, **params: str) -> None:
    """A link to another screen, at the very thing; nothing where a screen stands alone."""
    pages = st.session_state.get(PAGES, {})
    if page in pages:
        st.page_link(pages[page], label=label, query_params=params)
