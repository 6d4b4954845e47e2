"""The suite's metrics of every model on one exam, and what differs between two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import DataError
from eval.compare.claim import FEWEST_CLUSTERS, difference
from eval.compare.exam import Exam, clusters_of
from eval.compare.sheet import Sheet
from eval.compare.stored import StoredOnce, from_store
from eval.measuring import Trust, measured, slices_of
from eval.metrics.metric import Measured
from eval.stats.compare import Difference
from eval.suite import Suite


@dataclass(frozen=True, slots=True)
class Draws:
    """How often is resampled and permuted, and with which seed."""

    seed: int = 0
    resamples: int = 2_000
    permutations: int = 10_000

    def as_keywords(self) -> dict[str, int]:
        return {"seed": self.seed, "resamples": self.resamples, "permutations": self.permutations}


Table = Mapping[str, Sequence[Measured]]  # metric -> one entry a model


def measures(sheets: Sequence[Sheet], suite: Suite, trust: Trust, notes: list[str]) -> dict[str, list[Measured]]:
    """Metrics that every model has; the others are named in `notes`. DataError where the primary one is among them."""
    found: dict[str, list[Measured]] = {}
    stored = StoredOnce()
    for choice in suite.metrics:
        alone = replace(suite, metrics=(choice,))
        try:
            each = [_directed(_of_sheet(one, alone, trust, stored), suite) for one in sheets]
        except DataError as error:
            if choice.name == suite.primary.metric:
                raise
            notes.append(str(error))
            continue
        if not all(one.present.any() for one in each):
            without = [sheet.name for sheet, one in zip(sheets, each, strict=True) if not one.present.any()]
            lacking = f"{choice.name}: no answer of {', '.join(without)} has what it needs"
            if choice.name == suite.primary.metric:
                raise DataError(f"{lacking}; name another primary metric in the suite")
            notes.append(lacking)
            continue
        if len({one.signature for one in each}) > 1:
            raise DataError(
                f"{choice.name}: {each[0].signature} against {each[-1].signature}; compute both anew, alike"
            )
        found[choice.name] = each
    return found


def _of_sheet(one: Sheet, alone: Suite, trust: Trust, stored: StoredOnce) -> Measured:
    """The one metric of this suite: from what the evaluations stored where that still holds, else measured."""
    found = from_store(one, alone, stored)
    return measured(one, alone, trust)[alone.metrics[0].name] if found is None else found


def _directed(metric: Measured, suite: Suite) -> Measured:
    if metric.name != suite.primary.metric or suite.primary.direction is None:
        return metric
    return replace(metric, higher_is_better=suite.primary.direction == "higher")


def part_of(metric: Measured, chosen: npt.NDArray[Any]) -> Measured:
    return replace(metric, stats=metric.stats[chosen], item=metric.item[chosen])


def primary(exam: Exam, a: Table, b: Table, draws: Draws) -> Difference:
    chosen = exam.suite.primary
    return difference(a[chosen.metric], b[chosen.metric], clusters_of(exam), chosen.margin, **draws.as_keywords())


def secondary(exam: Exam, a: Table, b: Table, draws: Draws) -> list[Difference]:
    """Every other metric; their p-values are not adjusted yet."""
    clusters = clusters_of(exam)
    names = [name for name in a if name != exam.suite.primary.metric]
    return [difference(a[name], b[name], clusters, 0.0, **draws.as_keywords()) for name in names]


def slices(exam: Exam, one: Sheet, a: Table, b: Table, draws: Draws) -> dict[str, Difference]:
    """The primary metric on each slice of the suite that is large enough to tell anything; not adjusted yet."""
    clusters, chosen = clusters_of(exam), exam.suite.primary
    found = {}
    for name, places in slices_of(one, exam.suite.slices).items():
        if len(places) >= FEWEST_CLUSTERS:
            sides = [[part_of(metric, places) for metric in side[chosen.metric]] for side in (a, b)]
            found[name] = difference(sides[0], sides[1], clusters[places], chosen.margin, **draws.as_keywords())
    return found


def item_values(each: Sequence[Measured]) -> npt.NDArray[np.float64]:
    """Of each item the mean over models; NaN where one has none."""
    values: npt.NDArray[np.float64] = np.mean([np.where(one.present, one.item, np.nan) for one in each], axis=0)
    return values
