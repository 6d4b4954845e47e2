"""The user's own metrics: MODULE:NAME of the workspace, a function of outputs and references or an evaluate.Metric."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from curation.errors import ConfigError, DataError
from curation.user_code import Consent, UserCode, line_of, load_function, told
from eval.metrics.metric import Items, Measured, mean_of, take

Scorer = Callable[[list[str], list[list[str]]], Sequence[Any]]


def load_own(use: str, options: Mapping[str, Any], root: Path, trusted: bool) -> tuple[UserCode, dict[str, Any]]:
    """The code of `use`, and its options; ConfigError where there is none, or nobody has consented to run it."""
    chosen = take(options, use, trust=None, higher_is_better=True, key=None)
    consent = Consent(chosen["trust"], trusted, "in the suite, or give --trust-metrics")
    return load_function("metric", use, root, consent), chosen


def own_metric(use: str, items: Items, options: Mapping[str, Any], root: Path, trusted: bool) -> Measured:
    """Scores of `use` (MODULE:NAME, a file of the workspace at `root`), whose mean is the corpus value.

    A function gets (outputs, references) of the items that have an output, references as a list each (empty where
    there is none), and returns one number an item; None or NaN = missing. An evaluate.Metric (class or object) is
    asked item by item. Options: trust (sha256 of the file, as for stages), higher_is_better (true), key (which
    result of an evaluate.Metric, if it gives several).
    """
    code, chosen = load_own(use, options, root, trusted)
    rows = [i for i, text in enumerate(items.outputs) if text is not None]
    given = items.references or [None] * len(items)
    outputs, references = [items.outputs[i] or "" for i in rows], [list(given[i] or ()) for i in rows]
    values = np.full(len(items), np.nan)
    values[rows] = _scores(use, code, _scorer(code.function, chosen["key"]), outputs, references)
    signature = f"{use}|sha256:{code.sha256[:16]}" + (f"|key:{chosen['key']}" if chosen["key"] else "")
    return mean_of(use, signature, values, bool(chosen["higher_is_better"]))


def _scores(use: str, code: UserCode, scorer: Scorer, outputs: list[str], references: list[list[str]]) -> Any:
    try:
        with redirect_stdout(sys.stderr):
            returned = list(scorer(outputs, references))
    except ConfigError as error:
        raise ConfigError(f"metric {use}: {error}") from None
    except (Exception, SystemExit) as error:
        raise DataError(f"metric {use}: {told(error)} ({line_of(error, code.path)})") from error
    if len(returned) != len(outputs):
        raise DataError(f"metric {use}: returned {len(returned)} numbers for {len(outputs)} outputs; return one each")
    try:
        values = np.asarray([np.nan if value is None else float(value) for value in returned], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"metric {use}: what it returned is no list of numbers ({told(error)})") from None
    return np.where(np.isfinite(values), values, np.nan)


def _scorer(named: Callable[..., Any], key: str | None) -> Scorer:
    """The function itself, or one that asks an evaluate.Metric for one item after the other."""
    library = sys.modules.get("evaluate")  # a file that uses it has imported it
    if library is None:
        return named
    metric = named() if isinstance(named, type) and issubclass(named, library.Metric) else named
    if not isinstance(metric, library.Metric):
        return named
    return lambda outputs, references: [
        _one(metric, output, reference, key) for output, reference in zip(outputs, references, strict=True)
    ]


def _one(metric: Any, output: str, references: list[str], key: str | None) -> float | None:
    if not references:
        return None
    try:
        result = metric.compute(predictions=[output], references=[references])
    except ValueError:  # it takes one reference as a text, not a list
        result = max(
            (metric.compute(predictions=[output], references=[reference]) for reference in references),
            key=lambda scores: _number(scores, key),
        )
    return _number(result, key)


def _number(scores: Mapping[str, Any], key: str | None) -> float:
    if key is not None and key in scores:
        return float(scores[key])
    if key is None and len(scores) == 1:
        return float(next(iter(scores.values())))
    what = f'it has no result "{key}"' if key is not None else "it gives several results"
    raise ConfigError(f"{what}; choose one as key: {', '.join(map(str, scores))}")
