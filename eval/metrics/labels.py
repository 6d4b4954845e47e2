"""Accuracy and macro F1 where the answer is one of a few labels or options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from curation.errors import ConfigError, DataError
from eval.metrics.matching import normalisation
from eval.metrics.metric import Floats, Items, Measured, column, mean_of, take

_MOST_CLASSES: Final = 200  # more are no label task, and three numbers a class and item are kept


def accuracy(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of items whose predicted label is the gold one. An output that is no label is wrong."""
    name, predicted, gold = _answers(items, options, "accuracy")
    values = [float("nan") if p is None or g is None else float(p == g) for p, g in zip(predicted, gold, strict=True)]
    return mean_of("accuracy", f"accuracy|norm:{name}", values)


def macro_f1(items: Items, options: Mapping[str, Any]) -> Measured:
    """Mean F1 of the classes that occur among the labels or predictions of the (re)sample; 0 to 1.

    An output that is no class counts as a miss of the gold one. The item's own value is 1 if it is right.
    """
    name, predicted, gold = _answers(items, options, "macro_f1")
    classes = sorted({g for g in gold if g is not None} | _offered(items, name))
    if len(classes) > _MOST_CLASSES:
        raise ConfigError(f"metric macro_f1: {len(classes)} classes; it is for tasks with up to {_MOST_CLASSES} labels")
    number = {label: k for k, label in enumerate(classes)}
    stats = np.zeros((len(items), 3 * len(classes)))  # true positives, false positives, false negatives
    item = np.full(len(items), np.nan)
    for i, (p, g) in enumerate(zip(predicted, gold, strict=True)):
        if p is None or g is None:
            stats[i] = np.nan
            continue
        item[i] = p == g
        if p == g:
            stats[i, number[g]] = 1
            continue
        stats[i, 2 * len(classes) + number[g]] = 1
        if p in number:
            stats[i, len(classes) + number[p]] = 1
    return Measured("macro_f1", f"macro_f1|norm:{name}|classes:{len(classes)}", stats, item, _macro)


def _macro(sums: Floats) -> Floats:
    hits, false, missed = np.split(sums, 3, axis=1)
    total = 2 * hits + false + missed
    scores = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return np.asarray(scores.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1))


def _offered(items: Items, name: str) -> set[str]:
    """The classes that items offer, if all offer the same: options of a quiz are no classes."""
    _, normal = normalisation({"normalise": name}, "macro_f1")
    sets = {frozenset(map(normal, offered)) for offered in items.options or () if offered}
    return set(sets.pop()) if len(sets) == 1 else set()


def _answers(items: Items, options: Mapping[str, Any], metric: str) -> tuple[str, list[str | None], list[str | None]]:
    """(normalisation, predicted labels, gold labels). Predicted: the likeliest option, else the output itself."""
    name, normal = normalisation(take(options, metric, normalise="plain"), metric)
    gold = [None if label is None else normal(label) for label in column(items, "labels", metric)]
    if items.option_logprobs is None:
        predicted = [None if text is None else normal(text) for text in items.outputs]
    else:
        offered = column(items, "options", metric)
        predicted = []
        for i, logprobs in enumerate(items.option_logprobs):
            best = _likeliest(logprobs, offered[i], i, metric)
            predicted.append(None if best is None else normal(best))
    return name, predicted, gold


def _likeliest(logprobs: Any, offered: Any, i: int, metric: str) -> str | None:
    if not usable(logprobs, offered, i, metric):
        return None
    return str(offered[int(np.argmax(logprobs))])


def usable(logprobs: Any, offered: Any, i: int, metric: str) -> bool:
    """Whether item i has a number for each of its options; DataError if there are more or fewer numbers."""
    if logprobs is None or offered is None:
        return False
    if len(logprobs) != len(offered):
        raise DataError(f"metric {metric}: item {i} has {len(logprobs)} option_logprobs for {len(offered)} options")
    return len(offered) > 0 and not bool(np.isnan(np.asarray(logprobs, np.float64)).any())
