"""What the harness says of each item as metrics of ours: a value an item, and a corpus value for any resample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import orjson

from eval.metrics.metric import Floats, Measured, mean_of, ratio, share_of

# The harness's aggregations that can be computed anew from one number, or a sum and its weight, an item.
_OF_SUMS: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "perplexity": lambda sums: np.exp(-ratio(sums)),
    "weighted_perplexity": lambda sums: np.exp(-ratio(sums)),
    "bits_per_byte": lambda sums: -ratio(sums) / math.log(2),
}
_WEIGHTED: Final = ("weighted_perplexity", "bits_per_byte")
AGGREGATIONS: Final = ("mean", "nanmean", *_OF_SUMS)


def kept(value: Any, aggregation: str) -> float | list[float] | None:
    """An item's value as it is stored; None where it is missing. TypeError where it is no number."""
    numbers = [float(part) for part in value] if aggregation in _WEIGHTED else [float(value)]
    if len(numbers) != (2 if aggregation in _WEIGHTED else 1):
        raise TypeError(value)
    if not all(math.isfinite(number) for number in numbers):
        return None
    return numbers if aggregation in _WEIGHTED else numbers[0]


def read_scores(lines: Sequence[str | None], metric: str) -> list[Any]:
    """One metric's stored values, of the JSON texts of items."""
    return [None if text is None else orjson.loads(text).get(metric) for text in lines]


def measured(metric: str, values: Sequence[Any], told: Mapping[str, Any], signature: str) -> Measured:
    """`told`: {aggregation, higher_is_better} of the metric."""
    aggregation, better = told["aggregation"], told.get("higher_is_better", True)
    if aggregation in _WEIGHTED:
        pairs = np.array([[math.nan, math.nan] if value is None else value for value in values], np.float64)
        part, weight = pairs.reshape(-1, 2).T
        found = share_of(metric, signature, part, weight, higher_is_better=better)
    else:
        numbers = [math.nan if value is None else value for value in values]
        found = mean_of(metric, signature, numbers, higher_is_better=better)
    formula = _OF_SUMS.get(aggregation)
    if formula is None:
        return found
    return replace(found, formula=formula, item=np.where(found.present, formula(found.stats), math.nan))
