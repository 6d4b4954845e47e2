"""Pairwise: which of two outputs is better, blind and in random order."""

from __future__ import annotations

import streamlit as st

from app.dashboard import people
from app.dashboard.downloads import tabled
from app.dashboard.links import chosen
from app.dashboard.place import evaluations, journal
from app.dashboard.plain import asked, plain, refused
from curation.errors import CurateError
from eval.folder import EvalFolder
from eval.review.frame import to_review
from eval.review.pairwise import CHOICES, Pair, Pairs, no_pairs, outcome, raters_agree, same_outputs


def show() -> None:
    st.title("Pairwise")
    done = {one.name: one for one in evaluations()}
    if len(done) < 2:
        st.info("Two evaluations are needed. In a terminal: curate eval base, curate eval")
        return
    names = list(done)[::-1]
    who, one, two = st.columns(3)
    author = people.author(who)
    before, newest = _usual(list(done.values()))
    first = chosen(one, "one", names, "first", before.name)
    second = chosen(two, "other", names, "second", newest.name)
    if first == second or not author:
        st.info("Say who you are, and choose two evaluations.")
        return
    pairs = _pairs(done[first], done[second], author)
    left = pairs.next()
    if not pairs.total:
        st.info(no_pairs(done[first], done[second]))
    elif left is None:
        st.info("All pairs are judged.")
        _undo(pairs)
    else:
        asked(left.messages)
        plain(left.reference, "reference")
        columns = st.columns(2)
        for column, (label, text) in zip(columns, [("A", left.a), ("B", left.b)], strict=True):
            with column:
                plain(text, label)
        for column, (key, choice) in zip(st.columns(len(CHOICES)), CHOICES.items(), strict=True):
            # The key names the pair: a press that was meant for the one before finds no button, and judges nothing.
            if column.button(choice, key=f"pair {key} {left.item_id}", shortcut=key):
                _judged(pairs, left, choice)
        _undo(pairs)
    if pairs.total and (same := same_outputs(done[first], done[second])):
        st.caption(same)
    if "refused" in st.session_state:
        refused(st.session_state.pop("refused"))
    with st.expander("result so far (shows which is which)"):
        tabled(outcome(journal(), done[first], done[second]), "pairwise")
        agree = raters_agree(journal(), done[first], done[second])
        if not agree.empty:
            st.caption("how far those who judged the same pairs prefer the same")
            tabled(agree, "raters")


def _usual(done: list[EvalFolder]) -> tuple[EvalFolder, EvalFolder]:
    """The newest that can be reviewed, and the one before it: of another version, where there is one."""
    known = [one for one in done if to_review(one)]
    *others, newest = known if len(known) > 1 else done
    version = newest.run.version
    return max(reversed(others), key=lambda one: one.run.version != version), newest


def _pairs(first: EvalFolder, second: EvalFolder, author: str) -> Pairs:
    """This session's pairs, which know what it may take back; another name or choice begins anew."""
    wanted = (first.name, second.name, author)
    held = st.session_state.get("pairs")
    if held is None or held[0] != wanted:
        st.session_state["pairs"] = held = (wanted, Pairs(first, second, journal(), author))
    found: Pairs = held[1]
    return found


def _undo(pairs: Pairs) -> None:
    """As in Review: u takes the last one of this session back, and its pair comes again."""
    if not st.button("undo", key="pair undo", shortcut="u", disabled=not pairs.judged):
        return
    try:
        pairs.undo()
    except CurateError as error:
        st.session_state["refused"] = str(error)
    st.rerun()


def _judged(pairs: Pairs, pair: Pair, choice: str) -> None:
    try:
        pairs.judge(pair, choice)
    except CurateError as error:
        st.session_state["refused"] = str(error)
    st.rerun()
