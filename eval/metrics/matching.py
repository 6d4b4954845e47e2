"""Exact match and token F1 after a stated normalisation."""

# ruff: noqa: RUF001 -- punctuation of many scripts

# ruff: noqa: RUF001 -- punctuation of many scripts

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from curation.errors import ConfigError, did_you_mean
from eval.metrics.metric import Items, Measured, mean_of, referenced, references_of, spread, take
from eval.metrics.tokens import encode, unicode_tokens

_SQUAD_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_SQUAD_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_ENDS: Final = " \t\n.!?;,:。！？\"'`“”„‘’«»"


def none(text: str) -> str:
    """As it is, without outer white space."""
    return text.strip()


def plain(text: str) -> str:
    """NFKC, case folded, one space for white space, without quotes and sentence marks at the two ends.

    What stands inside stays: 1.5 is not 15, and -5 is not 5.
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_ENDS)


def squad(text: str) -> str:
    """The SQuAD evaluation script's: lower case, without ASCII punctuation and English articles."""
    return " ".join(_SQUAD_ARTICLES.sub(" ", text.lower().translate(_SQUAD_PUNCTUATION)).split())


NORMALISATIONS: Final[Mapping[str, Callable[[str], str]]] = {"none": none, "plain": plain, "squad": squad}


def normalisation(options: Mapping[str, Any], metric: str) -> tuple[str, Callable[[str], str]]:
    """(name, function) of the option normalise."""
    name = str(options["normalise"])
    if name not in NORMALISATIONS:
        raise ConfigError(f'metric {metric}: normalise: "{name}" is not known{did_you_mean(name, NORMALISATIONS)}')
    return name, NORMALISATIONS[name]


def exact_match(items: Items, options: Mapping[str, Any]) -> Measured:
    """1 if the output equals one of the references. An empty output is right only where an empty one is asked for."""
    name, normal = normalisation(take(options, "exact_match", normalise="plain"), "exact_match")
    rows = referenced(items, "exact_match")
    hits = [
        normal(items.outputs[i] or "") in {normal(reference) for reference in references_of(items, i)}
        for i in rows.tolist()
    ]
    return mean_of("exact_match", f"exact_match|norm:{name}|refs:best", spread(hits, rows, len(items)))


def token_f1(items: Items, options: Mapping[str, Any]) -> Measured:
    """F1 of the bags of words; two texts without words are equal, one without scores 0. The best reference counts."""
    from eval.metrics.overlap import f1, first_best, shared_ngrams  # with numba, which reading what is stored needs not

    name, normal = normalisation(take(options, "token_f1", normalise="plain"), "token_f1")
    cut = str.split if name == "squad" else unicode_tokens
    rows = referenced(items, "token_f1")
    outputs, references, owner = [], [], []
    for i in rows.tolist():
        output = cut(normal(items.outputs[i] or ""))
        for reference in references_of(items, i):
            outputs.append(output)
            references.append(cut(normal(reference)))
            owner.append(i)
    vocabulary: dict[str, int] = {}
    counts = shared_ngrams(*encode(outputs, vocabulary), *encode(references, vocabulary), 1)[:, 0]
    scores = f1(counts[:, 2], counts[:, 0], counts[:, 1])
    scores[(counts[:, 0] == 0) & (counts[:, 1] == 0)] = 1.0
    best = scores[first_best(scores, np.asarray(owner, np.int64))]
    tokens = "space" if name == "squad" else "unicode"
    return mean_of("token_f1", f"token_f1|norm:{name}|tok:{tokens}|refs:best", spread(best, rows, len(items)))
