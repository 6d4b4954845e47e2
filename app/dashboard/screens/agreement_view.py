"""Agreement: how far reviewers agree, tag by tag; models beside them; and the outputs to decide about."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.dashboard.downloads import tabled
from app.dashboard.people import author
from app.dashboard.place import evaluations, here, journal
from app.dashboard.plain import asked, plain
from curation.errors import CurateError
from eval.review.adjudication import decide, take_back, to_decide
from eval.review.beside_people import hidden_judges
from eval.review.frame import Frame, Shown, review_frame
from eval.review.judgement import Judgement
from eval.review.people import People, people
from eval.taxonomy import VERDICTS, Taxonomy, load_taxonomy
from reports.tables.tags import agreements, judges, pairs, steadiness, weak
from reports.visible import visible


def show() -> None:
    st.title("Agreement")
    taxonomy = load_taxonomy(here().root)
    table = agreements(journal(), taxonomy)
    steady = steadiness(journal(), taxonomy)
    if table.empty and steady.empty:
        st.info(
            "Nothing to compare yet: let two people review the same outputs (curate tag --calibration 20 --as NAME)."
        )
    if not table.empty:
        under = [f"{row.value:6.2f}  {row.tag}" for row in weak(table, taxonomy.agreement).itertuples()]
        if under:
            st.warning(f"Alpha under {taxonomy.agreement:g}: what has these tags changes no data until it is decided.")
            st.code("\n".join(under), language=None)
        tabled(table, "agreement")
        st.subheader("Pairs")
        tabled(pairs(journal(), taxonomy), "pairs")
    if not steady.empty:
        st.subheader("Second looks")
        st.caption("how often a person who saw an output again, unsaid, said the same of it")
        tabled(steady, "second looks")
    _models(judges(journal(), taxonomy), taxonomy)
    _decisions(taxonomy)


def _models(table: pd.DataFrame, taxonomy: Taxonomy) -> None:
    """What models said, beside people and never alone."""
    hidden = hidden_judges(journal(), taxonomy)
    if table.empty and not hidden:
        return
    st.subheader("Models that judge")
    st.caption("agreement with people: Cohen's kappa, of verdicts alpha; what they said counts in no rate and no patch")
    if not table.empty:
        tabled(table, "models")
    if hidden:
        st.info("Not shown, for no person has judged any of their outputs: curate tag --as NAME")
        st.code("\n".join(hidden), language=None)


def _decisions(taxonomy: Taxonomy) -> None:
    """Outputs whose judges say different things, side by side, and who decides."""
    done = evaluations()
    if not done:
        return
    frame = review_frame(done)
    todo = to_decide(frame, journal(), taxonomy)
    st.subheader(f"To decide: {len(todo):,}")
    if "decided" in st.session_state and st.button("take the last decision back", key="take back"):
        take_back(journal(), *st.session_state.pop("decided"))
        st.rerun()
    if not todo:
        return
    if st.session_state.get("disputed", 1) > len(todo):  # the last one was decided, here or by somebody else
        st.session_state["disputed"] = len(todo)
    number = int(st.number_input("output", 1, len(todo), key="disputed"))
    shown = frame.shown(todo[number - 1])
    _opinions(people(journal(), taxonomy), shown)
    asked(shown.messages)
    left, right = st.columns(2)
    with left:
        plain(shown.reference, "reference")
    with right:
        plain(shown.output, "output")
    _decide(frame, shown, taxonomy)


def _opinions(said: People, shown: Shown) -> None:
    for who, held in said.given[shown.prediction_id].items():
        values = said.values.get(shown.prediction_id, {}).get(who, {})
        st.text(visible(f"{who}: {', '.join([*sorted(held), *(f'{k} {v}' for k, v in values.items())])}"))


def _decide(frame: Frame, shown: Shown, taxonomy: Taxonomy) -> None:
    # The form's keys name the output: what was filled in for another one, decided meanwhile, decides nothing.
    of = shown.prediction_id
    name = author(st.container(), "decides")  # outside the form: who decides stays from output to output
    with st.form(f"decide {of}", clear_on_submit=True):
        tags = st.multiselect("tags; none: OK", list(taxonomy.tags), key=f"final tags {of}")
        verdict = st.selectbox("verdict", ["", *VERDICTS], key=f"final verdict {of}")
        given = {n: st.selectbox(n, ["", *one.levels], key=f"final {n} {of}") for n, one in taxonomy.rubrics.items()}
        note = st.text_input("why", key=f"final note {of}")
        if not st.form_submit_button("decide"):
            return
    rubrics = tuple((name, str(level)) for name, level in given.items() if level)
    said = Judgement(shown.prediction_id, tuple(tags), str(verdict or ""), note, rubrics)
    try:
        decide(frame, journal(), taxonomy, name, said)
    except CurateError as error:
        st.error("Not stored:")
        plain(str(error))
        return
    st.session_state["decided"] = (name, shown.prediction_id)
    st.rerun()
