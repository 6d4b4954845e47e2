"""One model's corpus value with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.metrics.metric import Measured
from eval.stats.compare import binary
from eval.stats.distributions import wilson
from eval.stats.exam import exam
from eval.stats.resampling import RESAMPLES, bootstrap, interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A corpus value, its 95 % interval, and the n items it is of; missing: the items without."""

    name: str
    signature: str
    value: float
    low: float
    high: float
    n: int
    clusters: int
    missing: int


def estimate(
    measured: Measured,
    clusters: Sequence[Hashable] | npt.NDArray[Any] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Wilson's interval for shares of unclustered right or wrong items, else the cluster bootstrap's.

    Where all are right or all wrong no resample tells anything: then Wilson's of as many items as there are clusters.
    """
    alone = exam((measured,), clusters)
    low = high = nan
    verdicts = alone.n and binary((measured,), alone.kept)
    share = float(measured.item[alone.kept].mean()) if verdicts else nan
    if verdicts and (alone.clusters == alone.n or share in (0, 1)):
        low, high = wilson(share * alone.clusters, alone.clusters)
    elif alone.clusters:
        low, high = interval(bootstrap(alone, seed, resamples)[0], alone.clusters)
    value = float(alone.sides[0].over(np.ones((1, alone.clusters)))[0]) if alone.clusters else nan
    return Estimate(
        measured.name, measured.signature, value, low, high, alone.n, alone.clusters, len(alone.kept) - alone.n
    )
