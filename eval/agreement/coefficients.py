"""Coefficients of agreement as functions of sums over items, so that a resample of items is a sum with weights.

Each has `per_item`: ratings [items, raters] of category numbers (-1: not rated) and the number of categories
to [items, m]; and `value`: sums [..., m] of these to the coefficient [...], NaN where it is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Coefficient:
    per_item: Callable[[Array, int], Array]
    value: Callable[[Array, int], Array]
    raters: int | None = None  # it is defined for just so many; None: any number from two


def counts(ratings: Array, categories: int) -> Array:
    """[items, categories]: how many raters chose each."""
    return np.stack([(ratings == c).sum(1) for c in range(categories)], axis=1).astype(float)


def _paired(ratings: Array, categories: int) -> Array:
    """[items, categories * categories + 1]: the pair of categories that two raters chose; 0 where one is missing."""
    both = (ratings >= 0).all(1)
    table = np.zeros((len(ratings), categories * categories))
    table[np.flatnonzero(both), ratings[both, 0] * categories + ratings[both, 1]] = 1
    return table


def _cohen(sums: Array, categories: int) -> Array:
    table = sums.reshape(*sums.shape[:-1], categories, categories)
    table = _shares(table, (-2, -1))
    observed = np.trace(table, axis1=-2, axis2=-1)
    return _beyond(observed, (table.sum(-1) * table.sum(-2)).sum(-1))


def _pairs_and_shares(ratings: Array, categories: int) -> Array:
    """[items, 3 + 2 * categories]: agreement within pairs, 1 if rated twice or more, shares of each category,
    1 if rated at all, and counts among items rated twice or more."""
    n = counts(ratings, categories)
    raters = n.sum(1)
    twice, once = raters >= 2, raters >= 1
    pairs = np.divide((n * (n - 1)).sum(1), raters * (raters - 1), out=np.zeros(len(n)), where=twice)
    shares = np.divide(n, raters[:, None], out=np.zeros_like(n), where=once[:, None])
    return np.column_stack([pairs, twice, once, shares, n * twice[:, None]])


def _observed(sums: Array) -> Array:
    return _ratio(sums[..., 0], sums[..., 1])


def _fleiss(sums: Array, categories: int) -> Array:
    chosen = _shares(sums[..., 3 + categories :], -1)
    return _beyond(_observed(sums), (chosen**2).sum(-1))


def _gwet(sums: Array, categories: int) -> Array:
    if categories < 2:
        return np.full(sums.shape[:-1], np.nan)
    chosen = _ratio(sums[..., 3 : 3 + categories], sums[..., 2:3])
    return _beyond(_observed(sums), (chosen * (1 - chosen)).sum(-1) / (categories - 1))


def _coincidences(ratings: Array, categories: int) -> Array:
    """[items, categories * categories]: pairs of values within an item, each item's weighted by 1 / (raters - 1)."""
    n = counts(ratings, categories)
    raters = n.sum(1)
    weight = np.divide(1.0, raters - 1, out=np.zeros(len(n)), where=raters >= 2)
    pairs = n[:, :, None] * n[:, None, :] - np.eye(categories) * n[:, :, None]
    weighted: Array = pairs * weight[:, None, None]
    return weighted.reshape(len(n), -1)


def _alpha(sums: Array, categories: int, *, ordinal: bool) -> Array:
    table = sums.reshape(*sums.shape[:-1], categories, categories)
    totals = table.sum(-1)
    n = totals.sum(-1)
    distance = _ordinal(totals) if ordinal else np.broadcast_to(1 - np.eye(categories), table.shape)
    observed = (table * distance).sum((-2, -1))
    expected = (totals[..., :, None] * totals[..., None, :] * distance).sum((-2, -1))
    alpha: Array = 1 - _ratio((n - 1) * observed, expected)
    return alpha


def _ordinal(totals: Array) -> Array:
    """Krippendorff's ordinal distance: values between two ranks, the two themselves by half, squared."""
    ends = np.cumsum(totals, -1)
    middles = ends - totals / 2
    between: Array = middles[..., :, None] - middles[..., None, :]
    squared: Array = np.square(between)
    return squared


def _beyond(observed: Array, expected: Array) -> Array:
    """Agreement beyond chance; NaN where chance alone agrees always."""
    return _ratio(observed - expected, 1 - expected)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(below) > 1e-12, above / below, np.nan)


def _shares(table: Array, axes: int | tuple[int, ...]) -> Array:
    return _ratio(table, table.sum(axes, keepdims=True))


COEFFICIENTS: Final[Mapping[str, Coefficient]] = {
    # Cohen (1960), A coefficient of agreement for nominal scales.
    "cohen_kappa": Coefficient(_paired, _cohen, raters=2),
    # Fleiss (1971), Measuring nominal scale agreement among many raters; items with fewer raters count as they are.
    "fleiss_kappa": Coefficient(_pairs_and_shares, _fleiss),
    # Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    "alpha_nominal": Coefficient(_coincidences, partial(_alpha, ordinal=False)),
    "alpha_ordinal": Coefficient(_coincidences, partial(_alpha, ordinal=True)),
    # Gwet (2008), Computing inter-rater reliability and its variance in the presence of high agreement.
    "gwet_ac1": Coefficient(_pairs_and_shares, _gwet),
    "pairwise": Coefficient(_pairs_and_shares, lambda sums, categories: _observed(sums)),
}
