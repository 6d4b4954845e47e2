"""What each factor does, alone and with another: paired over the same items, intervals by cluster, Holm over all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.errors import DataError
from eval.metrics.metric import Floats, Measured, mean_of, ratio
from eval.stats.compare import Difference, compare_paired, under_holm
from eval.variants.config import Factor

_DUST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Effect:
    """difference: of a main effect, level minus the factor's first level, averaged over the other factors' levels; of
    an interaction, how much more a change of one factor does at the other's level. value, against: corpus values at
    the level and at the first level; of an interaction NaN."""

    kind: Literal["main", "interaction"]
    factors: tuple[str, ...]
    levels: tuple[str, ...]
    metric: str
    value: float
    against: float
    difference: Difference

    @property
    def name(self) -> str:
        """system=on, or system=on with wording=must."""
        return " with ".join(f"{factor}={level}" for factor, level in zip(self.factors, self.levels, strict=True))


class _Contrast(NamedTuple):
    kind: Literal["main", "interaction"]
    factors: tuple[int, ...]
    levels: tuple[int, ...]
    weights: Floats  # one a cell; they sum to 0


def effects(
    factors: Sequence[Factor],
    cells: Sequence[Mapping[str, Measured]],
    clusters: npt.NDArray[Any],
    margins: Mapping[str, float],
    interactions: bool = True,
    seed: int = 0,
) -> list[Effect]:
    """Effects of every metric. cells: each metric of each cell, in the cells' order, over the same items.

    An item counts where every cell has a value for it; the value of a set of items is the mean of theirs. p from the
    paired permutation test on each item's own contrast, which clusters flip. DataError where no item has all values.
    """
    shape = tuple(len(factor.levels) for factor in factors)
    found = []
    for metric in cells[0]:
        found += list(
            _of_metric(factors, [cell[metric] for cell in cells], shape, clusters, margins, interactions, seed)
        )
    adjusted = under_holm([one.difference for one in found])
    return [replace(one, difference=new) for one, new in zip(found, adjusted, strict=True)]


def _of_metric(
    factors: Sequence[Factor],
    cells: Sequence[Measured],
    shape: tuple[int, ...],
    clusters: npt.NDArray[Any],
    margins: Mapping[str, float],
    interactions: bool,
    seed: int,
) -> Iterator[Effect]:
    first = cells[0]
    if len({cell.signature for cell in cells}) > 1:
        raise DataError(f"{first.name}: was not measured alike in all combinations; compute them anew")
    values = np.stack([cell.item for cell in cells])  # [cells, items]
    values[:, np.isnan(values).any(axis=0)] = np.nan
    if np.isnan(values).all():
        raise DataError(f"{first.name}: no item has a value in every combination; is an output missing everywhere?")
    means = np.nanmean(values, axis=1)
    signature = first.signature if first.formula is ratio and _is_mean(first) else f"{first.signature}|mean-of-items"
    for contrast in _contrasts(shape, interactions):
        main = contrast.kind == "main"
        better = first.higher_is_better if main else None
        gained = mean_of(first.name, signature, _without_dust(contrast.weights @ values, values), better)
        nothing = mean_of(first.name, signature, np.where(np.isnan(gained.item), np.nan, 0.0), better)
        margin = margins.get(first.name, 0.0) if main else 0.0
        difference = compare_paired(nothing, gained, clusters, margin, seed)
        level, against = (float(np.clip(sign * contrast.weights, 0, None) @ means) for sign in (1, -1))
        if not main:
            level = against = float("nan")
        yield Effect(
            contrast.kind,
            tuple(factors[at].name for at in contrast.factors),
            tuple(factors[at].levels[to].name for at, to in zip(contrast.factors, contrast.levels, strict=True)),
            first.name,
            level,
            against,
            replace(difference, value_a=against, value_b=level),
        )


def _without_dust(gained: Floats, values: Floats) -> Floats:
    """Thirds do not add up to exactly nothing; a difference of rounding alone, in all items, would seem a sure one."""
    return np.where(np.abs(gained) < _DUST * max(1.0, float(np.nanmax(np.abs(values)))), 0.0, gained)


def _contrasts(shape: tuple[int, ...], interactions: bool) -> Iterator[_Contrast]:
    """Weights of the cells, the last factor's level changing fastest."""
    for at, levels in enumerate(shape):
        for level in range(1, levels):
            yield _Contrast("main", (at,), (level,), _weights(shape, {at: level}))
    for one in range(len(shape) if interactions else 0):
        for two in range(one + 1, len(shape)):
            for first, second in product(range(1, shape[one]), range(1, shape[two])):
                both = _weights(shape, {one: first, two: second})
                yield _Contrast("interaction", (one, two), (first, second), both)


def _weights(shape: tuple[int, ...], levels: Mapping[int, int]) -> Floats:
    """Level minus first level along each of these factors, averaged over the others."""
    weights = np.ones(())
    for at, count in enumerate(shape):
        along = np.full(count, 1 / count)
        if at in levels:
            along = np.zeros(count)
            along[levels[at]], along[0] = 1.0, -1.0
        weights = np.multiply.outer(weights, along)
    return np.asarray(weights.ravel(), np.float64)


def _is_mean(measured: Measured) -> bool:
    """Whether the corpus value is the mean of the items' values."""
    there = measured.present
    return measured.stats.shape[1] == 2 and bool((measured.stats[there, 1] == 1).all())
