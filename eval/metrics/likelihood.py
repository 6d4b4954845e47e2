"""Perplexity and bits per character of the gold answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log
from typing import Any

import numpy as np

from eval.metrics.metric import Floats, Items, Measured, numbers, ratio, share_of, take


def perplexity(items: Items, options: Mapping[str, Any]) -> Measured:
    """exp(-log-probability / tokens), weighted by tokens. Not comparable between tokenizers."""
    take(options, "perplexity")
    tokens = numbers(items, "tokens", "perplexity")
    made = share_of(
        "perplexity", "perplexity|per:token|answer-only", -numbers(items, "logprob", "perplexity"), tokens, False
    )
    return replace(made, item=perplexity_of_sums(made.stats), formula=perplexity_of_sums)


def perplexity_of_sums(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):  # a model that is sure and wrong: infinity says it well
        return np.exp(ratio(sums))


def bits_per_char(items: Items, options: Mapping[str, Any]) -> Measured:
    """-log2 probability / characters of the answer: comparable between tokenizers."""
    take(options, "bits_per_char")
    bits = -numbers(items, "logprob", "bits_per_char") / log(2)
    return share_of(
        "bits_per_char", "bits_per_char|answer-only", bits, numbers(items, "characters", "bits_per_char"), False
    )
