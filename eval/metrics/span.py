"""How far apart two values of a metric can be: what no interval of a difference may go beyond."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

_SHARES: Final = (
    *("exact_match", "token_f1", "rouge1", "rouge2", "rougeL", "rougeLsum", "json_valid", "regex_match"),
    *("python_parses", "refusal_rate", "repetition_rate", "number_support", "name_support", "accuracy", "macro_f1"),
    *("ece", "auroc", "aurc", "acc", "acc_norm", "verdict (people)"),
)
_SPANS: Final[Mapping[str, float]] = {**dict.fromkeys(_SHARES, 1.0), "bleu": 100.0, "chrf": 100.0, "brier": 2.0}


def span(metric: str) -> float:
    """The largest difference there can be; infinite where the metric has no bounds, or they are not known."""
    return _SPANS.get(metric, inf)
