"""Tests of differences: agreement with scipy, hand-made cases, laws, verdicts in words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import DataError
from eval.metrics import measure
from eval.metrics.metric import Items, Measured, mean_of
from eval.stats import resampling
from eval.stats.compare import Difference, compare_paired, detectable, error_df, under_holm
from eval.stats.distributions import detectable_errors, mcnemar_mid_p, t_quantile, t_two_sided, wilson
from eval.stats.exam import exam
from eval.stats.multiple import benjamini_hochberg, holm
from eval.stats.resampling import bootstrap, interval, permutation_p, pseudo_values, standard_error
from eval.stats.seeds import compare_seeds, noise_floor
from eval.stats.value import estimate
from eval.stats.verdict import FEWEST_FOR_SAME, no_loss, verdict

nan = float("nan")


def score(values: Any, higher_is_better: bool | None = True) -> Measured:
    return mean_of("score", "score", values, higher_is_better)


def two(n: int, gain: float = 0.0, seed: int = 0) -> tuple[Measured, Measured]:
    rng = np.random.default_rng(seed)
    ease = rng.random(n)
    return score(ease + 0.1 * rng.normal(size=n)), score(ease + 0.1 * rng.normal(size=n) + gain)


def test_quantiles_and_p_values_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for df in (1, 2, 3.7, 13, 100, 5000.5):
        for p in (0.5, 0.8, 0.975, 0.999):
            assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), abs=1e-9)
            assert t_quantile(1 - p, df) == pytest.approx(stats.t.ppf(1 - p, df), abs=1e-9)
        for t in (0.0, 0.3, 2.0, 9.0, 60.0):
            assert t_two_sided(-t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-9)
    assert t_two_sided(1.96, math.inf) == pytest.approx(2 * stats.norm.sf(1.96))


def test_wilson_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, n in ((0, 20), (1, 20), (20, 20), (410, 1172)):
        theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert wilson(0, 0) == (0, 1)


def test_mcnemar_mid_p() -> None:
    stats = pytest.importorskip("scipy.stats")
    for won, lost in ((0, 0), (5, 5), (1, 0), (9, 1), (40, 22), (700, 800)):
        exact = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
        expected = 1.0 if won == lost else exact - stats.binom.pmf(min(won, lost), won + lost, 0.5)
        assert mcnemar_mid_p(won, lost) == mcnemar_mid_p(lost, won) == pytest.approx(expected, rel=1e-9)


def test_adjusted_p_values_are_statistics_ones() -> None:
    stats = pytest.importorskip("scipy.stats")
    p = [0.01, 0.04, 0.03, 0.005, 0.8]
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.8])
    assert benjamini_hochberg(p) == pytest.approx(list(stats.false_discovery_control(p)))
    assert holm([0.01, nan, 0.04])[::2] == pytest.approx([0.02, 0.04])  # NaN asks nothing
    assert math.isnan(holm([0.01, nan])[1])
    assert holm([]) == benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_never_below_what_it_adjusts_nor_benjamini_hochberg_above_holm(p: list[float]) -> None:
    for raw, strict, loose in zip(p, holm(p), benjamini_hochberg(p), strict=True):
        assert raw <= loose + 1e-15
        assert loose <= strict + 1e-15 <= 1 + 1e-15


def test_enumerated_permutations_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = two(9, 0.05)
    theirs = stats.permutation_test(
        (a.item, b.item), lambda x, y, axis: np.mean(y - x, axis=axis), permutation_type="samples", vectorized=True
    )
    p, said = permutation_p(exam((a, b)), 0)
    assert p == pytest.approx(theirs.pvalue)
    assert said == "paired permutation, all ways"


def test_drawn_permutations_come_near_the_enumerated_ones() -> None:
    a, b = two(40, 0.04)
    p, said = permutation_p(exam((a, b)), 7)
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.permutation_test(
        (a.item, b.item),
        lambda x, y, axis: np.mean(y - x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(1),
    ).pvalue
    assert p == pytest.approx(theirs, abs=0.01)
    assert said == "paired permutation, 10,000 draws, seed 7"
    assert permutation_p(exam((a, b)), 7)[0] == p
    far = permutation_p(exam((a, score(a.item + 9))), 7)[0]
    assert far == 1 / 10_001  # never 0


def test_a_cluster_swaps_as_one() -> None:
    """Forty copies of five items are five items, not two hundred."""
    a, b = two(5, 0.5)
    many = [score(np.tile(one.item, 40)) for one in (a, b)]
    clusters = np.tile(np.arange(5), 40)
    result = compare_paired(many[0], many[1], clusters)
    assert (result.n, result.clusters) == (200, 5)
    assert result.p == compare_paired(a, b).p == 2 / 32
    assert result.verdict == "cannot tell"
    assert compare_paired(many[0], many[1]).verdict == "better"  # the mistake that clusters prevent


def test_the_bootstrap_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = two(60, 0.05)
    values = bootstrap(exam((a, b)), 0, 20_000)
    theirs = stats.bootstrap(
        (b.item - a.item,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    )
    diff = values[1] - values[0]
    low, high = theirs.confidence_interval
    assert np.quantile(diff, [0.025, 0.975]) == pytest.approx([low, high], abs=0.001)
    sem = stats.sem(b.item - a.item)
    assert standard_error(diff, 60) == pytest.approx(sem, rel=0.03)
    # For a mean the expanded percentile interval is nearly Student's.
    ours = interval(diff, 60)
    assert ours == pytest.approx(stats.t.interval(0.95, 59, np.mean(b.item - a.item), sem), abs=0.003)


def test_pseudo_values_of_a_mean_are_its_items() -> None:
    a, _ = two(12)
    assert pseudo_values(exam((a,)).sides[0], 12) == pytest.approx(a.item)
    ranked = measure("auroc", Items([""] * 6, right=[1, 0, 1, 1, 0, 0], confidence=[3, 2, 5, 1, 0, 4]))
    values = pseudo_values(exam((ranked,)).sides[0], 6)
    without = measure("auroc", Items([""] * 5, right=[0, 1, 1, 0, 0], confidence=[2, 5, 1, 0, 4])).value
    assert values[0] == pytest.approx(6 * ranked.value - 5 * without)


def corpus_pair(name: str, n: int) -> tuple[Measured, Measured]:
    rng = np.random.default_rng(4)
    words = np.array(["a", "b", "c", "d", "e"])
    references = [[" ".join(rng.choice(words, 12))] for _ in range(n)]
    sides = [[" ".join(rng.choice(words, 12)) for _ in range(n)] for _ in range(2)]
    right = rng.integers(0, 2, n)
    made = [Items(side, references, right=right, confidence=rng.normal(size=n)) for side in sides]
    return measure(name, made[0]), measure(name, made[1])


@pytest.mark.parametrize("name", ["bleu", "chrf", "auroc", "rougeL"])
def test_corpus_metrics_are_computed_anew_in_every_resample(name: str) -> None:
    pytest.importorskip("sacrebleu")
    a, b = corpus_pair(name, 8)
    shared = exam((a, b), [0, 0, 1, 1, 2, 2, 3, 3])
    # the same clusters as bootstrap draws, but with items really repeated
    drawn = np.random.default_rng(3).integers(0, 4, (50, 4))
    values = bootstrap(shared, 3, 50)
    for r in (0, 17, 49):
        rows = np.concatenate([[2 * c, 2 * c + 1] for c in drawn[r]])
        for side, one in enumerate((a, b)):
            again = replace(one, stats=one.stats[rows], item=one.item[rows]).value
            assert values[side, r] == pytest.approx(again, nan_ok=True)
    swap = np.array([[0.0, 1, 0, 1]])
    mixed = [one.stats.copy() for one in (a, b)]
    mixed[0][[2, 3, 6, 7]], mixed[1][[2, 3, 6, 7]] = b.stats[[2, 3, 6, 7]], a.stats[[2, 3, 6, 7]]
    swapped = [replace(one, stats=stats).value for one, stats in zip((a, b), mixed, strict=True)]
    assert shared.mixed(swap)[0] == pytest.approx(swapped[1] - swapped[0])


def test_items_that_one_side_lacks_are_left_out_and_counted() -> None:
    a, b = score([0.1, nan, 0.3, 0.4]), score([0.2, 0.9, nan, 0.4])
    result = compare_paired(a, b)
    assert (result.n, result.left_out) == (2, 2)
    assert (result.value_a, result.value_b) == pytest.approx((0.25, 0.3))
    nothing = compare_paired(score([nan]), score([1.0]))
    assert (nothing.n, nothing.verdict, nothing.p) == (0, "cannot tell", 1.0)
    assert math.isnan(nothing.diff)


def test_what_cannot_be_compared_is_a_plain_error() -> None:
    a, b = two(5)
    with pytest.raises(DataError, match="cannot compare score with other; compute both anew"):
        compare_paired(a, replace(b, signature="other"))
    with pytest.raises(DataError, match="score: 5 items against 4"):
        compare_paired(a, score(b.item[:4]))
    with pytest.raises(DataError, match="3 clusters for 5 items"):
        compare_paired(a, b, [1, 2, 3])


def test_right_or_wrong_verdicts_are_tested_by_mcnemar_unless_clustered() -> None:
    a, b = score([1] * 20 + [0] * 20), score([1] * 18 + [0] * 2 + [1] * 11 + [0] * 9)
    result = compare_paired(a, b)
    assert (result.test, result.p) == ("McNemar mid-p", mcnemar_mid_p(11, 2))
    assert result.verdict == "better"
    assert compare_paired(a, b, np.arange(40) // 2).test.startswith("paired permutation")


def test_the_first_two_items_tell_nothing_whatever_they_are() -> None:
    for first, second in (([0, 0], [1, 1]), ([0.1, 0.2], [0.9, 0.8]), ([1, 1], [1, 1])):
        assert compare_paired(score(first), score(second), margin=0.5).verdict == "cannot tell"


def test_identical_outputs_are_the_same_only_on_enough_items() -> None:
    few, many = score(np.linspace(0, 1, FEWEST_FOR_SAME - 1)), score(np.linspace(0, 1, FEWEST_FOR_SAME))
    assert compare_paired(few, few, margin=0.01).verdict == "cannot tell"
    assert compare_paired(many, many, margin=0.01).verdict == "same within the margin"
    assert compare_paired(many, many).verdict == "cannot tell"  # without a margin nothing is the same
    assert math.isnan(compare_paired(many, many).detectable)


@pytest.mark.parametrize(
    ("low", "high", "p", "margin", "higher", "words"),
    [
        (0.1, 0.3, 0.01, 0.05, True, "better"),
        (0.1, 0.3, 0.01, 0.05, False, "worse"),
        (0.1, 0.3, 0.01, 0.05, None, "higher"),
        (-0.3, -0.1, 0.01, 0.05, None, "lower"),
        (-0.3, -0.1, 0.01, 0.05, False, "better"),
        (0.01, 0.03, 0.01, 0.05, True, "same within the margin"),  # real, and too small to matter
        (-0.01, 0.03, 0.4, 0.05, True, "same within the margin"),
        (-0.01, 0.3, 0.01, 0.05, True, "cannot tell"),
        (0.1, 0.3, 0.06, 0.05, True, "cannot tell"),
        (nan, nan, 0.01, 0.05, True, "cannot tell"),
    ],
)
def test_verdicts(low: float, high: float, p: float, margin: float, higher: bool | None, words: str) -> None:
    middle = (low + high) / 2
    assert verdict(middle, low, high, p, clusters=100, margin=margin, higher_is_better=higher) == words


@pytest.mark.parametrize(
    ("low", "high", "higher", "gate"),
    [
        (-0.01, 0.1, True, "passed"),
        (-0.03, 0.1, True, "cannot tell"),
        (-0.3, -0.03, True, "failed"),
        (-0.3, 0.01, False, "passed"),
        (0.03, 0.1, False, "failed"),
        (-0.01, 0.01, None, "passed"),
        (-0.3, -0.03, None, "failed"),
        (nan, nan, True, "cannot tell"),
    ],
)
def test_the_gate_passes_only_what_excludes_a_loss(low: float, high: float, higher: bool | None, gate: str) -> None:
    assert no_loss(low, high, margin=0.02, higher_is_better=higher) == gate


def test_a_comparison_is_its_mirror_and_repeats_itself() -> None:
    a, b = two(80, 0.03)
    forth, back = compare_paired(a, b, seed=5), compare_paired(b, a, seed=5)
    assert forth == compare_paired(a, b, seed=5)
    assert (back.diff, back.low, back.high) == pytest.approx((-forth.diff, -forth.high, -forth.low))
    assert back.p == forth.p


def test_secondary_metrics_share_their_chance_of_a_false_finding() -> None:
    a, b = two(60, 0.06, seed=2)
    found = compare_paired(a, b)
    assert (found.verdict, found.p < 0.05) == ("better", True)
    doubtful = replace(found, p=0.03)
    together = under_holm([doubtful, doubtful, replace(found, p=0.9)])
    assert [one.verdict for one in together] == ["cannot tell"] * 3
    assert together[0].p_adjusted == pytest.approx(0.09)
    assert under_holm([found])[0] == found


def test_what_an_exam_can_show() -> None:
    a, b = two(50)
    stated = compare_paired(a, b).detectable
    gained = b.item - a.item
    assert stated == pytest.approx(detectable_errors(49) * gained.std(ddof=1) / 50**0.5, rel=0.05)
    assert compare_paired(*two(800)).detectable < stated / 3
    assert detectable_errors(10_000) == pytest.approx(t_quantile(0.975, 1e4) + t_quantile(0.86, 1e4), abs=0.02)
    assert detectable_errors(3) > detectable_errors(30)
    # Right or wrong: d solves d = reach * sqrt((q + d - d**2) / n).
    d = detectable(0.2 / 20, 400, 0.04)
    assert d == pytest.approx(detectable_errors(399) * ((0.04 + d - d**2) / 400) ** 0.5)
    assert 0 < detectable(0.0, 400, 0.0) < 0.05  # 400 identical verdicts


def test_a_few_items_that_carry_all_make_what_an_exam_can_show_larger() -> None:
    """An error that rests on six of sixty items is known as badly as one of six: the next exam may draw others."""
    rng = np.random.default_rng(3)
    ease, gained = rng.random(60), rng.normal(size=60)
    few = np.where(np.arange(60) < 6, gained, 0.0)
    few *= gained.std() / few.std()
    even, lumpy = (compare_paired(score(ease), score(ease + gap)) for gap in (gained, few))
    per_error = [one.detectable / (one.high - one.low) for one in (even, lumpy)]
    assert per_error[1] > 1.15 * per_error[0]
    assert error_df(exam((score(ease), score(ease + gained)))) == pytest.approx(59, rel=0.4)
    assert (error_df(exam((score(ease), score(ease + few)))) or 60) < 15
    assert error_df(exam((score(ease), score(ease)))) is None


def test_estimates() -> None:
    share = estimate(score([1] * 3 + [0] * 17 + [nan]))
    assert (share.low, share.high) == wilson(3, 20)
    assert (share.n, share.missing) == (20, 1)
    a, _ = two(40)
    mean = estimate(a)
    assert mean.value == pytest.approx(a.item.mean())
    assert mean.low < mean.value < mean.high
    none = estimate(score([0] * 20), clusters=[i // 2 for i in range(20)])
    assert (none.low, none.high) == wilson(0, 10), "never seen in ten clusters is not never"
    nothing = estimate(score([nan]))
    assert nothing.n == 0
    assert all(map(math.isnan, (nothing.value, nothing.low, nothing.high))), "not all of 0 to 1"
    assert math.isnan(estimate(score([0.3])).low)


def seeds(gains: list[float], n: int, noise: float = 0.05, seed: int = 0) -> list[Measured]:
    ease = np.random.default_rng(99).random(n)
    rng = np.random.default_rng(seed)
    return [score(ease + gain + noise * rng.normal(size=n)) for gain in gains]


def test_one_lucky_seed_is_no_claim_on_the_data() -> None:
    old, new = seeds([0.00, 0.10, 0.05], 200, seed=1), seeds([0.06, 0.16, 0.02], 200, seed=2)
    assert compare_paired(old[0], new[1]).verdict == "better"  # these two models differ
    claim = compare_seeds(old, new)
    assert (claim.verdict, claim.seeds) == ("cannot tell", (3, 3))
    assert claim.value_b == pytest.approx(np.mean([one.value for one in new]))
    assert compare_seeds(seeds([0.0, 0.01, 0.02], 200), seeds([0.2, 0.21, 0.19], 200)).verdict == "better"


def test_no_interval_of_seeds_goes_beyond_what_the_metric_can_differ_by() -> None:
    rng = np.random.default_rng(5)
    old = [mean_of("exact_match", "", np.zeros(60))]
    new = [mean_of("exact_match", "", (rng.random(60) < share).astype(float)) for share in (0.8, 0.99)]
    free = [[mean_of("own:points", "", one.item) for one in side] for side in (old, new)]
    found, same = compare_seeds(old, new), compare_seeds(free[0], free[1])
    assert same.high > 1
    assert (found.low, found.high) == (same.low, 1.0)
    assert (found.verdict, found.p, found.diff) == (same.verdict, same.p, same.diff)
    back = compare_seeds(new, old)
    assert (back.low, back.high) == (-1.0, -same.low)
    assert 1 < same.detectable < math.inf
    assert (found.detectable, same.undetectable) == (math.inf, "")
    assert found.undetectable == "no difference that exact_match can show would be found with 60 items"


def test_no_exam_finds_more_than_the_metric_can_show() -> None:
    """Eight items could have shown 2.398 of a metric that goes from 0 to 1."""
    one, two = (np.array(values) for values in ([0, 1, 0, 1, 0, 0.9, 0, 1.0], [1, 0, 1, 0, 0.9, 0, 1.0, 0]))
    found = compare_paired(mean_of("rougeL", "", one), mean_of("rougeL", "", two))
    free = compare_paired(mean_of("own:points", "", one), mean_of("own:points", "", two))
    assert 1 < free.detectable < math.inf
    assert (found.detectable, free.undetectable) == (math.inf, "")
    assert found.undetectable == "no difference that rougeL can show would be found with 8 items"
    assert (found.low, found.high, found.p, found.verdict) == (free.low, free.high, free.p, free.verdict)


def test_the_claim_on_seeds_is_students_where_items_do_not_matter() -> None:
    """Without item noise the only uncertainty is that of the seeds."""
    stats = pytest.importorskip("scipy.stats")
    old, new = [0.0, 0.11, 0.05], [0.21, 0.16, 0.09]
    claim = compare_seeds(seeds(old, 30, noise=0), seeds(new, 30, noise=0))
    students = stats.ttest_ind(new, old)
    assert claim.p == pytest.approx(students.pvalue, rel=1e-6)
    assert (claim.low, claim.high) == pytest.approx(tuple(students.confidence_interval()), rel=1e-6)


def test_unequally_many_seeds_share_no_variance() -> None:
    """The side of fewer seeds may be the noisier one; then a pooled variance would call one null in seven real."""
    stats = pytest.importorskip("scipy.stats")
    old, new = [0.0, 0.11, 0.05, 0.02], [0.31, 0.16]
    claim = compare_seeds(seeds(old, 30, noise=0), seeds(new, 30, noise=0))
    parts = np.var(old, ddof=1) / 4, np.var(new, ddof=1) / 2
    reach = (parts[0] * stats.t.ppf(0.975, 3) + parts[1] * stats.t.ppf(0.975, 1)) / sum(parts)
    half = reach * sum(parts) ** 0.5
    assert (claim.low, claim.high) == pytest.approx((0.19 - half, 0.19 + half), rel=1e-6)


def test_two_seeds_beside_a_base_lend_no_degrees_of_freedom() -> None:
    """Items have 99, two trainings one: each part of the error counts with the quantile that it has."""
    stats = pytest.importorskip("scipy.stats")
    base, new = seeds([0.0], 100, seed=4), seeds([0.02, 0.06], 100, seed=5)
    values = np.stack([one.item for one in new])
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    items = (values.mean(axis=0) - base[0].item).var(ddof=1) / 100 - (rest**2).sum() / 99 / 200
    between = values.mean(axis=1).var(ddof=1) / 2
    reach = (items * stats.t.ppf(0.975, 99) + between * stats.t.ppf(0.975, 1)) / (items + between)
    claim = compare_seeds(base, new)
    assert claim.high - claim.low == pytest.approx(2 * reach * (items + between) ** 0.5, rel=1e-6)


def test_the_base_has_no_seed() -> None:
    base, new = seeds([0.0], 100, seed=4), seeds([0.3, 0.31, 0.29], 100)
    claim = compare_seeds(base, new)
    assert (claim.verdict, claim.seeds) == ("better", (1, 3))
    with pytest.raises(DataError, match="needs two training seeds on a side"):
        compare_seeds(base, new[:1])


def test_the_noise_floor() -> None:
    floor = noise_floor(seeds([0.0, 0.1, 0.05], 50, noise=0))
    assert (floor.seeds, floor.sd, floor.widest) == pytest.approx((3, 0.05, 0.1))
    assert floor.floor == pytest.approx(t_quantile(0.975, 2) * 2**0.5 * 0.05)
    with pytest.raises(DataError, match="a noise floor needs two runs"):
        noise_floor(seeds([0.0], 50))


def test_a_gate_of_a_comparison() -> None:
    a, b = two(400, 0.05)
    made: Difference = compare_paired(a, b, margin=0.02)
    assert (made.gate(), compare_paired(b, a, margin=0.02).gate()) == ("passed", "failed")
    assert compare_paired(*two(10), margin=0.0).gate(margin=0.0) != "passed"


def test_resamples_are_the_same_whether_they_are_kept_or_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of one exam share their resamples; that must not show in any number, whatever was asked before."""
    chance = np.random.default_rng(3)
    exams = [exam([mean_of("m", "m", chance.random(n)) for _ in range(2)]) for n in (40, 41, 40)]
    kept = [bootstrap(one, seed) for seed in (0, 1) for one in exams]
    monkeypatch.setattr(resampling, "_MOST_KEPT", 0)
    drawn = [bootstrap(one, seed) for seed in (0, 1) for one in exams]
    assert all(np.array_equal(one, other) for one, other in zip(kept, drawn, strict=True))


@given(st.lists(st.integers(-5, 5)))
def test_clusters_are_numbered_as_they_first_come_whatever_holds_them(named: list[int]) -> None:
    first = list(dict.fromkeys(named))
    expected = [first.index(name) for name in named]
    for held in (named, np.array(named, np.int64), np.array([f"c{name}" for name in named], object)):
        made = exam([score([0.5] * len(named))], held)
        assert made.clusters == len(first)
        assert made.sides[0].rows[:, 1].tolist() == [expected.count(at) for at in range(len(first))]
