"""Deciding where people differ, and the gate: what people do not agree on changes no data."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.cli import main
from curation.errors import ConfigError, DataError
from curation.store.journal import Journal
from curation.store.tags import OK, Tag, add_tags, new_id, tags, undo
from curation.workspace import Workspace
from eval.review.adjudication import decide, take_back, to_decide
from eval.review.frame import Frame
from eval.review.gate import require_agreement
from eval.review.judgement import Judgement
from eval.review.people import people
from eval.taxonomy import DEFAULT, load_taxonomy, save_taxonomy
from reports.tables.tags import agreements, tag_rates, weak

RUN = "experiment_001"


def said(journal: Journal, frame: Frame, by: Mapping[str, set[int]], tag: str = "tone", n: int = 20) -> dict[str, Tag]:
    """Each author judges the first n outputs; `by`: those to which they gave the tag. The events that gave it."""
    found = {}
    for author, having in by.items():
        for number, prediction in enumerate(list(frame.at)[:n]):
            event = Tag(new_id(), prediction, RUN, tag if number in having else OK, taxonomy="v1", author=author)
            add_tags(journal, [event])
            if number in having:
                found[f"{author} {number}"] = event
    return found


def test_a_tag_on_which_people_agree_may_change_data(journal: Journal, frame: Frame) -> None:
    given = said(journal, frame, {"ana": {1, 2, 3}, "bea": {1, 2, 3}})
    assert require_agreement(journal, DEFAULT, [e.id for e in given.values()]) == []


def test_a_tag_on_which_they_do_not_is_refused_and_its_outputs_named(journal: Journal, frame: Frame) -> None:
    given = said(journal, frame, {"ana": {1, 2, 3}, "bea": {7, 8}})
    with pytest.raises(DataError) as refused:
        require_agreement(journal, DEFAULT, [given["ana 1"].id, given["ana 2"].id])
    outputs = ",".join(list(frame.at)[1:3])
    assert f"decide about its 2 outputs first: curate tag {RUN} --adjudicate --outputs {outputs}" in str(refused.value)
    assert "(20 outputs, 2 people), under 0.6" in str(refused.value)
    assert require_agreement(journal, replace(DEFAULT, agreement=0.0), []) == []


def test_what_was_decided_passes_and_what_was_decided_otherwise_does_not(journal: Journal, frame: Frame) -> None:
    given = said(journal, frame, {"ana": {1, 2, 3}, "bea": {7, 8}})
    first, second = (given[f"ana {i}"] for i in (1, 2))
    decide(frame, journal, DEFAULT, "eva", Judgement(first.prediction_id, ("tone",)))
    assert require_agreement(journal, DEFAULT, [first.id]) == []
    decide(frame, journal, DEFAULT, "eva", Judgement(second.prediction_id))
    with pytest.raises(DataError, match='"tone" is not what eva decided about output'):
        require_agreement(journal, DEFAULT, [second.id])
    assert people(journal, DEFAULT).deserved()[second.prediction_id] == {OK}
    assert first.prediction_id not in to_decide(frame, journal, DEFAULT)


def test_the_threshold_is_the_taxonomys(here: Workspace, journal: Journal, frame: Frame) -> None:
    given = said(journal, frame, {"ana": {1, 2, 3}, "bea": {1, 2, 8}})
    alpha = people(journal, DEFAULT).agreement("tone").value
    assert 0.6 < alpha < 0.9
    assert require_agreement(journal, DEFAULT, [given["ana 1"].id]) == []
    save_taxonomy(here.root, replace(DEFAULT, agreement=0.9))
    with pytest.raises(DataError, match=r"under 0\.9"):
        require_agreement(journal, load_taxonomy(here.root), [given["ana 1"].id])


def test_one_annotator_is_warned_and_not_stopped(journal: Journal, frame: Frame) -> None:
    given = said(journal, frame, {"ana": {1, 2, 3}})
    (warning,) = require_agreement(journal, DEFAULT, [given["ana 1"].id])
    assert warning.startswith('nobody else judged outputs that were judged for "tone", so it is one opinion; ')
    assert warning.endswith("; ana was shown none of them twice")
    said(journal, frame, {"ana#2": {1, 2}}, n=4)
    (warning,) = require_agreement(journal, DEFAULT, [given["ana 1"].id])
    assert warning.endswith("ana said the same of 3 of 4 outputs that were shown again")


def test_verdicts_are_gated_by_their_order(journal: Journal, frame: Frame) -> None:
    events = []
    for author, shift in (("ana", 0), ("bea", 1)):
        for number, prediction in enumerate(list(frame.at)[:12]):
            value = ("correct", "partly", "wrong")[(number + shift) % 3]
            events.append(Tag(new_id(), prediction, RUN, "verdict", value, taxonomy="v1", author=author))
    add_tags(journal, events)
    with pytest.raises(DataError, match='people agree on "verdict" by alpha -'):
        require_agreement(journal, DEFAULT, [events[0].id])
    decide(frame, journal, DEFAULT, "eva", Judgement(events[0].prediction_id, verdict="correct"))
    assert require_agreement(journal, DEFAULT, [events[0].id]) == []
    decide(frame, journal, DEFAULT, "eva", Judgement(events[0].prediction_id, verdict="wrong"))
    with pytest.raises(DataError, match="not what eva decided"):
        require_agreement(journal, DEFAULT, [events[0].id])
    table = agreements(journal, DEFAULT)
    assert table[["tag", "coefficient"]].values.tolist() == [["verdict", "alpha_ordinal"]]
    assert weak(table, 0.6)["tag"].tolist() == ["verdict"]


def test_tags_of_rules_pass_those_of_endpoints_and_those_taken_back_do_not(journal: Journal, frame: Frame) -> None:
    prediction = next(iter(frame.at))
    rule = Tag(new_id(), prediction, RUN, "empty", author="rules", kind="rule", rule="empty/1")
    model = Tag(new_id(), prediction, RUN, "tone", author="endpoint:judge", kind="endpoint")
    own = Tag(new_id(), prediction, RUN, "tone", taxonomy="v1", author="ana")
    add_tags(journal, [rule, model, own])
    assert require_agreement(journal, DEFAULT, [rule.id, "no event"]) == []
    with pytest.raises(DataError, match="a model's tags change no data"):
        require_agreement(journal, DEFAULT, [model.id])
    undo(journal, own)
    with pytest.raises(ConfigError, match="was taken back by ana"):
        require_agreement(journal, DEFAULT, [own.id])


def test_a_decision_is_an_event_that_can_be_taken_back(journal: Journal, frame: Frame) -> None:
    said(journal, frame, {"ana": {1, 2, 3}, "bea": {7, 8}})
    prediction = list(frame.at)[1]
    one = Judgement(prediction, ("tone",), note="rude", event="e1")
    decide(frame, journal, DEFAULT, "eva", one)
    decide(frame, journal, DEFAULT, "eva", one)  # sent twice
    (event,) = [e for e in tags(journal, kinds=("final",)) if e.tag == "tone"]
    assert (event.author, event.prediction_id, event.run) == ("eva", prediction, RUN)
    assert event.time
    decide(frame, journal, DEFAULT, "dan", Judgement(prediction))
    assert people(journal, DEFAULT).final[prediction].author == "dan"
    assert take_back(journal, "dan", prediction)
    assert people(journal, DEFAULT).final[prediction].tags == {"tone"}
    assert take_back(journal, "eva", prediction)
    assert not take_back(journal, "eva", prediction)
    assert prediction in to_decide(frame, journal, DEFAULT)
    with pytest.raises(ConfigError, match="is not a tag"):
        decide(frame, journal, DEFAULT, "eva", Judgement(prediction, ("nonsense",)))


def test_what_was_decided_counts_in_the_rates(journal: Journal, frame: Frame) -> None:
    said(journal, frame, {"ana": {1}, "bea": {1}})
    assert tag_rates(journal, RUN, [], DEFAULT, whole_run=True)["counted"].tolist() == [1]
    decide(frame, journal, DEFAULT, "eva", Judgement(list(frame.at)[5], ("tone",)))
    assert tag_rates(journal, RUN, [], DEFAULT, whole_run=True)["counted"].tolist() == [2]


def test_the_terminal_decides(here: Workspace, journal: Journal, frame: Frame, monkeypatch: pytest.MonkeyPatch,
                              capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    said(journal, frame, {"ana": {1, 2, 3}, "bea": {1, 7}})
    words = ["-C", str(here.root), "tag", "--adjudicate", "--as", "eva", "--json"]
    monkeypatch.setattr("sys.stdin", io.StringIO("a n rude\nu\na3\nz\no\nq\n"))
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"decided": 2, "disputed": 1}
    assert "ana: tone" in err
    assert "bea: OK" in err
    assert '"z" is no key here' in err
    found = {p: (set(d.tags), dict(d.values)) for p, d in people(journal, DEFAULT).final.items()}
    order = list(frame.at)
    assert found == {order[2]: ({"tone"}, {"verdict": "wrong"}), order[3]: ({OK}, {})}
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert main([*words, "--outputs", order[9]]) == 0
    assert people(journal, DEFAULT).final[order[9]].tags == {"tone"}
    assert main(["-C", str(here.root), "tag", "--outputs", order[9]]) == 2
    assert main([*words, "--outputs", "nowhere"]) == 2


def test_an_undo_leads_back_to_the_output_it_is_of_past_those_that_were_skipped(here: Workspace, journal: Journal,
        frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    said(journal, frame, {"ana": {1, 2, 3}, "bea": set()})
    monkeypatch.setattr("sys.stdin", io.StringIO("a\ns\nu\no\nq\n"))
    assert main(["-C", str(here.root), "tag", "--adjudicate", "--as", "eva"]) == 0
    assert {p: set(d.tags) for p, d in people(journal, DEFAULT).final.items()} == {list(frame.at)[1]: {OK}}
