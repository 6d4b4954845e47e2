"""ROUGE-1, -2, -L and -Lsum, item by item as rouge_score gives them in English, with a Unicode tokenizer elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.metrics.metric import (
    Floats,
    Items,
    Measured,
    Metric,
    mean_of,
    referenced,
    references_of,
    spread,
    take,
    with_references,
)
from eval.metrics.tokens import ascii_tokens, encode, stem, tokenizer

if TYPE_CHECKING:
    from eval.metrics.overlap import Ints  # with numba, which reading what is stored needs not


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Every (output, reference) of the items that have both, tokenised line by line."""

    rows: Ints  # items
    owner: Ints  # item of each pair
    outputs: list[list[list[str]]]  # pair, line, token
    references: list[list[list[str]]]
    tokenizers: str


def rouge(variant: str) -> Metric:
    """variant: 1, 2, L or Lsum. F-measure from 0 to 1; with several references the best one counts.

    Option stemmer (off): Porter's, for English alone. Lines of Lsum are split at line ends.
    """
    name = f"rouge{variant}"

    def measure(items: Items, options: Mapping[str, Any]) -> Measured:
        from eval.metrics.overlap import first_best

        stemmer = bool(take(options, name, stemmer=False)["stemmer"])
        pairs = _pairs(items, name, stemmer, lines=variant == "Lsum")
        scores = _SCORES[variant](pairs)
        best = scores[first_best(scores, pairs.owner)]
        signature = f"{name}|f1|tok:{pairs.tokenizers}|stem:{'porter' if stemmer else 'no'}|refs:best"
        return mean_of(name, signature, spread(best, pairs.rows, len(items)))

    return measure


def _pairs(items: Items, name: str, stemmer: bool, lines: bool) -> _Pairs:
    rows = referenced(items, name)
    owner: list[int] = []
    outputs, references = [], []
    for i in rows.tolist():
        cut = _cut(items.language(i), stemmer, lines)
        output = cut(items.outputs[i] or "")
        for reference in references_of(items, i):
            owner.append(i)
            outputs.append(output)
            references.append(cut(reference))
    used = {tokenizer(items.language(i))[0] for i in with_references(items)}
    return _Pairs(rows, np.asarray(owner, np.int64), outputs, references, "+".join(sorted(used)))


def _cut(language: str | None, stemmer: bool, lines: bool) -> Callable[[str], list[list[str]]]:
    """Text -> its lines' tokens."""
    _, words = tokenizer(language)
    if stemmer and language == "en":
        words = _stemmed
    if lines:
        return lambda text: [words(line) for line in text.split("\n") if line]
    return lambda text: [words(text)]


def _stemmed(text: str) -> list[str]:
    reduce = stem()
    return [stemmed for token in ascii_tokens(text) if (stemmed := reduce(token))]


def _flat(texts: Sequence[Sequence[Sequence[str]]], vocabulary: dict[str, int]) -> tuple[Any, Ints]:
    return encode(([token for line in lines for token in line] for lines in texts), vocabulary)


def _ngrams(order: int) -> Callable[[_Pairs], Floats]:
    def score(pairs: _Pairs) -> Floats:
        from eval.metrics.overlap import f1, shared_ngrams

        vocabulary: dict[str, int] = {}
        outputs, references = _flat(pairs.outputs, vocabulary), _flat(pairs.references, vocabulary)
        counts = shared_ngrams(*outputs, *references, order)[:, order - 1]
        return f1(counts[:, 2], counts[:, 0], counts[:, 1])

    return score


def _subsequence(pairs: _Pairs) -> Floats:
    from eval.metrics.overlap import common_subsequences, f1

    vocabulary: dict[str, int] = {}
    outputs, references = _flat(pairs.outputs, vocabulary), _flat(pairs.references, vocabulary)
    return f1(common_subsequences(*outputs, *references), np.diff(outputs[1]), np.diff(references[1]))


def _summary(pairs: _Pairs) -> Floats:
    from eval.metrics.overlap import f1, union_hits

    vocabulary: dict[str, int] = {}
    sides = []
    for texts in (pairs.references, pairs.outputs):
        ids, at = encode((line for lines in texts for line in lines), vocabulary)
        sides.append((ids, at, np.asarray([0, *accumulate(len(lines) for lines in texts)], np.int64)))
    hits = union_hits(*sides[0], *sides[1], len(vocabulary))
    tokens = [np.diff(at[lines]) for _, at, lines in sides]
    return f1(hits, tokens[1], tokens[0])


_SCORES: Mapping[str, Callable[[_Pairs], Floats]] = {
    "1": _ngrams(1),
    "2": _ngrams(2),
    "L": _subsequence,
    "Lsum": _summary,
}
