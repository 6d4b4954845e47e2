"""What Streamlit runs: the screens of the dashboard, by name in the address."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import streamlit as st

from app.dashboard.links import PAGES
from app.dashboard.people import offer_logout, require_login
from app.dashboard.place import here

# Less empty space; and without the download of Streamlit's tables, which guards no formula: ours stands beneath each.
STYLE = (
    ".stMainBlockContainer { padding-top: 3rem; padding-bottom: 3rem; } "
    "button[aria-label='Download as CSV'] { display: none !important; }"
)
# url path -> title, module in screens/
SCREENS = {
    "": ("Overview", "overview"),
    "rows": ("Data", "rows"),
    "training": ("Training", "curves"),
    "compare": ("Compare", "compare_view"),
    "errors": ("Errors", "errors_view"),
    "review": ("Review", "review"),
    "pairwise": ("Pairwise", "pairwise"),
    "agreement": ("Agreement", "agreement_view"),
    "playground": ("Playground", "playground"),
}


def _shown(module: str) -> Callable[[], None]:
    """The screen, whose module is loaded when it is shown for the first time: the first page waits for no other."""

    def show() -> None:
        import_module(f"app.dashboard.screens.{module}").show()

    return show


st.set_page_config(page_title="Curate", layout="wide")
st.html(f"<style>{STYLE}</style>")
pages = {
    path: st.Page(_shown(module), title=title, url_path=path, default=not path)
    for path, (title, module) in SCREENS.items()
}
st.session_state[PAGES] = pages
require_login()
st.navigation(list(pages.values())).run()
st.sidebar.caption("workspace")
st.sidebar.text(here().root.name)
offer_logout(st.sidebar)
