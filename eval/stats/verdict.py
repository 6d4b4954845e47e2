"""The verdict on a difference, in words."""

from __future__ import annotations

from typing import Final, Literal

Verdict = Literal["better", "worse", "higher", "lower", "same within the margin", "cannot tell"]
Gate = Literal["passed", "failed", "cannot tell"]

# Of two models that agree on a handful of items nobody can say that they are the same.
FEWEST_FOR_SAME: Final = 30


def verdict(
    diff: float,
    low: float,
    high: float,
    p: float,
    *,
    clusters: int,
    margin: float,
    higher_is_better: bool | None,
    alpha: float = 0.05,
) -> Verdict:
    """Second against first, whose values differ by `diff` (second minus first).

    same within the margin: the interval lies inside +-margin, whatever p says, on at least FEWEST_FOR_SAME clusters.
    better, worse (higher, lower where neither is better): p <= alpha, and the interval leaves 0 out.
    """
    if clusters < 2 or not low <= high:  # NaN too
        return "cannot tell"
    if margin > 0 and -margin < low and high < margin and clusters >= FEWEST_FOR_SAME:
        return "same within the margin"
    if p > alpha or low <= 0 <= high:
        return "cannot tell"
    if higher_is_better is None:
        return "higher" if diff > 0 else "lower"
    return "better" if (diff > 0) == higher_is_better else "worse"


def no_loss(low: float, high: float, *, margin: float, higher_is_better: bool | None) -> Gate:
    """Non-inferiority gate: passed if the interval of second minus first excludes a loss as large as the margin.

    failed: it excludes anything smaller. Without a direction, a change either way is a loss.
    """
    if not low <= high:
        return "cannot tell"
    if higher_is_better is None:
        within, beyond = -margin < low and high < margin, high < -margin or low > margin
    elif higher_is_better:
        within, beyond = low > -margin, high < -margin
    else:
        within, beyond = high < margin, low > margin
    return "passed" if within else "failed" if beyond else "cannot tell"
