"""Exact duplicates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.stages.exact import ExactConfig, exact
from tests.duplicate_rows import rows_of, told

CASES = [json.loads(line) for line in (Path(__file__).parent / "fixtures/exact.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_merges(case: dict[str, Any]) -> None:
    verdict = exact(rows_of(case["rows"]), ExactConfig(**case.get("config", {})))
    assert told(verdict.dropped, "pos", "matched") == case["merged"]
    gone = {pos for pos, _ in case["merged"]}
    assert verdict.kept["pos"].to_pylist() == [pos for pos in range(len(case["rows"])) if pos not in gone]


def test_shows_the_key_it_merged_on() -> None:
    row = {"prompt": "How do I  reset it?", "answer": "Press the Button " + "and wait " * 20}
    verdict = exact(rows_of([row, row]), ExactConfig())
    line = verdict.dropped.to_pylist()[0]
    assert (line["verdict"], line["reason"], line["value"]) == ("merged", "exact_duplicate", 1.0)
    assert line["detail"].startswith("equal key: how do i reset it? | press the button and wait")
    assert line["detail"].endswith("…")


turns = st.sampled_from(["a", "A", "b", " a", "a b", "a  B", ""])
rows = st.lists(st.fixed_dictionaries({"prompt": turns, "answer": turns}), max_size=12)


@settings(max_examples=60, deadline=None)
@given(described=rows)
def test_keeps_the_first_of_each_key_and_running_twice_changes_nothing(described: list[dict[str, str]]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for pos, row in enumerate(described):
        first.setdefault(tuple(" ".join(row[k].lower().split()) for k in ("prompt", "answer")), pos)
    once = exact(rows_of(described), ExactConfig())
    assert once.kept["pos"].to_pylist() == sorted(first.values())
    assert once.kept.num_rows + once.dropped.num_rows == len(described)
    assert exact(once.kept, ExactConfig()).dropped.num_rows == 0


def test_refuses_an_unknown_action() -> None:
    with pytest.raises(ConfigError, match="use merge or off"):
        ExactConfig(action="drop")  # type: ignore[arg-type]  # what a recipe might say
