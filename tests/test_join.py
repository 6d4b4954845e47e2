"""The exact join against brute force."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.errors import DataError
from curation.join import jaccard_blocks, jaccard_pairs, threshold_ratio, unique_sets
from curation.shingles import Shingles, shingle
from tests.shared_data import shared

# Spread like real hashes: the join takes any bits of a value for a place in its tables.
SPREAD = 0x9E3779B97F4A7C15


def as_shingles(sets: list[set[int]]) -> Shingles:
    values = [(v + 1) * SPREAD % 2**64 for s in sets for v in s]
    return Shingles(np.array(values, np.uint64), np.cumsum([0] + [len(s) for s in sets], dtype=np.int64))


def brute(sets: list[set[int]], threshold: float) -> list[tuple[int, int, float]]:
    """Every pair, decided in whole numbers: threshold as written in decimals."""
    least = Fraction(repr(threshold)).limit_denominator(10**9)
    pairs = []
    for i, one in enumerate(sets):
        for j in range(i + 1, len(sets)):
            union = one | sets[j]
            if one & sets[j] and Fraction(len(one & sets[j]), len(union)) >= least:
                pairs.append((i, j, float(np.float32(len(one & sets[j]) / len(union)))))
    return pairs


def joined(sets: list[set[int]], threshold: float) -> list[tuple[int, int, float]]:
    pairs = jaccard_pairs(as_shingles(sets), threshold)
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True))


words = st.integers(0, 11)
small = st.lists(st.sets(words, max_size=10), max_size=24)
blocky = st.lists(  # long shared stretches, so that classes weigh more than one
    st.tuples(st.sets(st.integers(0, 4), max_size=4), st.sets(st.integers(100, 106), max_size=4)).map(
        lambda t: {10 * b + k for b in t[0] for k in range(10)} | t[1]
    ),
    max_size=16,
)
thresholds = st.sampled_from([0.8, 0.5, 1.0, 0.9, 0.75, 1 / 3, 2 / 3, 0.6, 0.1, 1e-6, 1e-12, 0.999]) | st.floats(
    0.01, 1.0
)


@settings(max_examples=200, deadline=None)
@given(sets=small | blocky, threshold=thresholds)
@example(sets=[{1, 2, 3, 4}, {1, 2, 3, 4, 5}], threshold=0.8)  # exactly 4/5, which no float is
@example(sets=[{1}, {1, 2, 3}], threshold=1 / 3)
@example(sets=[set(), set(), {1}], threshold=0.1)
def test_finds_what_brute_force_finds(sets: list[set[int]], threshold: float) -> None:
    assert joined(sets, threshold) == brute(sets, threshold)


@settings(max_examples=50, deadline=None)
@given(sets=small, threshold=thresholds, seed=st.randoms(use_true_random=False))
def test_order_of_texts_does_not_matter(sets: list[set[int]], threshold: float, seed: object) -> None:
    order = list(range(len(sets)))
    seed.shuffle(order)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    there = {
        (min(order[a], order[b]), max(order[a], order[b]), s) for a, b, s in joined([sets[i] for i in order], threshold)
    }
    assert there == set(joined(sets, threshold))


@settings(max_examples=100, deadline=None)
@given(sets=small)
def test_unique_sets_group_equal_sets_by_first_appearance(sets: list[set[int]]) -> None:
    unique, group_of = unique_sets(as_shingles(sets))
    first: dict[frozenset[int], int] = {}
    assert group_of.tolist() == [first.setdefault(frozenset(s), len(first)) for s in sets]
    taken = [unique.values[a:b].tolist() for a, b in zip(unique.offsets, unique.offsets[1:], strict=False)]
    assert [set(t) for t in taken] == [{(v + 1) * SPREAD % 2**64 for v in s} for s in first]


def test_blocks_hold_the_same_pairs() -> None:
    rng = np.random.default_rng(5)
    shingles = as_shingles([set(rng.integers(0, 30, 12).tolist()) for _ in range(2000)])
    pairs = jaccard_pairs(shingles, 0.1)
    blocks = list(jaccard_blocks(shingles, 0.1))
    assert len(blocks) > 1
    assert sum(map(len, blocks)) == len(pairs) > 2**20
    assert {(a, b) for k in blocks for a, b in zip(k.left.tolist(), k.right.tolist(), strict=True)} == set(
        zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    )


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_refuses_a_threshold_outside_its_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        threshold_ratio(threshold)


def test_reads_a_threshold_as_a_simple_fraction() -> None:
    assert threshold_ratio(0.8) == (4, 5)
    assert threshold_ratio(1 / 3) == (1, 3)
    assert threshold_ratio(1e-12) == (1, 10**9)


def test_many_texts_with_one_long_boilerplate() -> None:
    """300 shared shingles count as one token, and lie beyond the prefixes."""
    boilerplate = " ".join(f"clause{i}" for i in range(300))
    texts = [f"{boilerplate} case {i} " + " ".join(f"word{i}x{k}" for k in range(320)) for i in range(2000)]
    shingles = shingle(pa.array(texts, pa.large_string()), "word", 5)
    assert len(jaccard_pairs(shingles, 0.5)) == 0


def test_too_many_pairs_are_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.join.MOST_PAIRS", 100)
    texts = [f"one long opening that every text here shares word for word {i}" for i in range(100)]
    with pytest.raises(DataError, match="share a long common part"):
        jaccard_pairs(shingle(pa.array(texts, pa.large_string()), "char", 5), 0.5)


def test_mixed_corpus_gives_exactly_the_true_pairs() -> None:
    path, truth_path = shared("mixed/instructions_50k.jsonl.gz"), shared("mixed/instructions_50k_pairs.json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    texts = ["\n".join(filter(None, (r["instruction"], r["input"]))) + "\n" + r["output"] for r in rows]
    pairs = jaccard_pairs(shingle(pa.array(texts, pa.large_string()), "word", 5), 0.8)
    with gzip.open(truth_path) as f:
        truth = {(min(a, b), max(a, b)) for a, b, _ in json.load(f)["pairs"]}
    assert set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == truth
    assert len(truth) == 29_672
