"""A model as an annotator: strict about its replies, and seen only beside its agreement with people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import Tag, add_tags, new_id, tags
from curation.workspace import Workspace, init_workspace
from eval.endpoint import EndpointModel, Patience
from eval.review.beside_people import beside_people, hidden_judges
from eval.review.frame import Frame, review_frame
from eval.review.model_judge import MISSING, Unfit, judge_by_model, read_judgement
from eval.taxonomy import DEFAULT
from reports.tables.tags import agreements, tag_rates
from tests.chat_server import Reply, Script, chat_server, said
from tests.review_data import evaluation

RUN, JUDGE = "experiment_001", "endpoint:judge"
QUICK = Patience(timeout=5, attempts=1, pause=0.01, concurrency=2)


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "w")


@pytest.fixture
def frame(here: Workspace) -> Frame:
    return review_frame([evaluation(run_place(here).experiments, lambda i: "wrong" if i % 3 == 0 else f"answer {i}")])


@pytest.fixture
def journal(here: Workspace) -> Iterator[Journal]:
    with open_journal(run_place(here).journal) as opened:
        yield opened


def verdict(bad: bool) -> str:
    return json.dumps({"tags": ["wrong fact"] if bad else [], "verdict": "wrong" if bad else "correct"})


def honest(question: str, before: int, request: dict[str, Any]) -> Reply:
    return said(verdict(json.loads(question)["answer"] == "wrong"))


def judged(script: Script, frame: Frame, journal: Journal, count: int = 12) -> tuple[Any, list[dict[str, Any]]]:
    with chat_server(script) as server:
        endpoint = EndpointModel(server.url, "judge", patience=QUICK)
        return judge_by_model(endpoint, frame, journal, DEFAULT, list(frame.at)[:count]), server.requests


def by_people(journal: Journal, frame: Frame, bad: set[int], count: int = 12) -> None:
    for number, prediction in enumerate(list(frame.at)[:count]):
        value = ("verdict", "wrong" if number in bad else "correct")
        add_tags(journal, [Tag(new_id(), prediction, RUN, *value, taxonomy="v1", author="ana")])
        if number in bad:
            add_tags(journal, [Tag(new_id(), prediction, RUN, "wrong fact", taxonomy="v1", author="ana")])


def test_its_judgements_are_events_of_their_own_kind(frame: Frame, journal: Journal) -> None:
    found, requests = judged(honest, frame, journal)
    assert (found.author, found.asked, found.missing) == (JUDGE, 12, 0)
    events = tags(journal, RUN)
    assert {(e.author, e.kind) for e in events} == {(JUDGE, "endpoint")}
    assert sum(e.tag == "wrong fact" for e in events) == 4
    assert "made up: States something specific" in requests[0]["messages"][0]["content"]
    assert judged(honest, frame, journal)[0].asked == 0  # said twice


@pytest.mark.parametrize(
    "text",
    [
        "It is wrong.",
        '```json\n{"tags": [], "verdict": "correct"}\n```',
        '{"tags": ["nonsense"], "verdict": "wrong"}',
        '{"tags": [], "verdict": "fine"}',
        '{"tags": [], "verdict": ["wrong"]}',
        '{"tags": "tone", "verdict": "wrong"}',
        '{"tags": [[]], "verdict": "wrong"}',
        '{"tags": []}',
        '{"tags": [], "verdict": "correct", "sure": true}',
        "[]",
        "",
        None,
    ],
)
def test_only_the_form_that_was_asked_for_is_a_judgement(text: str | None) -> None:
    with pytest.raises(Unfit):
        read_judgement("p", text, DEFAULT)


def test_nonsense_is_asked_again_and_then_recorded_as_missing(frame: Frame, journal: Journal) -> None:
    def script(question: str, before: int, request: dict[str, Any]) -> Reply:
        asked = json.loads(request["messages"][1]["content"])
        number = int(asked["question"][0]["content"].split()[-1])
        if number == 1:
            return said("I think that it is fine.")
        if number == 2 and len(request["messages"]) < 4:
            return said('{"tags": ["wrng fact"], "verdict": "wrong"}')
        return said(verdict(asked["answer"] == "wrong"))

    found, requests = judged(script, frame, journal)
    assert (found.asked, found.missing, found.why) == (12, 1, "it is not a JSON object alone")
    (missing,) = [e for e in tags(journal, RUN) if e.tag == MISSING]
    assert (missing.prediction_id, missing.note) == (list(frame.at)[1], "it is not a JSON object alone")
    assert len(requests) == 12 + 2 + 1
    assert (
        "tags is not a list of names" in requests[-1]["messages"][-1]["content"] or len(requests[-1]["messages"]) == 6
    )
    assert judged(honest, frame, journal)[0].asked == 1  # what was missing is asked for again


def test_it_counts_in_no_rate_and_no_agreement_of_people(frame: Frame, journal: Journal) -> None:
    judged(honest, frame, journal)
    assert tag_rates(journal, RUN, list(frame.at), DEFAULT).empty
    by_people(journal, frame, {0, 1})
    assert agreements(journal, DEFAULT).empty
    assert tag_rates(journal, RUN, list(frame.at), DEFAULT)["counted"].tolist() == [2]


def test_without_people_it_is_not_shown(frame: Frame, journal: Journal) -> None:
    judged(honest, frame, journal)
    assert beside_people(journal, DEFAULT) == []
    assert hidden_judges(journal, DEFAULT) == [JUDGE]


def test_beside_people_it_has_kappa_with_an_interval(frame: Frame, journal: Journal) -> None:
    judged(honest, frame, journal, count=30)
    by_people(journal, frame, {0, 3, 6, 7})  # it says 0, 3, 6, 9
    tag, verdicts = beside_people(journal, DEFAULT)
    assert (tag.tag, tag.items, tag.by_people, tag.by_judge, tag.given, tag.judged) == ("wrong fact", 12, 4, 4, 10, 30)
    assert tag.value == pytest.approx((10 / 12 - 5 / 9) / (1 - 5 / 9))  # 3 and 7 of 12 alike, by chance 5 of 9
    assert tag.low < tag.value < tag.high
    assert tag.among_people != tag.among_people  # one person agrees with nobody
    assert (verdicts.tag, verdicts.items, verdicts.by_people, verdicts.by_judge) == ("verdict", 12, 8, 8)
    assert hidden_judges(journal, DEFAULT) == []


def test_the_command(here: Workspace, frame: Frame, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    with chat_server(honest) as server:
        words = ["-C", str(here.root), "tag", "--endpoint", server.url, "--model", "judge", "--limit", "12"]
        assert main(words) == 0
        assert "not shown: no person has judged any of these outputs" in capsys.readouterr().out
        by_people(journal, frame, {0, 3, 6, 7})
        assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["tag"] for row in told["beside_people"]] == ["wrong fact", "verdict"]
    assert main(["-C", str(here.root), "tag", "--endpoint", "http://localhost:1/v1"]) == 2
    assert main([*words, "--adjudicate"]) == 2
