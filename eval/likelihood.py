"""How likely a model finds the gold answers: natural-log likelihood of their tokens, end of turn included."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from curation.templates.refusal import TemplateRefusal
from eval.arc.likelihood import log_likelihoods
from eval.arc.prompts import Branches
from train.model.encoding import encoded_pieces
from train.model.of_run import Loaded
from train.model.template import with_system

_WINDOW: Final = 64  # answers that are read ahead, to sort them by length


class Asked(NamedTuple):
    key: str
    record: Mapping[str, Any]  # ends with the gold answer


class Likelihood(NamedTuple):
    key: str
    nll: float | None  # None: it cannot be had, and `detail` says why
    tokens: int
    detail: str = ""


def likelihoods(loaded: Loaded, asked: Iterable[Asked]) -> Iterator[list[Likelihood]]:
    """Of every answer, a window at a time. The tokens are those that training sees."""
    pad = loaded.tokenizer.pad_token_id or 0
    source = iter(asked)
    while window := list(islice(source, _WINDOW)):
        found = [_tokens(loaded, one) for one in window]
        entries = [one for one in found if isinstance(one, Branches)]
        sums = iter(log_likelihoods(loaded.model, entries, pad=pad))
        yield [
            one if isinstance(one, Likelihood) else _told(told.key, one, next(sums))
            for told, one in zip(window, found, strict=True)
        ]


class LabelLikelihoods(NamedTuple):
    key: str
    logliks: list[float] | None  # one a label; None: they cannot be had, and `detail` says why
    detail: str = ""


def label_likelihoods(
    loaded: Loaded, asked: Iterable[Asked], labels: Sequence[str]
) -> Iterator[list[LabelLikelihoods]]:
    """How likely the model finds each label as the answer, its end of turn included; a window of prompts at a time.

    The prompt is read once for all labels, as in `eval.arc`.
    """
    pad = loaded.tokenizer.pad_token_id or 0
    source = iter(asked)
    while window := list(islice(source, _WINDOW)):
        found = [_of_labels(loaded, number, one, labels) for number, one in enumerate(window)]
        entries = [entry for one in found if not isinstance(one, LabelLikelihoods) for entry in one]
        values: list[list[float]] = [[math.nan] * len(labels) for _ in window]
        for entry, sums in zip(entries, log_likelihoods(loaded.model, entries, pad=pad), strict=True):
            for choice, value in zip(entry.choices, sums, strict=True):
                values[entry.question][choice] = value
        yield [
            one if isinstance(one, LabelLikelihoods) else _labelled(told.key, numbers)
            for told, one, numbers in zip(window, found, values, strict=True)
        ]


def _of_labels(loaded: Loaded, number: int, asked: Asked, labels: Sequence[str]) -> list[Branches] | LabelLikelihoods:
    """One entry where all labels share the prompt's tokens, else more."""
    shared: dict[tuple[int, ...], Branches] = {}
    *before, answer = asked.record["messages"]
    for choice, label in enumerate(labels):
        said = {"role": answer["role"], "content": label}
        found = _tokens(loaded, Asked(asked.key, {**asked.record, "messages": [*before, said]}))
        if isinstance(found, Likelihood):
            return LabelLikelihoods(asked.key, None, found.detail)
        entry = shared.setdefault(tuple(found.context), Branches(number, found.context, [], []))
        entry.choices.append(choice)
        entry.continuations.append(found.continuations[0])
    return list(shared.values())


def _labelled(key: str, values: list[float]) -> LabelLikelihoods:
    if not all(map(math.isfinite, values)):
        return LabelLikelihoods(key, None, "the model's output is not a number")
    return LabelLikelihoods(key, values)


def _tokens(loaded: Loaded, asked: Asked) -> Branches | Likelihood:
    try:
        pieces = encoded_pieces(with_system(asked.record, loaded.system_prompt), loaded.template, loaded.tokenizer)
    except TemplateRefusal as refusal:
        return Likelihood(asked.key, None, 0, f"{loaded.template.name}: {refusal.detail}")
    last = max((at for at, piece in enumerate(pieces) if piece.trained), default=0)
    prompt, answer = [token for piece in pieces[:last] for token in piece.ids], pieces[last].ids
    if not last or not answer or not prompt:
        return Likelihood(asked.key, None, 0, "the template makes no token of the answer")
    if loaded.context and len(prompt) + len(answer) - 1 > loaded.context:
        detail = f"prompt and answer have {len(prompt) + len(answer):,} tokens, the model reads {loaded.context:,}"
        return Likelihood(asked.key, None, len(answer), detail)
    return Branches(0, prompt, [0], [answer])


def _told(key: str, entry: Branches, sums: Sequence[float]) -> Likelihood:
    (value,), (answer,) = sums, entry.continuations
    if not math.isfinite(value):
        return Likelihood(key, None, len(answer), "the model's output is not a number")
    return Likelihood(key, -value, len(answer))
