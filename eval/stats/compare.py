"""Two models compared item by item on one exam."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eval.metrics.metric import Measured, ratio
from eval.metrics.span import span
from eval.stats.distributions import detectable_errors, mcnemar_mid_p
from eval.stats.exam import Exam, exam
from eval.stats.multiple import holm
from eval.stats.resampling import (
    PERMUTATIONS,
    RESAMPLES,
    bootstrap,
    interval,
    permutation_p,
    pseudo_values,
    standard_error,
)
from eval.stats.verdict import Gate, Verdict, no_loss, verdict

_FEWEST_FOR_TAILS: Final = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, in the metric's own unit. low, high: 95 % interval of diff, resampled by cluster.

    left_out: items that one side lacks. detectable: the smallest difference this exam finds in 80 of 100 cases;
    infinite where it finds none that the metric can show, NaN where two identical sides leave it unknown.
    p_adjusted: p, or p under Holm where several were asked.
    seeds: training runs a side; with (1, 1) the claim is about these two models, never about their data.
    """

    name: str
    signature: str
    n: int
    clusters: int
    left_out: int
    value_a: float
    value_b: float
    diff: float
    low: float
    high: float
    p: float
    p_adjusted: float
    test: str
    margin: float
    higher_is_better: bool | None
    detectable: float
    verdict: Verdict
    seeds: tuple[int, int] = (1, 1)

    @property
    def undetectable(self) -> str:
        """Why `detectable` is no number; empty where it is one."""
        if self.detectable == inf:
            return f"no difference that {self.name} can show would be found with {self.n:,} items"
        known = self.detectable > 0
        return "" if known else "not known, for nothing differs from item to item, or there are too few"

    def gate(self, margin: float | None = None) -> Gate:
        """Whether b is no worse than a by `margin` (default: the comparison's own)."""
        chosen = self.margin if margin is None else margin
        return no_loss(self.low, self.high, margin=chosen, higher_is_better=self.higher_is_better)


def compare_paired(
    a: Measured,
    b: Measured,
    clusters: Sequence[Hashable] | npt.NDArray[Any] | None = None,
    margin: float = 0.0,
    seed: int = 0,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> Difference:
    """b against a on the items both have; margin: the smallest difference that matters.

    p from McNemar's mid-p for right or wrong verdicts on unclustered items, else from the paired permutation test on
    the corpus value. DataError if the two are not the same metric of the same items.
    """
    shared = exam((a, b), clusters)
    verdicts = binary((a, b), shared.kept)
    gained = b.item[shared.kept] - a.item[shared.kept]
    if verdicts and shared.clusters == shared.n:
        p, test = mcnemar_mid_p(int((gained > 0).sum()), int((gained < 0).sum())), "McNemar mid-p"
    else:
        p, test = permutation_p(shared, seed, permutations)
    if shared.clusters:
        values = bootstrap(shared, seed, resamples)
        one, two = (float(side.over(np.ones((1, shared.clusters)))[0]) for side in shared.sides)
        low, high = interval(values[1] - values[0], shared.clusters)
        error = standard_error(values[1] - values[0], shared.clusters)
    else:
        one = two = low = high = error = nan
    return Difference(
        name=a.name,
        signature=a.signature,
        n=shared.n,
        clusters=shared.clusters,
        left_out=len(shared.kept) - shared.n,
        value_a=one,
        value_b=two,
        diff=two - one,
        low=low,
        high=high,
        p=p,
        p_adjusted=p,
        test=test,
        margin=margin,
        higher_is_better=a.higher_is_better,
        detectable=findable(
            detectable(
                error, shared.clusters, float(gained.var()) if verdicts and shared.n else None, error_df(shared)
            ),
            a.name,
        ),
        verdict=verdict(
            two - one, low, high, p, clusters=shared.clusters, margin=margin, higher_is_better=a.higher_is_better
        ),
    )


def detectable(error: float, clusters: int, discordance: float | None = None, known: float | None = None) -> float:
    """The smallest difference found with 80 % power at 5 %, from the standard error of a difference.

    discordance: of right or wrong verdicts, the variance of an item's gain. There a difference of d adds d - d * d
    to it, so the error grows with what is looked for; continuous outputs may shift without. known: degrees of freedom
    of the error (`error_df`); None: as many as clusters give.
    """
    if clusters < 2 or isnan(error) or (error == 0 and discordance is None):
        return nan
    if discordance is None:
        return detectable_errors(clusters - 1, known) * error
    reach = detectable_errors(clusters - 1)
    # Solves d = reach * sqrt(error**2 + (d - d**2) * growth): what is added is tied by cluster as what is there.
    growth = reach**2 * (error**2 / discordance if discordance > 0 else 1 / clusters)
    return float(growth + (growth**2 + 4 * (1 + growth) * (reach * error) ** 2) ** 0.5) / (2 * (1 + growth))


def findable(difference: float, metric: str) -> float:
    """The difference, or infinity where the metric cannot differ by so much."""
    return inf if difference > span(metric) else difference


def error_df(shared: Exam) -> float | None:
    """Degrees of freedom that a difference's standard error has: fewer than clusters, where a few of them make up most
    of it. None for metrics that rank items, and of too few clusters.

    From the variance of a variance, kurtosis / n + 2 / (n - 1) of its square, with the unbiased excess kurtosis.
    """
    n = shared.clusters
    if n < _FEWEST_FOR_TAILS or any(side.measured.formula is None for side in shared.sides):
        return None
    one, two = (pseudo_values(side, n) for side in shared.sides)
    apart = two - one - (two - one).mean()
    variance = float((apart**2).mean())
    if not variance > 0:
        return None
    excess = float((apart**4).mean()) / variance**2 - 3
    excess = (n - 1) * ((n + 1) * excess + 6) / ((n - 2) * (n - 3))
    of_variance = excess / n + 2 / (n - 1)
    return 2 / of_variance if of_variance > 0 else None


def binary(measured: Sequence[Measured], kept: npt.NDArray[np.bool_]) -> bool:
    """Whether all are means of verdicts 0 and 1 on the items kept."""
    return all(
        one.formula is ratio
        and one.stats.shape[1] == 2
        and bool((np.isin(one.stats[kept, 0], (0, 1)) & (one.stats[kept, 1] == 1)).all())
        for one in measured
    )


def under_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences with p_adjusted and verdict under Holm: for secondary metrics and slices of one exam."""
    adjusted = holm([difference.p for difference in differences])
    return [
        replace(
            old,
            p_adjusted=p,
            verdict=verdict(
                old.diff,
                old.low,
                old.high,
                p,
                clusters=old.clusters,
                margin=old.margin,
                higher_is_better=old.higher_is_better,
            ),
        )
        for old, p in zip(differences, adjusted, strict=True)
    ]
