"""The metrics by name; `measure` computes one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError, DataError, did_you_mean
from curation.user_code import USE
from eval.metrics.behaviour import length_ratio, refusal_rate, repetition_rate
from eval.metrics.calibration import aurc, auroc, brier, ece
from eval.metrics.labels import accuracy, macro_f1
from eval.metrics.likelihood import bits_per_char, perplexity
from eval.metrics.machine_translation import bleu, chrf
from eval.metrics.matching import exact_match, token_f1
from eval.metrics.metric import Items, Measured, Metric
from eval.metrics.own import load_own, own_metric
from eval.metrics.rouge import rouge
from eval.metrics.support import name_support, number_support
from eval.metrics.validity import json_valid, python_parses, regex_match

METRICS: Final[Mapping[str, Metric]] = {
    "perplexity": perplexity,
    "bits_per_char": bits_per_char,
    "bleu": bleu,
    "chrf": chrf,
    "rouge1": rouge("1"),
    "rouge2": rouge("2"),
    "rougeL": rouge("L"),
    "rougeLsum": rouge("Lsum"),
    "exact_match": exact_match,
    "token_f1": token_f1,
    "json_valid": json_valid,
    "regex_match": regex_match,
    "python_parses": python_parses,
    "length_ratio": length_ratio,
    "refusal_rate": refusal_rate,
    "repetition_rate": repetition_rate,
    "number_support": number_support,
    "name_support": name_support,
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "ece": ece,
    "brier": brier,
    "auroc": auroc,
    "aurc": aurc,
}

_LESS: Final = ("perplexity", "bits_per_char", "repetition_rate", "ece", "brier", "aurc")  # is better
_NEITHER: Final = ("length_ratio", "refusal_rate")

_ONE: Final = Items(
    ["x"],
    references=[["x"]],
    contexts=["x"],
    logprob=[-1.0],
    tokens=[1],
    characters=[1],
    labels=["x"],
    options=[["x", "y"]],
    option_logprobs=[[-1.0, -2.0]],
    confidence=[-1.0],
    right=[1.0],
)


def measure(
    name: str,
    items: Items,
    options: Mapping[str, Any] | None = None,
    *,
    root: Path | None = None,
    trusted: bool = False,
) -> Measured:
    """One metric of these items: a name of METRICS, or MODULE:NAME of a file of the workspace at `root`.

    ConfigError for an unknown name or option; DataError where every item lacks what the metric needs.
    """
    check_name(name)
    if name in METRICS:
        return METRICS[name](items, options or {})
    return own_metric(name, items, options or {}, _workspace(name, root), trusted)


def higher_is_better(name: str, options: Mapping[str, Any]) -> bool | None:
    """Which way is better, without measuring anything; None: neither."""
    if name in METRICS:
        return None if name in _NEITHER else name not in _LESS
    return bool(options.get("higher_is_better", True))


def check_options(name: str, options: Mapping[str, Any], *, root: Path | None = None, trusted: bool = False) -> None:
    """ConfigError for what `measure` would refuse of any answers: known before a model is asked for the first one."""
    check_name(name)
    if name not in METRICS:
        load_own(name, options, _workspace(name, root), trusted)
        return
    with suppress(DataError):
        METRICS[name](_ONE, options)


def _workspace(name: str, root: Path | None) -> Path:
    if root is None:
        raise ConfigError(f"metric {name}: your own metrics are files of a workspace; run inside one")
    return root


def check_name(name: str) -> None:
    """ConfigError, with the closest known name, for a metric that does not exist."""
    if name not in METRICS and not USE.fullmatch(name):
        raise ConfigError(
            f'metric "{name}" is not known{did_you_mean(name, METRICS)}; your own is MODULE:FUNCTION of the workspace'
        )
