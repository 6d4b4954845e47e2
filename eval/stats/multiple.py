"""P-values of several questions asked of one exam: Holm, Benjamini-Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: any false finding among them is as unlikely as the level says. NaN is no question."""
    return _adjusted(p, stepping_down=True)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the expected share of false findings; for exploring. NaN is no question."""
    return _adjusted(p, stepping_down=False)


def _adjusted(p: Sequence[float], stepping_down: bool) -> list[float]:
    values = np.asarray(p, np.float64)
    asked = np.flatnonzero(~np.isnan(values))
    order = asked[np.argsort(values[asked], kind="stable")]
    m = len(order)
    adjusted = np.full(len(values), np.nan)
    if stepping_down:
        adjusted[order] = np.maximum.accumulate(values[order] * np.arange(m, 0, -1))
    else:
        adjusted[order] = np.minimum.accumulate((values[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    return [float(value) for value in np.minimum(adjusted, 1.0)]
