"""Every screen of the dashboard, with nothing there and with runs to look at; hostile text stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.workspace import Workspace, init_workspace
from eval.review.pairwise import Pairs
from tests.review_data import evaluation

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports

SCREENS = (
    "overview",
    "rows",
    "curves",
    "compare_view",
    "errors_view",
    "review",
    "pairwise",
    "agreement_view",
    "playground",
)
HOSTILE = "![x](http://x.example/a.png) <script>alert(1)</script> :red[x] $\\int$ \u202e"


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
def screen(here: Workspace) -> Callable[..., Any]:
    from streamlit.testing.v1 import AppTest

    def shown(name: str, **address: str) -> Any:
        text = f"from app.dashboard.screens import {name}\n{name}.show()\n"
        found = AppTest.from_string(text, default_timeout=60)
        for key, value in address.items():
            found.query_params[key] = value
        return found.run()

    return shown


def built(here: Workspace) -> None:
    from curation.library import build

    rows = [
        f'{{"question": "What is {i} and {i + 1}?", "answer": "It is number {i * 7} of the list."}}' for i in range(30)
    ]
    (here.root / "data" / "raw" / "a.jsonl").write_text("\n".join(rows) + "\n")
    build(here)


@pytest.mark.parametrize("name", SCREENS)
def test_an_empty_workspace_says_what_to_do(screen: Callable[..., Any], name: str) -> None:
    found = screen(name)
    assert not found.exception
    said = [*found.info, *found.warning]
    assert any("curate" in one.value for one in said)


@pytest.mark.parametrize("name", SCREENS)
def test_every_screen_draws_what_is_there(here: Workspace, screen: Callable[..., Any], name: str) -> None:
    built(here)
    experiments = run_place(here).experiments
    for output in (lambda i: f"answer {i % 9}", lambda i: HOSTILE if i == 0 else f"answer {i}"):
        evaluation(experiments, output, metrics={"exact_match": [1.0, 0.0] * 15, "rougeL": [0.5] * 30})
    found = screen(name)
    assert not found.exception
    assert not found.error or name == "compare_view"  # these evaluations have no exam; see test_dashboard_runs
    for sink in (*found.markdown, *found.caption, *found.info, *found.warning, *found.title, *found.subheader):
        assert "x.example" not in sink.value


def test_the_data_screen_filters_in_the_database(here: Workspace, screen: Callable[..., Any]) -> None:
    built(here)
    found = screen("rows")
    assert len(found.dataframe[0].value) == 30
    found.selectbox(key="verdict").select("quarantined").run()
    assert not found.exception
    assert len(found.dataframe) == 0
    assert any("No unit is like that" in one.value for one in found.info)


def test_pairs_are_judged_blind_and_counted(here: Workspace, screen: Callable[..., Any]) -> None:
    experiments = run_place(here).experiments
    evaluation(experiments, lambda i: f"answer {i}", items=4)
    evaluation(experiments, lambda i: "no", items=4)
    names = [f"experiment_00{number}/eval-1" for number in (2, 1)]
    found = screen("pairwise", first=names[0], second=names[1])
    assert [box.value for box in found.selectbox] == names  # the address names them
    found.text_input(key="author").set_value("ana").run()
    for _ in range(4):
        found.button[0].click().run()
        assert not found.exception
    assert any("All pairs are judged" in one.value for one in found.info)
    with open_journal(run_place(here).journal) as journal:
        given = tags(journal, kinds=("preference",))
        assert tags(journal, kinds=("person",)) == []  # a preference is no judgement of the output
    assert len(given) == 4
    assert {tag.value.split("|")[1] for tag in given} <= {"first-second", "second-first"}


def test_a_press_that_was_meant_for_another_pair_judges_none(here: Workspace, screen: Callable[..., Any]) -> None:
    experiments = run_place(here).experiments
    one, two = (evaluation(experiments, lambda i, said=said: f"{said} {i}", items=4) for said in ("a", "b"))  # type: ignore[misc]
    found = screen("pairwise", first=one.name, second=two.name)
    found.text_input(key="author").set_value("ana").run()
    with open_journal(run_place(here).journal) as journal:
        pairs = Pairs(one, two, journal, "ana")
        pair = pairs.next()
        assert pair is not None
        pairs.judge(pair, "tie")  # as a first of two quick presses does, before the page has shown the next pair
        found.button[0].click().run()
        assert not found.exception
        assert [tag.note for tag in tags(journal, kinds=("preference",))] == [pair.item_id]
        found.button[0].click().run()
        assert len(tags(journal, kinds=("preference",))) == 2


def test_the_last_pair_is_taken_back_by_one_more_event(here: Workspace, screen: Callable[..., Any]) -> None:
    experiments = run_place(here).experiments
    one, two = (evaluation(experiments, lambda i, said=said: f"{said} {i}", items=3) for said in ("a", "b"))  # type: ignore[misc]
    found = screen("pairwise", first=one.name, second=two.name)
    found.text_input(key="author").set_value("ana").run()
    assert found.button(key="pair undo").disabled
    first = found.button[0].key
    for _ in range(3):
        found.button[0].click().run()
    assert any("All pairs are judged" in box.value for box in found.info)
    for _ in range(3):
        found.button(key="pair undo").click().run()
        assert not found.exception
    assert found.button[0].key == first
    with open_journal(run_place(here).journal) as journal:
        assert tags(journal, kinds=("preference",)) == []
        assert len(journal.read("select id from tags where kind = 'preference'")) == 6


def test_what_nobody_may_look_at_yet_is_not_called_done(here: Workspace, screen: Callable[[str], Any]) -> None:
    experiments = run_place(here).experiments
    for _ in range(2):
        evaluation(experiments, items=3, split="test")
    for name, said in (("review", "of the test split alone"), ("pairwise", "share no item outside the test split")):
        found = screen(name)
        found.text_input(key="author").set_value("ana").run()
        assert not found.exception
        assert [said in one.value for one in found.info] == [True]
    for output in ("yes", "no"):
        evaluation(experiments, lambda _, output=output: output, items=3)  # type: ignore[misc]
    evaluation(experiments, items=3, split="test")
    for name in ("review", "pairwise"):  # the newest that can be looked at come first
        found = screen(name)
        found.text_input(key="author").set_value("ana").run()
        assert not found.exception
        assert not found.info


def test_what_the_page_sends_is_taken_once_and_only_in_its_form() -> None:
    from app.dashboard.labeller import events

    sent = [
        {"seq": 3, "id": "p3", "tags": ["tone"], "verdict": "", "note": "", "event": "c"},
        {"seq": 2, "id": "p2", "tags": [], "event": "b"},
        {"seq": 1, "id": "p1", "event": "a"},
        "nonsense",
        {"seq": "4"},
    ]
    assert [e.sequence for e in events(sent, 1)] == [2, 3]
    assert events(sent, 1)[1].judgement.tags == ("tone",)
    (skip,) = events([{"seq": 3, "id": "p3", "event": "e3", "skip": True}], 1)
    assert (skip.skip, skip.judgement.prediction_id, skip.judgement.event) == (True, "p3", "e3")
    assert events(None, 0) == events({"seq": 1}, 0) == []
    change = {"op": "A", "text": "a\ud800 => b"}
    broken = {"seq": 4, "id": "p4", "tags": 5, "note": "half \ud83d", "event": "\ud800", "rubrics": 1, "change": change}
    (one,) = events([broken], 3)
    assert (one.judgement.tags, one.judgement.note, one.judgement.event) == ((), "half ?", "?")
    assert one.proposal is not None
    assert one.proposal.question == "a?"


def test_a_cell_that_a_spreadsheet_would_run_is_guarded() -> None:
    from app.dashboard.plain import guarded

    assert guarded("=cmd()") == "'=cmd()"
    assert guarded("@x") == "'@x"
    assert guarded(" =cmd()") == "' =cmd()"
    assert guarded("\uff1dcmd()") == "'\uff1dcmd()"
    assert guarded("\n+1") == "'\n+1"
    assert guarded(-3) == -3
    assert guarded("plain") == "plain"


def test_headers_forbid_other_hosts() -> None:
    from app.dashboard.serve import POLICY

    rules = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert rules["frame-ancestors"] == "'none'"
    assert not any("http" in rule or "*" in rule for rule in rules.values())


def test_the_first_screens_wait_for_no_chart_and_no_metric() -> None:
    from benchmarks.first_screen import measure

    assert measure(1)["heavy"] == []
