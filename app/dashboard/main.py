"""What Streamlit runs: the screens of the dashboard, by name in the address."""

from __future__ import annotations

import streamlit as st

from app.dashboard.links import PAGES
from app.dashboard.place import here
from app.dashboard.screens import (
    agreement_view,
    compare_view,
    curves,
    errors_view,
    overview,
    pairwise,
    playground,
    review,
    rows,
)

st.set_page_config(page_title="Curate", layout="wide")
pages = {
    "": st.Page(overview.show, title="Overview", default=True),
    "rows": st.Page(rows.show, title="Data", url_path="rows"),
    "training": st.Page(curves.show, title="Training", url_path="training"),
    "compare": st.Page(compare_view.show, title="Compare", url_path="compare"),
    "errors": st.Page(errors_view.show, title="Errors", url_path="errors"),
    "review": st.Page(review.show, title="Review", url_path="review"),
    "pairwise": st.Page(pairwise.show, title="Pairwise", url_path="pairwise"),
    "agreement": st.Page(agreement_view.show, title="Agreement", url_path="agreement"),
    "playground": st.Page(playground.show, title="Playground", url_path="playground"),
}
st.session_state[PAGES] = pages
st.navigation(list(pages.values())).run()
st.sidebar.caption("workspace")
st.sidebar.code(str(here().root), language=None, wrap_lines=True)
