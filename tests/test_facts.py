"""Which fact two texts differ in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.facts import KINDS, difference, facts_of
from tests.shared_data import shared

CASES = [json.loads(line) for line in (Path(__file__).parent / "fixtures/facts.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_says_what_differs(case: dict[str, str | None]) -> None:
    left, right = case["left"], case["right"]
    assert left is not None
    assert right is not None
    assert difference(left, right) == case["differs"]
    assert (difference(right, left) is None) == (case["differs"] is None)


# ruff: noqa: RUF001 - both apostrophes must be tried
texts = st.text(st.sampled_from("ab E-.,:'’tn%$€ 0123456789\n+<>=()不二٣é_"), max_size=40) | st.text(max_size=30)


@settings(max_examples=200, deadline=None)
@given(text=texts, other=texts)
def test_facts_are_pieces_of_the_text(text: str, other: str) -> None:
    facts = facts_of(pa.array([other, text], pa.large_string()))
    raw = text.encode()
    for kind in KINDS:
        for _, piece in facts.of_kind(1, kind):
            assert piece.encode() in raw
    assert difference(text, text) is None
    assert facts.difference(1, 0) == difference(text, other)


def test_many_texts_give_what_pairs_give() -> None:
    sides = [text for case in CASES for text in (case["left"], case["right"])]
    facts = facts_of(pa.array(sides, pa.large_string()))
    at = np.arange(len(CASES)) * 2
    assert (facts.kinds_differing(at, at + 1) >= 0).tolist() == [case["differs"] is not None for case in CASES]


def test_true_pairs_of_the_mixed_corpus_differ_as_often_as_measured() -> None:
    """4,818 pairs differ in digits by a count with regular expressions; number words and ordinals come on top."""
    with gzip.open(shared("mixed/instructions_50k.jsonl.gz"), "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with gzip.open(shared("mixed/instructions_50k_pairs.json.gz")) as file:
        pairs = np.array([pair[:2] for pair in json.load(file)["pairs"]])
    texts = ["\n".join(filter(None, (r["instruction"], r["input"]))) + "\n" + r["output"] for r in rows]
    facts = facts_of(pa.array(texts, pa.large_string()))
    differs = facts.signatures[pairs[:, 0]] != facts.signatures[pairs[:, 1]]
    count = dict(zip(KINDS, differs.sum(axis=0).tolist(), strict=True))
    assert 4_818 <= count["number"] <= 8_500
    assert 2_500 <= count["negation"] <= 4_500
