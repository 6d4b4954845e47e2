"""Metrics of an evaluation from its stored predictions: a value and statistics an item, corpus values by slice."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from curation.errors import ConfigError, DataError
from eval.metrics import METRICS, check_options, measure
from eval.metrics.matching import normalisation
from eval.metrics.metric import Items, Measured
from eval.stats.value import Estimate, estimate
from eval.suite import MetricChoice, Suite

WHOLE: Final = "all"
TOGETHER: Final = ("macro_f1", "ece", "brier", "auroc", "aurc")  # compare items with each other
_RANKING: Final = ("auroc", "aurc")
_OF_OPTIONS: Final = ("ece", "brier")
_MOST_SLICES: Final = 30  # of one field
_NO_VALUE: Final = "-"
_READ: Final = (
    *("output", "reference", "prompt", "logprob_mean", "reference_nll", "reference_tokens", "reference_chars"),
)


class Answered(Protocol):
    """What metrics are measured of: the folder of an evaluation, or what reads like one."""

    def items(self, columns: list[str] | None = None) -> Any: ...

    def predictions(self, columns: list[str] | None = None) -> Any: ...

    def verdicts(self) -> Mapping[str, float]: ...

    def batches(self, name: str, columns: list[str] | None = None) -> Iterator[Any]:
        """A table in parts; those of items and of predictions are of equal length."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Where the user's own metrics lie, and whether they may be run without asking."""

    root: Path | None = None
    trusted: bool = False


def measured(folder: Answered, suite: Suite, trust: Trust = Trust()) -> dict[str, Measured]:
    """Every metric of the suite, over the items in their order.

    Texts are read a part at a time where that gives the same values. DataError where no item has what a metric needs.
    """
    parts: dict[str, list[Measured]] = {choice.name: [] for choice in suite.metrics}
    together = {choice.name for choice in suite.metrics if choice.name in TOGETHER or choice.name not in METRICS}
    for items in _parts(folder, suite):
        for choice in suite.metrics:
            if choice.name not in together:
                try:
                    parts[choice.name].append(measure(choice.name, items, choice.options))
                except DataError:  # nothing in this part has what it needs
                    together.add(choice.name)
    found = {}
    for choice in suite.metrics:
        joined = None if choice.name in together else _joined(parts[choice.name])
        found[choice.name] = joined if joined is not None else _together(folder, suite, choice, trust)
    return found


def check_metrics(suite: Suite, trust: Trust = Trust()) -> None:
    """ConfigError, before anything is asked, for options that a metric has not and own code that cannot run."""
    for choice in suite.metrics:
        options = dict(choice.options)
        if choice.name in _RANKING:
            _judge(choice)
            options = {key: value for key, value in options.items() if key not in ("right", "at")}
        check_options(choice.name, options, root=trust.root, trusted=trust.trusted)


def item_rows(found: Mapping[str, Measured], ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Lines of ITEM_METRICS."""
    for name, metric in found.items():
        present = metric.present
        for i, item in enumerate(ids):
            stats = metric.stats[i].tolist() if present[i] else None
            yield {"item_id": item, "metric": name, "value": finite(float(metric.item[i])), "stats": stats}


def metric_rows(
    split: str,
    found: Mapping[str, Measured],
    clusters: npt.NDArray[Any] | None,
    slices: Mapping[str, npt.NDArray[Any]],
    whole_exam: int,
) -> Iterator[dict[str, Any]]:
    """Lines of METRICS: each metric over all items, and over the items (places) of each slice; 95 % intervals.

    Slices in which a metric has no item are left out. `whole_exam`: how many items there were to ask; where fewer
    were, the signature says that the score is partial.
    """
    for metric in found.values():
        if len(metric.item) < whole_exam:
            metric = replace(metric, signature=f"{metric.signature}|partial:{len(metric.item)}/{whole_exam}")
        whole = np.arange(len(metric.item))
        for name, chosen in {WHOLE: whole, **slices}.items():
            here = replace(metric, stats=metric.stats[chosen], item=metric.item[chosen])
            value = estimate(here, None if clusters is None else clusters[chosen])
            if value.n or name == WHOLE:
                yield metric_row(split, name, value)


def metric_row(split: str, part: str, value: Estimate) -> dict[str, Any]:
    numbers = {"value": value.value, "ci_low": finite(value.low), "ci_high": finite(value.high)}
    return {
        "split": split,
        "slice": part,
        "metric": value.name,
        **numbers,
        "n": value.n,
        "signature": value.signature,
    }


def slices_of(folder: Answered, fields: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """field=value -> places of the items that have it; of a field with many values the most frequent ones."""
    if not fields:
        return {}
    values: list[list[str]] = [[] for _ in fields]
    for batch in folder.batches("items", ["meta"]):
        for text in batch["meta"].to_pylist():
            meta = orjson.loads(text)
            for at, name in enumerate(fields):
                values[at].append(_value(meta, name))
    found = {}
    for name, column in zip(fields, values, strict=True):
        array = np.asarray(column, object)
        for value, _ in sorted(Counter(column).most_common(_MOST_SLICES)):
            found[f"{name}={value}"] = np.flatnonzero(array == value)
    return found


def fields_of_no_item(folder: Answered, fields: Sequence[str]) -> list[str]:
    """Those that no item's meta has: likely a slip of the pen in the suite."""
    lacking = dict.fromkeys(fields)
    for batch in folder.batches("items", ["meta"]) if lacking else ():
        for text in batch["meta"].to_pylist():
            meta = orjson.loads(text)
            lacking = {name: None for name in lacking if _value(meta, name) == _NO_VALUE}
        if not lacking:
            break
    return list(lacking)


def slice_values(folder: Answered, fields: Sequence[str]) -> dict[str, dict[str, str]]:
    """item -> field -> value, of fields of its meta."""
    found: dict[str, dict[str, str]] = {}
    for batch in folder.batches("items", ["item_id", "meta"]) if fields else ():
        for item, text in zip(batch["item_id"].to_pylist(), batch["meta"].to_pylist(), strict=True):
            meta = orjson.loads(text)
            found[item] = {name: _value(meta, name) for name in fields}
    return found


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _value(meta: Mapping[str, Any], name: str) -> str:
    at: Any = meta
    for part in name.split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    return _NO_VALUE if at is None else at if isinstance(at, str) else json.dumps(at, sort_keys=True)


def _together(folder: Answered, suite: Suite, choice: MetricChoice, trust: Trust) -> Measured:
    if choice.name in _RANKING:
        return _ranking(folder, suite, choice)
    (items,) = _parts(folder, suite, at_once=True)
    if choice.name in _OF_OPTIONS:
        made = measure(choice.name, _with_labels(items, folder, choice.name), choice.options)
        return replace(made, signature=f"{made.signature}|labels:likelihood")
    return measure(choice.name, items, choice.options, root=trust.root, trusted=trust.trusted)


def _ranking(folder: Answered, suite: Suite, choice: MetricChoice) -> Measured:
    """Of all items at once, but of two numbers each and no text."""
    given = {key: value for key, value in choice.options.items() if key not in ("right", "at")}
    confidence = folder.predictions(["logprob_mean"])["logprob_mean"].to_pylist()
    right, told = _right(folder, suite, choice)
    made = measure(choice.name, Items([None] * len(right), confidence=confidence, right=right), given)
    return replace(made, signature=f"{made.signature}|confidence:logprob_mean|right:{told}")


def _right(folder: Answered, suite: Suite, choice: MetricChoice) -> tuple[npt.NDArray[np.float64], str]:
    """Which outputs are right, and who says so: people where they judged any, and then the judged ones alone; else a
    metric (option `right`, exact_match) from a value on (`at`, .5)."""
    if said := folder.verdicts():
        ids = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()
        return np.array([said.get(one, math.nan) for one in ids]), "people"
    name, at = _judge(choice)
    judge = measured(folder, replace(suite, metrics=(MetricChoice(name),)))[name]
    hits = np.where(np.isnan(judge.item), math.nan, judge.item >= at)
    return hits, judge.signature if name == "exact_match" else f"{judge.signature}>={at:g}"


def _judge(choice: MetricChoice) -> tuple[str, float]:
    name, at = str(choice.options.get("right", "exact_match")), choice.options.get("at", 0.5)
    if name not in METRICS or name in TOGETHER or not isinstance(at, int | float):
        raise ConfigError(f"metric {choice.name}: right: {name}, at: {at}: give a metric of each output and a number")
    return name, at


def _with_labels(items: Items, folder: Answered, metric: str) -> Items:
    """With how likely each label is as the answer; DataError where the suite names no labels."""
    if items.options is None:
        raise DataError(f"metric {metric}: is of label tasks; name the answers there are in the suite (labels: [...])")
    _, normal = normalisation({"normalise": "plain"}, metric)
    named = {normal(label): label for label in (items.options[0] if len(items) else None) or ()}
    gold = [None if label is None else named.get(normal(label)) for label in items.labels or ()]
    logliks = folder.predictions(["label_logliks"])["label_logliks"].to_pylist()
    return replace(items, labels=gold, option_logprobs=logliks)


def _joined(parts: Sequence[Measured]) -> Measured | None:
    """One metric of parts that were measured alike; None where they were not."""
    if not parts or len({part.signature for part in parts}) > 1 or len({part.stats.shape[1] for part in parts}) > 1:
        return None
    stats, item = np.concatenate([p.stats for p in parts]), np.concatenate([p.item for p in parts])
    return replace(parts[0], stats=stats, item=item)


def _parts(folder: Answered, suite: Suite, at_once: bool = False) -> Iterator[Items]:
    """The predictions as what metrics are given, a part at a time or all at once."""
    texts, told = list(_READ), ["language"]
    if at_once:
        yield _items(folder.predictions(texts), folder.items(told), suite)
        return
    for batch, languages in zip(folder.batches("predictions", texts), folder.batches("items", told), strict=True):
        yield _items(batch, languages, suite)


def _items(batch: Any, told: Any, suite: Suite) -> Items:
    read = {name: batch[name].to_pylist() for name in _READ}
    references = read["reference"]
    nll = np.asarray([math.nan if value is None else value for value in read["reference_nll"]], np.float64)
    labels = {"labels": references, "options": [suite.labels] * len(references)} if suite.labels else {}
    return Items(
        outputs=read["output"],
        references=[None if text is None else [text] for text in references],
        contexts=[_context(text) for text in read["prompt"]] if _needs_context(suite) else None,
        languages=told["language"].to_pylist(),
        logprob=-nll,
        tokens=read["reference_tokens"],
        characters=read["reference_chars"],
        confidence=read["logprob_mean"],
        **labels,
    )


def _needs_context(suite: Suite) -> bool:
    return any(choice.name.endswith("_support") for choice in suite.metrics)


def _context(prompt: str) -> str:
    return "\n".join(message["content"] or "" for message in orjson.loads(prompt))
