"""Review: one output after the other, by keyboard, blind to the run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.dashboard import people
from app.dashboard.labeller import events, labeller
from app.dashboard.links import several
from app.dashboard.place import evaluations, here, journal
from app.dashboard.plain import plain
from curation.errors import CurateError, LeakError
from curation.store.tags import tags
from eval.folder import foremost
from eval.review.flips import flips
from eval.review.frame import nothing_to_review, review_frame, to_review
from eval.review.judgement import Judgement
from eval.review.proposals import Proposal, Proposed, TrainingData
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
    author = people.author(who)
    usual = foremost([one for one in done.values() if to_review(one)])
    names = [usual.name if usual else list(done)[-1]]
    chosen = several(what, "evaluations, mixed and never named", list(done), "evaluations", names)
    queue = str(how.selectbox("queue", QUEUES, key="queue"))
    part = how.text_input("slice", key="slice", placeholder="topic=pins") if queue == "slice" else ""
    with how.popover("how"):
        calibration = int(st.number_input("the same for all, first", 0, 1000, 0, key="calibration"))
        one_in = int(st.number_input("one in so many at random", 0, 1000, 5, key="one in"))
    if not author or not chosen:
        st.info("Say who you are, and choose an evaluation.")
        return
    try:
        settings = _settings(queue, part, calibration, one_in)
        review = _review(author, tuple(chosen), settings)
    except CurateError as error:
        st.error("This queue cannot be shown.")
        plain(str(error))
        return
    if not len(review.frame):
        st.info(nothing_to_review([done[name] for name in chosen]))
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
                    state.pop("leaks", None)
                elif event.skip:
                    review.skip(event.judgement.prediction_id, event.judgement.event)
                elif event.proposal:
                    state["made"] = review.change(event.judgement, event.proposal)
                else:
                    review.judge(event.judgement)
            except LeakError as error:
                if event.proposal:
                    state.setdefault("leaks", []).append((event.judgement, event.proposal, str(error)))
            except CurateError as error:
                state.setdefault("refused", []).append(str(error))
            state["acknowledged"] = event.sequence

    def asked() -> None:
        state["asked"] = str(state["labeller"].asked)

    _told(state)
    _spend(state, review)
    progress = f"{review.done:,} of {len(review.frame):,} judged by {author}"
    ahead = review.ahead(40)
    if not ahead:
        plain(review.nothing_left(), "Nothing more to review here:")
    wanted = [shown.prediction_id for shown in ahead if shown.prediction_id == state.get("asked")]
    near = {prediction: review.near(prediction) for prediction in wanted}
    labeller(ahead, review.taxonomy, state["acknowledged"], progress, _rules(review), near, stored, asked)


def _told(state: Any) -> None:
    """What became of the last change of the data; its text may hold data, so it is shown letter by letter."""
    if "refused" in state:
        st.error("Not done:")
        for refused in state.pop("refused"):
            plain(refused)
    if "made" in state:
        made: Proposed = state.pop("made")
        rows = f"{made.rows:,} row{'s' * (made.rows != 1)}"
        st.success(f"{made.patch}: {rows}, in the next build. Back: u, or curate patch drop {made.patch}")
        for warning in made.warnings:
            plain(warning, "warning")


def _spend(state: Any, review: Review) -> None:
    """A patch that was refused for the test's sake, one at a time: made only by a tick and a click, by no key."""
    leaks: list[tuple[Judgement, Proposal, str]] = state.get("leaks", [])
    if not leaks:
        return
    said, proposal, why = leaks[0]

    def settle(spend: bool) -> None:
        leaks.pop(0)
        if not spend:
            return
        try:
            state["made"] = review.change(said, proposal, allow_test=True)
        except CurateError as error:
            state.setdefault("refused", []).append(str(error))

    st.error("No patch was made:")
    plain(why)
    key = f"spend {said.event or said.prediction_id}"
    sure = st.checkbox("Spend this item: it leaves later headline scores.", key=key)
    do, leave, _ = st.columns([1, 1, 3])
    do.button("spend it and patch", key="do spend", disabled=not sure, on_click=settle, args=(True,))
    leave.button("leave it", key="leave it", on_click=settle, args=(False,))


def _settings(queue: str, part: str, calibration: int, one_in: int) -> QueueSettings:
    field, equals, value = part.partition("=")
    chosen = (field.strip(), value.strip()) if equals else None
    return QueueSettings(queue, one_in, calibration, slice=chosen)  # type: ignore[arg-type]


def _review(author: str, names: tuple[str, ...], settings: QueueSettings) -> Review:
    """This session's review; another name, choice or queue begins another."""
    asked = (author, names, settings)
    held = st.session_state.get("review")
    if held is None or held[0] != asked:
        folders = [one for one in evaluations() if one.name in names]
        taxonomy = load_taxonomy(here().root)
        frame = review_frame(folders, fields=[settings.slice[0]] if settings.slice else ())
        data = TrainingData(here(), taxonomy)
        flipped = flips(folders) if settings.queue == "flips" else None
        made = Review(frame, journal(), taxonomy, author, settings, flips=flipped, data=data)
        st.session_state["review"] = held = (asked, made)
        st.session_state["rules"] = _by_rules(made)
        st.session_state.pop("leaks", None)
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
