"""The screen Agreement: what people differ on is decided there; models are shown only beside people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import OK, Tag, add_tags, new_id
from curation.workspace import Workspace, init_workspace
from eval.review.adjudication import decide
from eval.review.frame import review_frame
from eval.review.judgement import Judgement
from eval.review.people import people
from eval.taxonomy import DEFAULT
from tests.review_data import evaluation

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports
RUN = "experiment_001"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    from app.dashboard import place

    made = init_workspace(tmp_path / "w")
    monkeypatch.setenv(place.VARIABLE, str(made.root))
    held: list[Any] = [place.here, place.journal, place._opened]
    for cached in held:
        cached.cache_clear()
    yield made
    for cached in held:
        cached.cache_clear()


@pytest.fixture
def screen(here: Workspace) -> Callable[[], Any]:
    from streamlit.testing.v1 import AppTest

    text = "from app.dashboard.screens import agreement_view\nagreement_view.show()\n"
    return lambda: AppTest.from_string(text, default_timeout=60).run()


@pytest.fixture
def journal(here: Workspace) -> Iterator[Journal]:
    with open_journal(run_place(here).journal) as opened:
        yield opened


def given(journal: Journal, predictions: list[str], author: str, bad: set[int], kind: Any = "person") -> None:
    add_tags(
        journal,
        [
            Tag(new_id(), p, RUN, "tone" if n in bad else OK, taxonomy="v1", author=author, kind=kind)
            for n, p in enumerate(predictions)
        ],
    )


def test_what_people_differ_on_is_decided_and_taken_back(
    here: Workspace, screen: Callable[[], Any], journal: Journal
) -> None:
    order = list(review_frame([evaluation(run_place(here).experiments)]).at)[:10]
    given(journal, order, "ana", {1, 2})
    given(journal, order, "bea", {2, 3})
    found = screen()
    assert [one.value for one in found.subheader][-1] == "To decide: 2"
    assert any("changes no data until it is decided" in one.value for one in found.warning)
    assert {"ana: tone", "bea: OK"} <= {one.value for one in found.text}
    found.multiselect(key=f"final tags {order[1]}").set_value(["tone"])
    found.text_input(key=f"final note {order[1]}").set_value("rude")
    found.button[-1].click().run()
    assert any("Not stored" in one.value for one in found.error)  # nobody said who decides
    found.text_input(key="decides").set_value("eva")
    found.multiselect(key=f"final tags {order[1]}").set_value(["tone"])
    (rubric,) = DEFAULT.rubrics
    found.selectbox(key=f"final {rubric} {order[1]}").set_value(DEFAULT.rubrics[rubric].levels[1])
    found.button[-1].click().run()
    assert not found.exception
    assert [one.value for one in found.subheader][-1] == "To decide: 1"
    decided = people(journal, DEFAULT).final[order[1]]
    assert (set(decided.tags), dict(decided.values)) == ({"tone"}, {rubric: DEFAULT.rubrics[rubric].levels[1]})
    found.button[-1].click().run()  # the name stands there still
    assert [one.value for one in found.subheader][-1] == "To decide: 0"
    assert {one.author for one in people(journal, DEFAULT).final.values()} == {"eva"}
    found.button(key="take back").click().run()
    assert [one.value for one in found.subheader][-1] == "To decide: 1"


def test_a_decision_reaches_the_output_on_screen_or_none(
    here: Workspace, screen: Callable[[], Any], journal: Journal
) -> None:
    frame = review_frame([evaluation(run_place(here).experiments)])
    order = list(frame.at)[:10]
    given(journal, order, "ana", {1, 2})
    given(journal, order, "bea", {2, 3})
    found = screen()
    found.text_input(key="decides").set_value("eva")
    found.multiselect(key=f"final tags {order[1]}").set_value(["tone"])
    decide(frame, journal, DEFAULT, "zoe", Judgement(order[1]))  # somebody else, while the form is filled in
    found.button[-1].click().run()
    assert not found.exception
    assert {p: one.author for p, one in people(journal, DEFAULT).final.items()} == {order[1]: "zoe"}
    assert [one.value for one in found.subheader][-1] == "To decide: 1"


def test_after_the_last_output_of_the_list_was_decided_the_one_before_is_shown(
    here: Workspace, screen: Callable[[], Any], journal: Journal
) -> None:
    frame = review_frame([evaluation(run_place(here).experiments)])
    order = list(frame.at)[:10]
    given(journal, order, "ana", {1, 2, 3, 4})
    given(journal, order, "bea", set())
    found = screen()
    found.number_input(key="disputed").set_value(4).run()
    assert found.multiselect(key=f"final tags {order[4]}").value == []
    decide(frame, journal, DEFAULT, "zoe", Judgement(order[4]))
    found.run()
    assert not found.exception
    assert found.number_input(key="disputed").value == 3
    assert found.multiselect(key=f"final tags {order[3]}").value == []
    for number in (1, 2, 3):
        decide(frame, journal, DEFAULT, "zoe", Judgement(order[number]))
    assert not found.run().exception
    assert [one.value for one in found.subheader][-1] == "To decide: 0"


def test_a_model_is_shown_only_beside_people(here: Workspace, screen: Callable[[], Any], journal: Journal) -> None:
    order = list(review_frame([evaluation(run_place(here).experiments)]).at)[:10]
    given(journal, order, "endpoint:judge", {1, 2}, "endpoint")
    found = screen()
    assert any("no person has judged any of their outputs" in one.value for one in found.info)
    assert not len(found.dataframe)
    given(journal, order, "ana", {1, 2, 3})
    found = screen()
    (table,) = (one.value for one in found.dataframe)
    assert table[["judge", "tag", "items", "by_people", "by_judge"]].values.tolist() == [
        ["endpoint:judge", "tone", 10, 3, 2]
    ]
