"""Who is at the page: by login where the workspace configures one (st.login, OIDC), else by the name they give."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.dashboard.configured import SECRETS, files, providers
from app.dashboard.place import here
from app.dashboard.plain import plain, refused
from curation.errors import CurateError
from eval.review.names import reviewer_name


def signed_in() -> str:
    """The name of who is logged in; none where nobody is."""
    user = _user()
    return str(user.get("name") or user.get("email") or "") if user.get("is_logged_in") else ""


def require_login() -> None:
    """Where a login is configured, nothing is shown without one."""
    if not configured() or signed_in():
        return
    st.title("Curate")
    st.info("This dashboard asks who you are.")
    ways: list[str | None] = [*providers(st.secrets["auth"])]
    for name in ways or [None]:
        if st.button("log in" if name is None else f"log in with {name}", key=f"log in {name}"):
            st.login(name)
    st.stop()


def offer_logout(place: Any) -> None:
    """Who is logged in, and the way out."""
    if name := signed_in():
        place.caption("logged in")
        place.text(name)
        if place.button("log out"):
            st.logout()


def configured() -> bool:
    """Whether .streamlit/secrets.toml of the workspace names a way to log in, in [auth]."""
    return bool(files(here().root, SECRETS)) and "auth" in st.secrets


def author(place: Any, key: str = "author") -> str:
    """Under whose name judgements are stored, "" for none yet. Who is logged in cannot take another's."""
    name = signed_in()
    if name:
        with place:
            plain(name, "your name")
    else:
        name = str(place.text_input("your name", key=key, value=st.query_params.get("as", "")) or "")
    try:
        return reviewer_name(name) if name.strip() else ""
    except CurateError as error:
        refused(error)
        return ""


def _user() -> dict[str, Any]:
    user = getattr(st, "user", None)
    return dict(user) if user else {}
