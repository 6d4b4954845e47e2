"""Ratios and exact counts: what is refused, and that exact counts are met whenever clusters allow."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.splits import split
from curation.splits.assign import FREE, Field, Goal, assign
from curation.splits.config import SplitConfig
from curation.splits.quotas import quotas
from curation.splits.subset_sum import best_sum, two_sums
from tests.split_rows import rows_table, split_of

SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=7)


def field(sizes: list[int], given: list[int] | None = None) -> Field:
    n = len(sizes)
    zeros = np.zeros(n, np.int64)
    fixed = np.full(n, FREE) if given is None else np.array(given)
    return Field(np.array(sizes), fixed, np.arange(n), zeros, zeros)


def reachable(sizes: list[int], given: list[int]) -> set[tuple[int, int]]:
    """(test, validation) of every way to place the clusters."""
    found = set()
    for places in product(range(3), repeat=len(sizes)):
        if all(g in (FREE, p) for g, p in zip(given, places, strict=True)):
            total = [sum(s for s, p in zip(sizes, places, strict=True) if p == k) for k in range(3)]
            found.add((total[2], total[1]))
    return found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_exact_counts_are_met_whenever_possible_and_else_the_nearest_are_named(data: st.DataObject) -> None:
    sizes = data.draw(SIZES)
    given_splits = data.draw(
        st.lists(st.sampled_from([FREE] * 5 + [0, 1, 2]), min_size=len(sizes), max_size=len(sizes))
    )
    n = sum(sizes)
    test = data.draw(st.integers(0, n))
    validation = data.draw(st.integers(0, n - test))
    possible = reachable(sizes, given_splits)
    goal = Goal((n - test - validation, validation, test), exact=True)
    if (test, validation) in possible:
        placed = assign(field(sizes, given_splits), goal)
        assert [int(np.array(sizes)[placed == s].sum()) for s in range(3)] == list(goal.quota)
        assert all(g in (FREE, p) for g, p in zip(given_splits, placed.tolist(), strict=True))
        return
    with pytest.raises(ConfigError, match="the nearest possible are") as raised:
        assign(field(sizes, given_splits), goal)
    words = str(raised.value).split("nearest possible are ")[1].replace(",", "").split()
    named = (int(words[1]), int(words[3]))
    assert named in possible
    best = min(abs(t - test) + abs(v - validation) for t, v in possible)
    assert abs(named[0] - test) + abs(named[1] - validation) == best


@given(SIZES, st.integers(0, 60))
def test_the_largest_sum_up_to_a_target(sizes: list[int], target: int) -> None:
    sums = {
        sum(s for s, take in zip(sizes, choice, strict=True) if take) for choice in product((0, 1), repeat=len(sizes))
    }
    found = best_sum(sizes, target)
    assert sum(size * n for size, n in found.items()) == max(s for s in sums if s <= target)
    assert not found - Counter(sizes)


def test_filling_test_first_would_block_validation() -> None:
    """3 = 1 + 2 would take the single row that validation needs: only both together find 3 and 1 + 4."""
    found = two_sums([1, 2, 3, 4], 3, 5)
    assert found is not None
    assert [sum(s * n for s, n in part.items()) for part in found] == [3, 5]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=5, max_size=40), st.integers(0, 8))
def test_ratios_never_overshoot_and_single_rows_fill_the_rest(sizes: list[int], seed: int) -> None:
    sizes = [*sizes, *[1] * 10]
    config = SplitConfig(ratios={"train": 0.8, "validation": 0.1, "test": 0.1}, seed=seed)
    quota = quotas(config, sum(sizes))
    placed = assign(field(sizes), Goal(quota, exact=False))
    assert [int(np.array(sizes)[placed == s].sum()) for s in range(3)] == list(quota)


def test_a_cluster_larger_than_the_quota_stays_in_train() -> None:
    placed = assign(field([50, 30, 6, 5, 5, 4]), Goal((80, 10, 10), exact=False))
    assert placed[:2].tolist() == [0, 0]


def rows(clusters: list[int]) -> Any:
    texts = [(chr(97 + i) * 12, k) for i, size in enumerate(clusters) for k in range(size)]
    return rows_table([{"prompt": text, "id": k} for text, k in texts])


@pytest.mark.parametrize("seed", range(5))
def test_fourteen_and_two(seed: int) -> None:
    config = SplitConfig(counts={"test": 2, "train": 14}, seed=seed)
    assert Counter(split_of(split(rows([1] * 16), config)).values()) == {"train": 14, "test": 2}
    assert Counter(split_of(split(rows([2] * 8), config)).values()) == {"train": 14, "test": 2}
    assert Counter(split_of(split(rows([9, 3, 2, 2]), config)).values()) == {"train": 14, "test": 2}


REFUSED = [
    (
        {"test": 2, "train": 14},
        [3] * 5 + [1],
        "test 2, validation 0, train 14 cannot be met: rows with near-equal questions stay together; "
        "the nearest possible are test 1, validation 0, train 15",
    ),
    (
        {"test": 2, "train": 14},
        [1] * 20,
        "train 14 + test 2 is 16 rows, but there are 20 to split; "
        "set one of them to null to take the rest (train: null)",
    ),
    ({"test": 30}, [1] * 20, "test 30 is 30 rows, but there are only 20 to split; ask for fewer"),
]


@pytest.mark.parametrize(("counts", "clusters", "message"), REFUSED)
def test_counts_that_cannot_be_met(counts: dict[str, int], clusters: list[int], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        split(rows(clusters), SplitConfig(counts=counts))
    assert str(raised.value) == "split.counts: " + message


def test_null_takes_the_rest() -> None:
    table = rows([1] * 20)
    for counts in ({"test": 3, "train": None}, {"test": 3}):
        assert Counter(split_of(split(table, SplitConfig(counts=counts))).values()) == {"train": 17, "test": 3}
    sizes = Counter(split_of(split(table, SplitConfig(counts={"train": 5, "validation": 4, "test": None}))).values())
    assert sizes == {"train": 5, "validation": 4, "test": 11}


WRONG = [
    ({"ratios": {"train": 0.9, "test": 0.2}}, "split.ratios: they sum to 1.1, not 1; train: 0.8 would make it so"),
    ({"ratios": {"validation": 0.9, "test": 0.2}}, "split.ratios: they sum to 1.1, not 1; lower validation or test"),
    ({"ratios": {"train": 1.5, "test": -0.5}}, "split.ratios.train: 1.5 is not between 0 and 1"),
    ({"ratios": {"train": 0.9, "tset": 0.1}}, 'split.ratios: "tset" is not a split; did you mean "test"?'),
    ({"ratios": {"train": 1.0}, "counts": {"test": 2}}, "split: counts and ratios exclude each other; leave one out"),
    ({"counts": {}}, "split.counts: names no split; say for instance {test: 100, train: null}"),
    ({"counts": {"test": -1}}, "split.counts.test: -1 is below 0"),
    ({"counts": {"test": None, "train": None}}, "split.counts: only one split can take the rest (null)"),
    ({"edge": "loose"}, 'split.edge: "loose" is not known; known: default, strict'),
    ({"threshold": 0.0}, "split.threshold: 0.0 is not above 0 and at most 1; 0.5 is the default"),
    ({"size": 0}, "split.size: 0 is not in 1..50; 5 is the default"),
    (
        {"time_field": "t", "stratify": "s"},
        "split: time_field decides what goes to test, so stratify has no say; leave one out",
    ),
]


@pytest.mark.parametrize(("settings_", "message"), WRONG)
def test_settings_that_make_no_sense(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SplitConfig(**settings_)
    assert str(raised.value) == message


def test_ratios_may_be_off_by_rounding() -> None:
    assert SplitConfig(ratios={"train": 0.1 + 0.2, "test": 0.7}).ratios is not None
