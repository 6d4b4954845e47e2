"""Automatic tags: every rule on its cases, and what may run by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from eval.tags import RULES, Copy, Prediction, Rule
from eval.tags.finding import Finding

FIXTURES = Path(__file__).parent / "fixtures" / "tag_rules"
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
RESULTS = BENCHMARKS / "results" / "tag_precision.json"
LABELS = BENCHMARKS / "tag_labels.jsonl"


def cases(rule: Rule) -> list[dict[str, Any]]:
    path = FIXTURES / f"{rule.tag.replace(' ', '_')}.jsonl"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def prediction(case: dict[str, Any]) -> Prediction:
    copy = Copy(**case["copy"]) if "copy" in case else None
    told = {key: case[key] for key in ("reference", "context", "finish_reason", "rank") if key in case}
    return Prediction("p", case["asked"], case["output"], copy=copy, **told)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tag)
def test_cases(rule: Rule) -> None:
    wrong = [case for case in cases(rule) if (rule.find(prediction(case)) is not None) != case["found"]]
    assert wrong == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tag)
def test_each_rule_has_twenty_cases_of_either_kind(rule: Rule) -> None:
    found = [case["found"] for case in cases(rule)]
    assert found.count(True) >= 20
    assert found.count(False) >= 20


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tag)
def test_a_finding_bears_its_rules_tag_and_a_span_within_the_output(rule: Rule) -> None:
    for case in cases(rule):
        found = rule.find(prediction(case))
        if found is not None:
            assert isinstance(found, Finding)
            assert (found.tag, 0 < found.confidence <= 1) == (rule.tag, True)
            start, end = found.span or (0, 0)
            assert 0 <= start <= end <= len(case["output"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tag)
def test_a_missing_output_has_no_tag(rule: Rule) -> None:
    missing = Prediction("p", "What is it?", None, "A belt.", rank=1.0, finish_reason="missing")
    assert rule.find(missing) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.tag)
@pytest.mark.parametrize("text", ["\ud800", "\x00", "a" * 100_000, "\u202e)(", "=cmd()", "<script>alert(1)</script>"])
def test_hostile_outputs_are_judged_like_others(rule: Rule, text: str) -> None:
    rule.find(Prediction("p", text[:1000], text, "A belt.", context=text[:1000]))


def test_what_runs_by_default_was_measured_at_eight_tenths_or_more() -> None:
    measured = orjson.loads(RESULTS.read_bytes())["rules"]
    assert {rule.tag: (rule.version, rule.on) for rule in RULES} == {
        tag: (row["version"], row["on"]) for tag, row in measured.items()
    }
    for rule in RULES:
        row = measured[rule.tag]
        best = row["fresh"] if row["fresh"]["n"] >= 10 else row["all"]
        assert not rule.on or best["precision"] >= 0.8, rule.tag


def test_evidence_points_at_the_words() -> None:
    rules = {rule.tag: rule for rule in RULES}
    said = "E-120 means that the oil filter is jammed."
    wrong = Prediction("p", "What does E-120 mean?", said, "E-120 means that the label feeder is worn out.")
    found = rules["contradicts reference"].find(wrong)
    assert found is not None
    assert found.span is not None
    assert said[slice(*found.span)] == "oil filter"
    assert found.detail == "label feeder -> oil filter"


def test_a_hundred_real_outputs_were_labelled_for_every_rule_that_runs() -> None:
    measured = orjson.loads(RESULTS.read_bytes())["rules"]
    assert {tag for tag, row in measured.items() if row["labelled"] < 100} == {"confident and wrong"}
    assert not measured["confident and wrong"]["on"]


def test_labels_name_outputs_and_hold_none_of_their_text() -> None:
    for line in LABELS.read_bytes().splitlines():
        label = orjson.loads(line)
        assert label.keys() <= {"file", "row", "sha", "rule", "label", "when", "faults"}
        assert len(label["sha"]) == 16
