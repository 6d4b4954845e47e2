"""Agreement: published worked examples, the definitions by brute force, missing values, and three real raters."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from eval.agreement import agreement
from tests.shared_data import shared


def value(ratings: Any, coefficient: str, **more: Any) -> float:
    return agreement(ratings, coefficient, resamples=0, **more).value


def pairs(table: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    return [pair for pair, times in table.items() for _ in range(times)]


# Two readers, 50 grant proposals (the worked example of many texts on Cohen's kappa): kappa .4.
GRANTS = pairs({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})
# Gwet (2008): 125 subjects, nearly all positive; kappa is -.0234, AC1 .9408.
SKEWED = pairs({("+", "+"): 118, ("+", "-"): 5, ("-", "+"): 2})
# The worked example of Fleiss' kappa: 10 subjects, 14 raters, 5 categories; kappa .210.
FLEISS = (
    *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
    *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
)
# Krippendorff (2011), part C: 4 observers, 12 units, missing values; nominal .743, ordinal .815.
OBSERVERS = (
    *((1, 1, None, 1), (2, 2, 3, 2), (3, 3, 3, 3), (3, 3, 3, 3), (2, 2, 2, 2), (1, 2, 3, 4)),
    *((4, 4, 4, 4), (1, 1, 2, 1), (2, 2, 2, 2), (None, 5, 5, 5), (None, None, 1, 1), (None, None, 3, None)),
)


def test_cohens_kappa_of_the_worked_example() -> None:
    assert value(GRANTS, "cohen_kappa") == pytest.approx(0.4, abs=1e-9)


def test_gwets_ac1_stands_where_kappa_falls() -> None:
    observed, positive = Fraction(118, 125), Fraction(123 + 120, 250)
    chance = 2 * positive * (1 - positive)
    assert value(SKEWED, "gwet_ac1") == pytest.approx(float((observed - chance) / (1 - chance)), abs=1e-9)
    assert round(value(SKEWED, "gwet_ac1"), 4) == 0.9408
    assert round(value(SKEWED, "cohen_kappa"), 4) == -0.0234


def test_fleiss_kappa_of_the_worked_example() -> None:
    ratings = [[c for c, n in enumerate(row) for _ in range(n)] for row in FLEISS]
    agreed = Fraction(sum(sum(n * n for n in row) - 14 for row in FLEISS), 10 * 14 * 13)
    chance = sum(Fraction(sum(row[c] for row in FLEISS), 140) ** 2 for c in range(5))
    assert value(ratings, "fleiss_kappa") == pytest.approx(float((agreed - chance) / (1 - chance)), abs=1e-9)
    assert round(value(ratings, "fleiss_kappa"), 3) == 0.210


def test_krippendorffs_alpha_of_the_worked_example() -> None:
    assert round(value(OBSERVERS, "alpha_nominal"), 3) == 0.743
    assert round(value(OBSERVERS, "alpha_ordinal"), 3) == 0.815


def alpha_by_definition(ratings: Any, ordinal: bool) -> float:
    """Disagreement of the pairs within units against that of all pairs, pair by pair."""
    units = [[v for v in row if v is not None] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    values = [v for unit in units for v in unit]
    often = {v: values.count(v) for v in set(values)}

    def distance(a: int, b: int) -> Fraction:
        if not ordinal:
            return Fraction(a != b)
        low, high = sorted((a, b))
        return (Fraction(sum(n for v, n in often.items() if low <= v <= high)) - Fraction(often[a] + often[b], 2)) ** 2

    within = sum(Fraction(distance(*pair)) / (len(u) - 1) for u in units for pair in itertools.permutations(u, 2))
    among = sum(distance(*pair) for pair in itertools.permutations(values, 2))
    return float(1 - (len(values) - 1) * within / among) if among else math.nan


@pytest.mark.parametrize("ordinal", [False, True])
@settings(max_examples=60, deadline=None)
@given(data=st.lists(st.lists(st.none() | st.integers(1, 4), min_size=3, max_size=3), min_size=2, max_size=9))
def test_alpha_is_its_definition_pair_by_pair(ordinal: bool, data: list[list[int | None]]) -> None:
    found = value(data, "alpha_ordinal" if ordinal else "alpha_nominal", categories=[1, 2, 3, 4])
    assert found == pytest.approx(alpha_by_definition(data, ordinal), abs=1e-9, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(data=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=20))
def test_order_of_items_and_raters_means_nothing(data: list[tuple[str, str]]) -> None:
    turned = [(b, a) for a, b in reversed(data)]
    for coefficient in ("cohen_kappa", "fleiss_kappa", "alpha_nominal", "gwet_ac1", "pairwise"):
        assert value(data, coefficient) == pytest.approx(value(turned, coefficient), nan_ok=True, abs=1e-12)


def test_perfect_agreement_is_one_and_a_single_category_is_undefined_or_one() -> None:
    perfect = [("a", "a"), ("b", "b"), ("a", "a")]
    for coefficient in ("cohen_kappa", "fleiss_kappa", "alpha_nominal", "alpha_ordinal", "gwet_ac1", "pairwise"):
        assert value(perfect, coefficient) == pytest.approx(1)
    assert math.isnan(value([("a", "a")] * 3, "cohen_kappa"))
    assert value([("a", "a")] * 3, "gwet_ac1", categories=["a", "b"]) == 1


def test_items_that_one_person_rated_say_nothing() -> None:
    rated = [("a", "a", None), ("a", None, None), ("b", "a", "b"), (None, None, None)]
    found = agreement(rated, "fleiss_kappa", resamples=0)
    assert (found.items, found.raters) == (2, 3)
    assert found.value == value([("a", "a", None), ("b", "a", "b")], "fleiss_kappa")
    assert math.isnan(value([("a", None)], "pairwise"))
    assert math.isnan(value([], "pairwise"))


def test_the_interval_holds_the_true_value_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    inside = 0
    for trial in range(200):
        truth = generator.integers(0, 2, 120)
        raters = [np.where(generator.random(120) < 0.85, truth, 1 - truth) for _ in range(2)]
        found = agreement(np.column_stack(raters).tolist(), "cohen_kappa", resamples=400, seed=trial)
        inside += found.low <= 0.49 <= found.high  # (.85 ** 2 + .15 ** 2 - .5) / .5
    assert 0.90 <= inside / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    assert agreement(GRANTS, "cohen_kappa", seed=3) == agreement(GRANTS, "cohen_kappa", seed=3)


@pytest.mark.parametrize(
    ("ratings", "coefficient", "message"),
    [
        (GRANTS, "cohen", 'did you mean "cohen_kappa"'),
        ([("a", "b", "c")], "cohen_kappa", "use fleiss_kappa"),
        ([("a", "q")], "pairwise", '"q" is not one of the categories'),
    ],
)
def test_what_cannot_be_measured_says_why(ratings: Any, coefficient: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        agreement(ratings, coefficient, categories=["a", "b", "c", "yes", "no"])


def test_three_raters_of_pandalm_agree_as_published() -> None:
    rows = json.loads(gzip.decompress(shared("pandalm/testset-v1.json.gz").read_bytes()))
    ratings = [[row[f"annotator{i}"] for i in (1, 2, 3)] for row in rows]
    assert value(ratings, "fleiss_kappa") == pytest.approx(0.864, abs=5e-4)
    assert value(ratings, "pairwise") == pytest.approx(0.920, abs=5e-4)
