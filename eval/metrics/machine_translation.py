"""BLEU and chrF: sacrebleu's statistics an item, its formulas over the sums of any resample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from curation.errors import ConfigError
from eval.metrics.metric import Floats, Items, Measured, referenced, references_of, spread, take, with_references
from eval.metrics.tokens import code_points

_ORDERS: Final = 4  # of BLEU, in words
_CHARACTERS: Final = 6  # of chrF, in characters
_BETA: Final = 2  # chrF2: recall counts twice
_LOG_OF_0: Final = -9999999999.0  # sacrebleu's my_log(0)
# Scripts without spaces, for which sacrebleu's own tokenizers need no further package.
_TOKENIZE: Final = {"zh": "zh"} | dict.fromkeys(("ja", "th", "lo", "km", "my"), "char")


def _sacrebleu() -> Any:
    try:
        import sacrebleu.metrics
    except ImportError:
        raise ConfigError('metrics bleu, chrf: sacrebleu is not installed; run: pip install "curate[eval]"') from None
    return sacrebleu.metrics


def bleu(items: Items, options: Mapping[str, Any]) -> Measured:
    """0 to 100. An item's own value is sentence BLEU with effective order.

    Tokenizer 13a, or by the item's language zh or char; option tokenize names another for all.
    """
    chosen = take(options, "bleu", tokenize=None)["tokenize"]
    library = _sacrebleu()
    if chosen is not None and chosen not in library.BLEU.TOKENIZERS:
        raise ConfigError(f'metric bleu: tokenize: "{chosen}" is none of {", ".join(library.BLEU.TOKENIZERS)}')
    rows = referenced(items, "bleu")
    names = {i: chosen or _TOKENIZE.get(items.language(i) or "", "13a") for i in with_references(items)}
    # exp smoothing changes no count; effective order is asked of a scorer of single sentences
    scorers = {name: library.BLEU(tokenize=name, effective_order=True) for name in sorted(set(names.values()))}
    counts = np.zeros((len(rows), 2 + 2 * _ORDERS))
    for n, i in enumerate(rows.tolist()):
        score = scorers[names[i]].sentence_score(items.outputs[i], list(references_of(items, i)))
        counts[n] = [score.sys_len, score.ref_len, *score.counts, *score.totals]
    signature = _signature(library.BLEU(), items).replace("tok:13a", f"tok:{'+'.join(scorers) or '13a'}")
    item = spread(_bleu(counts, effective_order=True), rows, len(items))
    return Measured("bleu", signature, spread(counts, rows, len(items)), item, bleu_of_sums)


def bleu_of_sums(sums: Floats) -> Floats:
    """Corpus BLEU [R] of sums [R, 10]: output length, reference length, matches and totals of orders 1 to 4."""
    return _bleu(sums, effective_order=False)


def _bleu(sums: Floats, effective_order: bool) -> Floats:
    out, ref, correct, total = sums[:, 0], sums[:, 1], sums[:, 2 : 2 + _ORDERS], sums[:, 2 + _ORDERS :]
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.where(out > 0, np.exp(1 - ref / out), 0.0)
        halvings = 2.0 ** np.cumsum((correct == 0) & (total > 0), axis=1)
        precision = np.where(correct == 0, 100 / (halvings * total), 100 * correct / total)
    precision[np.logical_or.accumulate(total == 0, axis=1)] = 0.0
    logs = np.log(precision, out=np.full(precision.shape, _LOG_OF_0), where=precision > 0)
    orders = np.maximum((precision > 0).sum(axis=1), 1) if effective_order else _ORDERS
    logs = np.where(precision > 0, logs, 0.0) if effective_order else logs
    score: Floats = np.where(out < ref, short, 1.0) * np.exp(logs.sum(axis=1) / orders)
    score[~correct.any(axis=1)] = 0.0
    return score


def chrf(items: Items, options: Mapping[str, Any]) -> Measured:
    """chrF2, 0 to 100. With several references the one with the best score for the item counts."""
    from eval.metrics.overlap import first_best, shared_ngrams  # with numba, which reading what is stored needs not

    take(options, "chrf")
    rows = referenced(items, "chrf")
    outputs, references, owner = [], [], []
    for i in rows.tolist():
        output = "".join((items.outputs[i] or "").split())
        for reference in references_of(items, i):
            outputs.append(output)
            references.append("".join(reference.split()))
            owner.append(i)
    counts = shared_ngrams(*code_points(outputs), *code_points(references), _CHARACTERS).astype(np.float64)
    counts[:, :, 0][counts[:, :, 1] == 0] = 0.0  # as sacrebleu: no reference n-gram, nothing to hit
    stats = counts.reshape(len(counts), 3 * _CHARACTERS)
    best = stats[first_best(chrf_of_sums(stats), np.asarray(owner, np.int64))]
    item = spread(chrf_of_sums(best), rows, len(items))
    signature = _signature(_sacrebleu().CHRF(), items)
    return Measured("chrf", signature, spread(best, rows, len(items)), item, chrf_of_sums)


def chrf_of_sums(sums: Floats) -> Floats:
    """Corpus chrF2 [R] of sums [R, 18]: n-grams in the output, in the reference and matches, for orders 1 to 6."""
    out, ref, match = (sums.reshape(-1, _CHARACTERS, 3)[:, :, k] for k in range(3))
    used = (out > 0) & (ref > 0)
    orders = np.maximum(used.sum(axis=1), 1)
    precision = np.divide(match, out, out=np.zeros_like(match), where=used).sum(axis=1) / orders
    recall = np.divide(match, ref, out=np.zeros_like(match), where=used).sum(axis=1) / orders
    below = _BETA**2 * precision + recall
    score = np.divide((1 + _BETA**2) * precision * recall, below, out=np.zeros(len(sums)), where=below > 0)
    return np.asarray(100 * score)


def _signature(scorer: Any, items: Items) -> str:
    """sacrebleu's, for this many references an item."""
    counts = {len(references_of(items, i)) for i in with_references(items)}
    scorer.num_refs = counts.pop() if len(counts) == 1 else -1
    return f"{'BLEU' if scorer.__class__.__name__ == 'BLEU' else 'chrF2'}|{scorer.get_signature().format()}"
