"""Playground: one prompt through base and adapter, side by side."""

from __future__ import annotations

import streamlit as st

from app.dashboard.place import place
from app.dashboard.plain import plain
from curation.errors import CurateError
from reports.tables import training


def show() -> None:
    st.title("Playground")
    runs = training.runs(place())
    runs = runs[(runs["kind"] == "training") & (runs["state"] == "done")]
    if runs.empty:
        st.info("No finished run yet. In a terminal: curate train")
        return
    name = st.selectbox("run", list(runs["run"])[::-1], key="run")
    system = st.text_area("system prompt", key="system", height=68)
    prompt = st.text_area("prompt", key="prompt")
    longest = int(st.number_input("tokens at most", 1, 2048, 128, key="longest"))
    if not st.button("answer", key="answer", disabled=not prompt.strip()):
        return
    try:
        from app.dashboard.answering import answers
    except ImportError:
        st.error('models need the extra: pip install "curate[eval]"')
        return
    try:
        with st.spinner("loading and answering"):
            said = answers(str(name), prompt, system or None, longest)
    except CurateError as error:
        st.error(str(error))
        return
    for column, (label, text) in zip(st.columns(2), said.items(), strict=True):
        with column:
            plain(text, label)
