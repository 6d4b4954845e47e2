"""Claims on training data, from several training seeds a side; and the noise floor, from seeds of one version."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curation.errors import DataError
from eval.metrics.metric import Floats, Measured
from eval.metrics.span import span
from eval.stats.compare import Difference, findable
from eval.stats.distributions import detectable_errors, t_quantile, t_two_sided
from eval.stats.exam import exam
from eval.stats.resampling import pseudo_values
from eval.stats.verdict import verdict

_ENOUGH: Final = 4  # degrees of freedom of seeds from which on Satterthwaite's hold
_HALVINGS: Final = 30
# Of the seeds' part: at 1 nulls are called real too seldom where items show nothing, at .5 too often (decision 15).
_LEAST: Final = 0.85


@dataclass(frozen=True, slots=True)
class _Spread:
    """Variance of a difference of two means over seeds and clusters, and its degrees of freedom."""

    variance: float
    df: float


def compare_seeds(
    a: Sequence[Measured],
    b: Sequence[Measured],
    clusters: Sequence[Hashable] | npt.NDArray[Any] | None = None,
    margin: float = 0.0,
) -> Difference:
    """b against a, one entry a training seed: is what seeds of b give better than what seeds of a give?

    Items and seeds are both random (crossed, unbalanced sides allowed). A side of one entry is taken as fixed, which
    is right for the base model alone: it has no training seed. Values are means over seeds. Interval and p are
    Student's on the variance of items and of seeds, less what both count; plain resampling of three seeds a side
    calls far too many differences real (benchmarks/stat_simulations.py measures both). Bounds beyond what the metric
    can differ by are drawn in to that, and an effect beyond it is none that could be found: infinite.
    DataError unless one side has two seeds.
    """
    if max(len(a), len(b)) < 2 or not a or not b:
        raise DataError(
            "a claim on the data needs two training seeds on a side; with one a side compare the two models"
        )
    shared = exam((*a, *b), clusters)
    first = a[0]
    values = [nan, nan]
    diff = low = high = found = nan
    p = 1.0
    if shared.clusters:
        ones = np.ones((1, shared.clusters))
        each = [float(side.over(ones)[0]) for side in shared.sides]
        values = [float(np.mean(each[: len(a)])), float(np.mean(each[len(a) :]))]
        diff = values[1] - values[0]
    if shared.clusters > 1:
        rows = np.stack([pseudo_values(side, shared.clusters) for side in shared.sides])
        most = span(first.name)
        spread = _spread(rows[: len(a)], rows[len(a) :])
        error = sqrt(spread.variance)
        reach = t_quantile(0.975, spread.df)
        low, high = max(diff - reach * error, -most), min(diff + reach * error, most)
        if error > 0:
            p = t_two_sided(diff / error, spread.df)
            found = findable(detectable_errors(spread.df) * error, first.name)
    return Difference(
        name=first.name,
        signature=first.signature,
        n=shared.n,
        clusters=shared.clusters,
        left_out=len(shared.kept) - shared.n,
        value_a=values[0],
        value_b=values[1],
        diff=diff,
        low=low,
        high=high,
        p=p,
        p_adjusted=p,
        test="random effects of seeds and items",
        margin=margin,
        higher_is_better=first.higher_is_better,
        detectable=found,
        verdict=verdict(
            diff, low, high, p, clusters=shared.clusters, margin=margin, higher_is_better=first.higher_is_better
        ),
        seeds=(len(a), len(b)),
    )


def _spread(a: Floats, b: Floats) -> _Spread:
    """a, b: values [seeds, clusters] of two crossed designs over the same clusters.

    The spread over clusters of the difference of seed means holds what items like and noise; the spread over seeds
    of each side's mean holds seed effects and the same noise, which is therefore taken off the first (two-way random
    effects, Searle et al. 1992, chapter 4; it may go below 0, the whole never below _LEAST of the seeds' part). Sides
    of equally many seeds share one variance of seeds, as pooled t does; else each has its own.
    """
    clusters = a.shape[1]
    several = [side for side in (a, b) if len(side) > 1]
    items = float((b.mean(axis=0) - a.mean(axis=0)).var(ddof=1)) / clusters
    liking = items - sum(_noise(side) / (len(side) * clusters) for side in several)
    seeds = [(float(side.mean(axis=1).var(ddof=1)) / len(side), len(side) - 1) for side in several]
    if len({df for _, df in seeds}) == 1:
        seeds = [(sum(part for part, _ in seeds), sum(df for _, df in seeds))]
    whole = sum(part for part, _ in seeds)
    variance = max(liking + whole, _LEAST * whole)
    if not items + whole > 0:
        return _Spread(variance, inf)
    if len(seeds) == 1 and seeds[0][1] >= _ENOUGH:
        df = seeds[0][1]
        weight = items**2 / (clusters - 1) + whole**2 / df
        return _Spread(variance, max(variance**2 / weight, float(df)))
    return _Spread(variance, _between([(max(liking, 0.0), clusters - 1), *seeds]))


def _between(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom whose t quantile is the parts' own, weighted by their variances (Cochran and Cox 1950).

    Satterthwaite's are too many where a part of one or two has them: a variance that came out small by chance then
    brings more of them, and up to one in eight nulls is called real.
    """
    whole = sum(part for part, _ in parts)
    few, many = (float(choose(df for _, df in parts)) for choose in (min, max))
    if whole <= 0:
        return few
    wanted = sum(part * t_quantile(0.975, df) for part, df in parts) / whole
    for _ in range(_HALVINGS):
        middle = (few + many) / 2
        few, many = (middle, many) if t_two_sided(wanted, middle) > 0.05 else (few, middle)
    return few


def _noise(side: Floats) -> float:
    """Variance of what neither the seed nor the cluster explains."""
    seeds, clusters = side.shape
    rest = side - side.mean(axis=0) - side.mean(axis=1, keepdims=True) + side.mean()
    return float((rest**2).sum() / ((seeds - 1) * (clusters - 1)))


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What training seeds alone do to a corpus value on this exam.

    sd: between seeds. widest: the largest difference seen between two of them. floor: the difference that two more
    runs of the same version stay within 19 times of 20, from so few seeds.
    """

    seeds: int
    sd: float
    widest: float
    floor: float


def noise_floor(runs: Sequence[Measured], clusters: Sequence[Hashable] | npt.NDArray[Any] | None = None) -> NoiseFloor:
    """runs: one metric of two or more runs of one version that differ in the training seed alone."""
    if len(runs) < 2:
        raise DataError("a noise floor needs two runs of one version with different training seeds")
    shared = exam(runs, clusters)
    if not shared.clusters:
        return NoiseFloor(len(runs), nan, nan, nan)
    values = np.asarray([side.over(np.ones((1, shared.clusters)))[0] for side in shared.sides])
    sd = float(values.std(ddof=1))
    floor = min(t_quantile(0.975, len(runs) - 1) * sqrt(2) * sd, span(runs[0].name))
    return NoiseFloor(len(runs), sd, float(np.ptp(values)), floor)
