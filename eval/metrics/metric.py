"""What a metric is given (Items) and what it gives (Measured): a value an item, and a corpus value for any resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import ConfigError, DataError, did_you_mean

Floats = npt.NDArray[np.float64]
Formula = Callable[[Floats], Floats]  # sums of statistics [R, k] -> corpus values [R]
Numbers = Sequence[float] | npt.NDArray[Any]
Ranked = Callable[[Floats, Floats], Floats]  # statistics [items, k], weights [R, items] -> corpus values [R]


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Columns of equal length, one entry an item; what is None a metric cannot use. Text None = missing, "" = empty.

    logprob: sum of natural-log probabilities of the scored answer's tokens; tokens, characters: its counts (the
    end-of-turn token is a token and no character). option_logprobs: one log-likelihood an option. confidence, right:
    a number that orders items by trust, and a verdict 1 or 0; NaN where there is none.
    """

    outputs: Sequence[str | None]
    references: Sequence[Sequence[str] | None] | None = None
    contexts: Sequence[str | None] | None = None
    languages: Sequence[str | None] | None = None  # ISO 639-1
    logprob: Numbers | None = None
    tokens: Numbers | None = None
    characters: Numbers | None = None
    labels: Sequence[str | None] | None = None
    options: Sequence[Sequence[str] | None] | None = None
    option_logprobs: Sequence[Numbers | None] | None = None
    confidence: Numbers | None = None
    right: Numbers | None = None

    def __post_init__(self) -> None:
        for name in Items.__slots__:
            column = getattr(self, name)
            if column is not None and len(column) != len(self.outputs):
                raise DataError(f"items: {name} has {len(column)} entries, outputs {len(self.outputs)}; give one each")
        for name in ("references", "options"):
            if any(isinstance(entry, str) for entry in getattr(self, name) or ()):
                raise DataError(f"items: {name} must be a list of texts for every item, not one text")

    def __len__(self) -> int:
        return len(self.outputs)

    def language(self, i: int) -> str | None:
        return self.languages[i] if self.languages is not None else None


Metric = Callable[[Items, Mapping[str, Any]], "Measured"]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One metric of one model's outputs.

    stats: [items, k]; a row of NaN is a missing item. The corpus value of a set of items is formula(sum of their
    rows), so it can be computed anew for any resample. Metrics that rank items against each other have `ranked`
    instead, a function of all rows and their weights. item: the value of one item alone; NaN where it is missing or
    says nothing (no number in the answer), which then still has its row. higher_is_better: None = neither.
    """

    name: str
    signature: str
    stats: Floats
    item: Floats
    formula: Formula | None
    higher_is_better: bool | None = True
    ranked: Ranked | None = None

    def __post_init__(self) -> None:
        assert (self.formula is None) != (self.ranked is None), self.name
        assert len(self.stats) == len(self.item), (self.name, self.stats.shape, self.item.shape)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which items are not missing."""
        return np.asarray(~np.isnan(self.stats).any(axis=1))

    @property
    def missing(self) -> int:
        return int(len(self.stats) - self.present.sum())

    @property
    def value(self) -> float:
        """The corpus value; NaN if every item is missing."""
        there = self.present
        return float(self.over(self.stats[there], np.ones((1, int(there.sum()))))[0]) if there.any() else float("nan")

    def over(self, rows: Floats, weights: Floats) -> Floats:
        """Corpus values for weights [R, rows] of statistics without NaN: rows of items or, if additive, of clusters."""
        if self.ranked is not None:
            return self.ranked(rows, weights)
        assert self.formula is not None
        return self.formula(weights @ rows)


def ratio(sums: Floats) -> Floats:
    """First sum over second; NaN where the second is 0."""
    values: Floats = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] != 0)
    return values


def mean_of(name: str, signature: str, values: Any, higher_is_better: bool | None = True) -> Measured:
    """A metric whose corpus value is the mean of its items' values; NaN = missing."""
    item = np.asarray(values, np.float64)
    stats = np.stack([item, np.where(np.isnan(item), np.nan, 1.0)], axis=1)
    return Measured(name, signature, stats, item, ratio, higher_is_better)


def share_of(name: str, signature: str, part: Any, whole: Any, higher_is_better: bool | None = True) -> Measured:
    """A metric whose corpus value is sum(part) / sum(whole); an item with whole 0 says nothing, NaN is missing."""
    stats = np.stack([np.asarray(part, np.float64), np.asarray(whole, np.float64)], axis=1)
    stats[np.isnan(stats).any(axis=1)] = np.nan
    return Measured(name, signature, stats, ratio(stats), ratio, higher_is_better)


def take(options: Mapping[str, Any], metric: str, **defaults: Any) -> dict[str, Any]:
    """The metric's options over its defaults; ConfigError for one it does not have."""
    for name in options:
        if name not in defaults:
            hint = did_you_mean(name, defaults) if defaults else "; it has none"
            raise ConfigError(f'metric {metric}: it has no option "{name}"{hint}')
    return {**defaults, **options}


def column(items: Items, name: str, metric: str) -> Any:
    """A column the metric cannot do without; DataError if the items do not have it."""
    values = getattr(items, name)
    if values is None:
        raise DataError(f"metric {metric}: the predictions have no {name}; leave {metric} out, or give them")
    return values


def numbers(items: Items, name: str, metric: str) -> Floats:
    """A column of numbers; infinities count as missing."""
    values = np.asarray(
        [np.nan if value is None else value for value in column(items, name, metric)], np.float64
    ).reshape(-1)
    return np.where(np.isfinite(values), values, np.nan)


def referenced(items: Items, metric: str) -> npt.NDArray[np.int64]:
    """The items that have an output and a reference; DataError if there are items and none of them has."""
    there = [i for i in with_references(items) if items.outputs[i] is not None]
    if len(items) and not there:
        what = "a reference" if any(o is not None for o in items.outputs) else "an output"
        raise DataError(f"metric {metric}: none of {len(items)} items has {what}; leave {metric} out, or give them")
    return np.asarray(there, np.int64)


def with_references(items: Items) -> list[int]:
    """What a signature may depend on: the same for every model that sits the exam, whatever outputs it lacks."""
    return [i for i, references in enumerate(items.references or ()) if references]


def references_of(items: Items, i: int) -> Sequence[str]:
    assert items.references is not None
    return items.references[i] or ()


def spread(values: Any, rows: npt.NDArray[np.int64], items: int) -> Floats:
    """Values of some items as an array over all of them, NaN elsewhere."""
    values = np.asarray(values, np.float64)
    wide = np.full((items, *values.shape[1:]), np.nan)
    wide[rows] = values
    return wide
