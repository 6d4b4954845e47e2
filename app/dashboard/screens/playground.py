"""Playground: one prompt through base and adapter, side by side, under one system prompt or several."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.dashboard.links import chosen
from app.dashboard.place import place
from app.dashboard.plain import plain, refused
from curation.errors import CurateError
from eval.playground import keep_answer
from reports.tables import training

if TYPE_CHECKING:
    from eval.generation import Generated

_BETWEEN = "---"
_MOST = 4


def show() -> None:
    st.title("Playground")
    runs = training.runs(place())
    runs = runs[(runs["kind"] == "training") & (runs["state"] == "done")]
    if runs.empty:
        st.info("No finished run yet. In a terminal: curate train")
        return
    if find_spec("torch") is None or find_spec("transformers") is None:
        st.info('Models need the extra: pip install "curate[eval]"')
        return
    name = chosen(st, "run", list(runs["run"])[::-1], "run")
    told = f"system prompt; up to {_MOST} to try beside each other, with a line {_BETWEEN} between them"
    systems = variants(st.text_area(told, key="system", height=96))
    prompt = st.text_area("prompt", key="prompt")
    longest = int(st.number_input("tokens at most", 1, 2048, 128, key="longest"))
    # Never disabled: what was typed last arrives with the click, which a disabled button would swallow.
    if st.button("answer", key="answer"):
        if prompt.strip():
            _answer(name, prompt, systems, longest)
        else:
            st.info("Write a prompt first.")
    _said()


def variants(text: str) -> list[str]:
    """The system prompts in the text; one empty one where there is none."""
    parts = [part.strip() for part in f"\n{text}\n".split(f"\n{_BETWEEN}\n")]
    return parts[:_MOST]


def _answer(name: str, prompt: str, systems: list[str], longest: int) -> None:
    from app.dashboard.answering import answers

    said: list[tuple[str, str, dict[str, Generated]]] = []
    try:
        with st.spinner("loading and answering"):
            for system in systems:
                said.append((system, prompt, answers(name, prompt, system or None, longest)))
    except CurateError as error:
        refused(error)
    st.session_state["said"] = said


def _said() -> None:
    """What was answered last; each answer can be kept."""
    for number, (system, prompt, answers) in enumerate(st.session_state.get("said", [])):
        if system:
            plain(system, "system prompt")
        messages = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": prompt}]
        for column, (model, answer) in zip(st.columns(2), answers.items(), strict=False):
            with column:
                plain(answer.text, f"{model}: {answer.tokens} tokens, {answer.finish_reason}")
                _keep(f"{number} {model}", model, messages, answer)


def _keep(key: str, model: str, messages: list[dict[str, Any]], answer: Generated) -> None:
    if st.button("keep it, to be tagged", key=f"keep {key}"):
        try:
            kept = keep_answer(place(), model, messages, answer.as_json())
        except CurateError as error:
            refused(error)
            return
        st.success(f"Kept as prediction {kept}; screen Review offers it under the playground's run.")
