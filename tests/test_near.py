"""Near-duplicates, and the defects of other tools that this stage must not have."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.facts import difference
from curation.stages.near import NearConfig, near
from tests.duplicate_rows import rows_of, told
from tests.shared_data import shared

CASES = [json.loads(line) for line in (Path(__file__).parent / "fixtures/near.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_near(case: dict[str, Any]) -> None:
    verdict = near(rows_of(case["rows"]), NearConfig(**case.get("config", {})))
    assert told(verdict.dropped, "pos", "matched", "reason") == case["dropped"]
    assert told(verdict.flagged, "pos", "matched", "reason", "detail") == case["flagged"]


def test_says_how_alike_and_how_much_was_needed() -> None:
    rows = rows_of([{"prompt": "a b c d", "answer": ""}, {"prompt": "a b c d e", "answer": ""}])
    verdict = near(rows, NearConfig(shingle="word", size=1))
    assert told(verdict.dropped, "value", "threshold") == [[pytest.approx(0.8), 0.8]]


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "2", "not"]), max_size=6).map(" ".join)
described = st.lists(st.fixed_dictionaries({"prompt": words, "answer": words, "reviewed": st.booleans()}), max_size=10)


def jaccard(one: dict[str, Any], two: dict[str, Any]) -> float:
    first, second = (set(f"{row['prompt']} {row['answer']}".split()) for row in (one, two))
    return len(first & second) / len(first | second) if first | second else 0.0


@settings(max_examples=150, deadline=None)
@given(rows=described, threshold=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_what_goes_matches_a_row_that_stays(rows: list[dict[str, Any]], threshold: float) -> None:
    config = NearConfig(shingle="word", size=1, threshold=threshold)
    verdict = near(rows_of(rows), config)
    kept = set(verdict.kept["pos"].to_pylist())
    assert len(kept) + verdict.dropped.num_rows == len(rows)
    for line in verdict.dropped.to_pylist():
        one, two = rows[line["pos"]], rows[line["matched"]]
        assert line["matched"] in kept
        assert line["value"] == pytest.approx(jaccard(one, two))
        assert line["value"] >= threshold - 1e-6
        assert difference(*(f"{row['prompt']}\n{row['answer']}" for row in (one, two))) is None
        assert two["reviewed"] or not one["reviewed"]
    assert near(verdict.kept, config).dropped.num_rows == 0


def test_keeps_short_texts_that_others_merge() -> None:
    lines = shared("mixed/short_texts.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    texts = [row["text"] if "text" in row else f"{row['instruction']}\n{row['output']}" for row in rows]
    verdict = near(rows_of([{"prompt": text, "answer": ""} for text in texts]), NearConfig())
    assert verdict.kept.num_rows == 8


def test_keeps_all_guard_rows_of_lamini_docs() -> None:
    """86 rows with three canned answers, some to prompts of punctuation alone: every distinct prompt stays."""
    with gzip.open(shared("lamini/lamini_docs.jsonl.gz"), "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    asked = [row["question"].removeprefix("### Question:").removesuffix("### Answer:").strip() for row in rows]
    canned = {answer for answer, _ in Counter(row["answer"] for row in rows).most_common(3)}
    guards = [i for i, row in enumerate(rows) if row["answer"] in canned]
    assert len(guards) == 86
    verdict = near(
        rows_of([{"prompt": q, "answer": r["answer"]} for q, r in zip(asked, rows, strict=True)]), NearConfig()
    )
    kept = set(verdict.kept["pos"].to_pylist())
    assert {asked[i].lower() for i in guards} == {asked[i].lower() for i in guards if i in kept}


def test_identical_rows_make_no_square_of_pairs() -> None:
    verdict = near(rows_of([{"prompt": "the same long question once more", "answer": "yes"}] * 20_000), NearConfig())
    assert verdict.kept["pos"].to_pylist() == [0]


def test_halves_give_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = "every text of this source opens with the same long sentence that says nothing at all about it"
    rows = rows_of([{"prompt": opening, "answer": f"{'abcdefghij'[i % 10]} row {i % 7}"} for i in range(120)])
    whole = near(rows, NearConfig(threshold=0.5))
    monkeypatch.setattr("curation.join.MOST_PAIRS", 1500)
    halves = near(rows, NearConfig(threshold=0.5))
    assert 0 < whole.dropped.num_rows < 119
    assert (halves.kept, halves.dropped, halves.flagged) == (whole.kept, whole.dropped, whole.flagged)


def test_refuses_nonsense() -> None:
    with pytest.raises(ConfigError, match="threshold 0"):
        NearConfig(threshold=0)
    with pytest.raises(ConfigError, match="use drop, flag, off"):
        NearConfig(action="merge")  # type: ignore[arg-type]  # what a recipe might say
