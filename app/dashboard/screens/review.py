"""Review: one output after the other, by keyboard, blind to the run."""

from __future__ import annotations

import streamlit as st

from app.dashboard.labeller import events, labeller
from app.dashboard.place import evaluations, here, journal
from curation.errors import CurateError
from curation.store.tags import tags
from eval.review.flips import flips
from eval.review.frame import review_frame
from eval.review.queues import QUEUES, QueueSettings
from eval.review.session import Review
from eval.taxonomy import load_taxonomy


def show() -> None:
    st.title("Review")
    done = {one.name: one for one in evaluations()}
    if not done:
        st.info("Nothing to review yet. In a terminal: curate eval")
        return
    who, what, how = st.columns([1, 2, 1])
    author = who.text_input("your name", key="author", value=st.query_params.get("as", signed_in()))
    chosen = what.multiselect(
        "evaluations, mixed and never named", list(done), default=list(done)[-1:], key="evaluations"
    )
    queue = how.selectbox("queue", [name for name in QUEUES if name != "slice"], key="queue")
    if not author or not chosen:
        st.info("Say who you are, and choose an evaluation.")
        return
    try:
        review = _review(author, tuple(chosen), str(queue))
    except CurateError as error:
        st.error(str(error))
        return
    st.fragment(_panel)(review, author)  # drawn again by itself when the page sends events


def _panel(review: Review, author: str) -> None:
    state = st.session_state
    state.setdefault("acknowledged", 0)

    def stored() -> None:
        for event in events(state["labeller"].events, state["acknowledged"]):
            try:
                if event.undo:
                    review.undo()
                else:
                    review.judge(event.judgement)
            except CurateError as error:
                state["refused"] = str(error)
            state["acknowledged"] = event.sequence

    if "refused" in state:
        st.error(state.pop("refused"))
    progress = f"{review.done:,} of {len(review.frame):,} judged by {author}"
    ahead = review.ahead(40)
    labeller(ahead, review.taxonomy, state["acknowledged"], progress, _rules(review), stored)


def _review(author: str, names: tuple[str, ...], queue: str) -> Review:
    """This session's review; another name, choice or queue begins another."""
    asked = (author, names, queue)
    held = st.session_state.get("review")
    if held is None or held[0] != asked:
        folders = [one for one in evaluations() if one.name in names]
        settings = QueueSettings(queue)  # type: ignore[arg-type]
        taxonomy = load_taxonomy(here().root)
        made = Review(review_frame(folders), journal(), taxonomy, author, settings, flips=flips(folders))
        st.session_state["review"] = held = (asked, made)
        st.session_state["rules"] = _by_rules(made)
    found: Review = held[1]
    return found


def _by_rules(review: Review) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in set(review.frame.runs):
        for tag in tags(review.journal, run, kinds=("rule",)):
            found.setdefault(tag.prediction_id, []).append(tag.tag)
    return found


def _rules(review: Review) -> dict[str, list[str]]:
    held: dict[str, list[str]] = st.session_state.get("rules", {})
    return held


def signed_in() -> str:
    """The name of who is logged in (st.login, where the workspace's secrets configure it), else none."""
    user = getattr(st, "user", None)
    return str(user.get("name") or user.get("email") or "") if user and user.get("is_logged_in") else ""
