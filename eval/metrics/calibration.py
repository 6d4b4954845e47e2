"""Whether confidence means anything: ECE and Brier for options, AUROC and risk-coverage for right or wrong verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from curation.errors import ConfigError
from eval.metrics.labels import usable
from eval.metrics.metric import Floats, Items, Measured, column, mean_of, numbers, take


def ece(items: Items, options: Mapping[str, Any]) -> Measured:
    """Expected calibration error of the likeliest option's probability, equal-width bins (Guo et al. 2017).

    https://arxiv.org/abs/1706.04599. Never below 0, and above it by chance alone on small sets.
    """
    bins = take(options, "ece", bins=15)["bins"]
    if not isinstance(bins, int) or bins < 1:
        raise ConfigError(f"metric ece: bins: {bins!r} must be a whole number from 1")
    stats = np.full((len(items), 3 * bins), np.nan)
    item = np.full(len(items), np.nan)
    for i, probabilities, gold in _probabilities(items, "ece"):
        sure, right = float(probabilities.max()), float(probabilities.argmax() == gold)
        at = min(int(np.ceil(sure * bins)) - 1, bins - 1)  # bins are open below: (0, 1/15], ...
        stats[i] = 0
        stats[i, [at, bins + at, 2 * bins + at]] = [1, sure, right]
        item[i] = abs(sure - right)

    def gap(sums: Floats) -> Floats:
        count, sure, right = np.split(sums, 3, axis=1)
        return np.asarray(np.abs(sure - right).sum(axis=1) / np.maximum(count.sum(axis=1), 1))

    return Measured("ece", f"ece|bins:{bins}|equal-width|options", stats, item, gap, higher_is_better=False)


def brier(items: Items, options: Mapping[str, Any]) -> Measured:
    """Squared distance of the options' probabilities from the truth, summed over options (Brier 1950): 0 to 2."""
    take(options, "brier")
    values = np.full(len(items), np.nan)
    for i, probabilities, gold in _probabilities(items, "brier"):
        truth = np.zeros(len(probabilities))
        truth[gold] = 1
        values[i] = ((probabilities - truth) ** 2).sum()
    return mean_of("brier", "brier|sum-over-options", values, higher_is_better=False)


def _probabilities(items: Items, metric: str) -> list[tuple[int, Floats, int]]:
    """(item, softmax of the options' log-likelihoods, number of the gold option) where all of it is there."""
    logprobs, offered = column(items, "option_logprobs", metric), column(items, "options", metric)
    found = []
    for i, label in enumerate(column(items, "labels", metric)):
        if label is None or not usable(logprobs[i], offered[i], i, metric) or label not in offered[i]:
            continue
        values = np.asarray(logprobs[i], np.float64)
        if np.isneginf(values).all():
            continue
        shares = np.exp(values - values.max())
        found.append((i, shares / shares.sum(), list(offered[i]).index(label)))
    return found


def auroc(items: Items, options: Mapping[str, Any]) -> Measured:
    """Chance that a right answer has more confidence than a wrong one; ties count half. NaN if all are alike."""
    take(options, "auroc")
    return _ranking(items, "auroc", "auroc|ties:half", _auroc, True)


def aurc(items: Items, options: Mapping[str, Any]) -> Measured:
    """Area under the risk-coverage curve: error rate among the most confident, averaged over all coverages.

    Geifman et al. 2019, https://arxiv.org/abs/1805.08206. Items of equal confidence enter together.
    """
    take(options, "aurc")
    return _ranking(items, "aurc", "aurc|ties:together", _aurc, False)


def _ranking(items: Items, name: str, signature: str, ranked: Any, higher_is_better: bool) -> Measured:
    stats = np.stack([numbers(items, "confidence", name), numbers(items, "right", name)], axis=1)
    stats[np.isnan(stats).any(axis=1)] = np.nan
    # The verdict is no value of this metric for the item: only the ranking of all items is one.
    item = np.full(len(items), np.nan)
    return Measured(name, signature, stats, item, None, higher_is_better, ranked)


def _auroc(rows: Floats, weights: Floats) -> Floats:
    right, wrong = _by_confidence(rows, weights)
    below = np.cumsum(wrong, axis=1) - wrong
    pairs = right.sum(axis=1) * wrong.sum(axis=1)
    wins = (right * (below + wrong / 2)).sum(axis=1)
    return np.asarray(np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0))


def _aurc(rows: Floats, weights: Floats) -> Floats:
    right, wrong = (side[:, ::-1] for side in _by_confidence(rows, weights))
    count = right + wrong
    covered, errors = np.cumsum(count, axis=1), np.cumsum(wrong, axis=1)
    risk = np.divide(errors, covered, out=np.zeros_like(errors), where=covered > 0)
    total = count.sum(axis=1)
    area = np.divide((risk * count).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)
    return np.asarray(area)


def _by_confidence(rows: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of right and of wrong items at every distinct confidence, ascending: two arrays [R, confidences]."""
    order = np.argsort(rows[:, 0], kind="stable")
    starts = np.flatnonzero(np.diff(rows[order, 0], prepend=-np.inf))
    sorted_weights = weights[:, order]
    right = np.add.reduceat(sorted_weights * rows[order, 1], starts, axis=1)
    wrong = np.add.reduceat(sorted_weights * (1 - rows[order, 1]), starts, axis=1)
    return right, wrong
