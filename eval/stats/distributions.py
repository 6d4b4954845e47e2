"""Normal and Student's t quantiles, and p-values, without scipy."""

from __future__ import annotations

from functools import cache
from math import exp, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

NORMAL: Final = NormalDist()
_TINY: Final = 1e-300
_CONVERGED: Final = 1e-15
_STEPS: Final = 10_000
_POWER: Final = 0.86  # aimed at, so that 80 % are found also where tails are longer than the normal has
_DRAWS: Final = 100_000


def t_two_sided(t: float, df: float) -> float:
    """P(|T| >= |t|) of Student's t; df may be infinite (normal)."""
    if df == inf:
        return 2 * NORMAL.cdf(-abs(t))
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


@cache
def t_quantile(p: float, df: float) -> float:
    """The value below which a share p of Student's t lies."""
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while 1 - t_two_sided(high, df) / 2 < p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):  # the two are neighbours: nothing lies between
            break
        low, high = (middle, high) if 1 - t_two_sided(middle, df) / 2 < p else (low, middle)
    return (low + high) / 2


def detectable_errors(df: float, known: float | None = None) -> float:
    """How many standard errors a difference must be for a new exam to find it with 80 % power at 5 %.

    df: of the test's t quantile; known: as how well the standard error is known, where tails make that less than df.
    More than t quantiles say, for the stated error is an estimate as well as the one a new exam will be judged by:
    with d = c * S1 * sigma it is found where Z + c * S1 > t * S2, and c is a high quantile of (t * S2 - Z) / S1.
    """
    return _drawn_errors(_rounded(df), _rounded(df if known is None else min(known, df)))


def _rounded(df: float) -> float:
    """So that few of them are drawn for."""
    return max(int(df * 4) / 4, 1.0) if df < 50 else int(min(df, 1_000) // 10) * 10.0


@cache
def _drawn_errors(df: float, known: float) -> float:
    rng = np.random.default_rng(0)
    stated, judged = (np.sqrt(rng.chisquare(known, _DRAWS) / known) for _ in range(2))
    needed = (t_quantile(0.975, df) * judged - rng.standard_normal(_DRAWS)) / stated
    return float(np.quantile(needed, _POWER))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised I_x(a, b) by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    c, d = 1.0, 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    product = d
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_0(1 + step * d)
            c = _away_from_0(1 + step / c)
            product *= c * d
        if abs(c * d - 1) < _CONVERGED:
            break
    return front * product


def _away_from_0(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def wilson(hits: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) for n = 0."""
    if n <= 0:
        return 0.0, 1.0
    z = NORMAL.inv_cdf((1 + level) / 2)
    share = hits / n
    centre, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    below = 1 + z * z / n
    # At the ends the bound is exact, and rounding would miss it.
    return (0.0 if hits == 0 else (centre - half) / below), (1.0 if hits == n else (centre + half) / below)


def mcnemar_mid_p(won: int, lost: int) -> float:
    """Two-sided mid-p of `won` against `lost` discordant pairs (Fagerland et al. 2013); 1 if there are none.

    https://doi.org/10.1186/1471-2288-13-91. The exact test is conservative: 2.5 to 4.2 % false positives at 5 %.
    """
    n, fewer = won + lost, min(won, lost)
    if won == lost:
        return 1.0
    at = [exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2)) for k in range(fewer + 1)]
    return min(1.0, 2 * sum(at) - at[-1])
