"""One coefficient of one table of ratings, with a bootstrap interval over items."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from curation.errors import ConfigError, did_you_mean
from eval.agreement.coefficients import COEFFICIENTS

RESAMPLES: Final = 2000
_AT_ONCE: Final = 200  # resamples; bounds the memory of the weights


@dataclass(frozen=True, slots=True)
class Agreement:
    """`value`, `low` and `high` are NaN where the coefficient is not defined, as when all chose one category."""

    coefficient: str
    value: float
    low: float  # 95 % percentile interval over items
    high: float
    items: int  # rated by two or more
    raters: int


def agreement(
    ratings: Sequence[Sequence[Hashable | None]],
    coefficient: str,
    *,
    categories: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Agreement of `ratings`: a row an item, a column a rater, None where one did not rate.

    `categories` in their order (it matters for alpha_ordinal); by default those seen, sorted. What nobody chose
    still counts as a category for gwet_ac1. 0 resamples: no interval.
    """
    if coefficient not in COEFFICIENTS:
        raise ConfigError(f'coefficient "{coefficient}" is not known{did_you_mean(coefficient, COEFFICIENTS)}')
    chosen = COEFFICIENTS[coefficient]
    names = (
        list(categories)
        if categories is not None
        else sorted({v for row in ratings for v in row if v is not None}, key=str)
    )
    table = _coded(ratings, names)
    if chosen.raters and table.shape[1] != chosen.raters:
        raise ConfigError(f"{coefficient} is for {chosen.raters} raters, here are {table.shape[1]}; use fleiss_kappa")
    rated = (table >= 0).sum(1) >= 2
    per_item = chosen.per_item(table, len(names)) if len(table) and names else np.zeros((0, 1))
    if not rated.any():
        return Agreement(coefficient, np.nan, np.nan, np.nan, 0, table.shape[1])
    value = float(chosen.value(per_item.sum(0), len(names)))
    generator = np.random.default_rng(seed)
    # Items that are rated alike are drawn together: the same distribution, and a handful of kinds instead of all items.
    kinds, count = np.unique(per_item, axis=0, return_counts=True)
    drawn = [
        chosen.value(generator.multinomial(len(table), count / len(table), n) @ kinds, len(names))
        for n in _parts(resamples)
    ]
    values = np.concatenate(drawn) if drawn else np.array([np.nan])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return Agreement(coefficient, value, float(low), float(high), int(rated.sum()), table.shape[1])


def _coded(ratings: Sequence[Sequence[Hashable | None]], names: Sequence[Hashable]) -> np.ndarray:
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted({str(v) for row in ratings for v in row if v is not None and v not in number})
    if unknown:
        raise ConfigError(f'"{unknown[0]}" is not one of the categories{did_you_mean(unknown[0], map(str, names))}')
    rows = [[-1 if v is None else number[v] for v in row] for row in ratings]
    return np.array(rows, dtype=int).reshape(len(rows), len(rows[0]) if rows else 0)


def _parts(resamples: int) -> list[int]:
    return [min(_AT_ONCE, resamples - at) for at in range(0, resamples, _AT_ONCE)]
