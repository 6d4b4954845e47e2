"""Scores a multiple-choice benchmark: log-likelihoods, accuracy, and accuracy by character."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from curation.templates import Template
from eval.arc.likelihood import log_likelihoods
from eval.arc.prompts import answers, branches, fitted
from eval.arc.questions import Question
from eval.arc.settings import ChoiceSettings

HARNESS: Final = ChoiceSettings()  # as the harness scores ARC by default


@dataclass(frozen=True, slots=True)
class Scored:
    """One entry a question, in order."""

    questions: tuple[Question, ...]
    settings: ChoiceSettings
    log_likelihoods: tuple[tuple[float, ...], ...]  # one a choice, natural logarithm
    cut: tuple[str, ...] = ()  # ids of questions longer than the model's context, which lost their beginning

    @property
    def acc(self) -> np.ndarray:
        """1 where the likeliest choice is right (the first of equals), else 0; NaN where a log-likelihood is."""
        return np.array([self._hit(q, np.array(v)) for q, v in self._pairs()])

    @property
    def acc_norm(self) -> np.ndarray:
        """The same by log-likelihood per character of what is scored, its leading space not counted."""
        lengths = [np.array([float(len(a)) or 1.0 for a in answers(q, self.settings)]) for q in self.questions]
        return np.array([self._hit(q, np.array(v) / n) for (q, v), n in zip(self._pairs(), lengths, strict=True)])

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return float(np.mean([1 / len(q.choices) for q in self.questions])) if self.questions else 0.0

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the likeliest choice among the choices."""
        return np.array([1 / np.exp(np.array(v) - max(v)).sum() for v in self.log_likelihoods])

    def _pairs(self) -> list[tuple[Question, tuple[float, ...]]]:
        return list(zip(self.questions, self.log_likelihoods, strict=True))

    @staticmethod
    def _hit(question: Question, values: np.ndarray) -> float:
        if np.isnan(values).any():  # what a model could not say is not wrong
            return float("nan")
        return float(values.argmax() == question.right)


def score(
    model: Any,
    tokenizer: Any,
    questions: Sequence[Question],
    settings: ChoiceSettings = HARNESS,
    *,
    template: Template | None = None,
    examples: Sequence[Question] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Score every choice of every question; equal to lm-evaluation-harness 0.4.13 (docs/results.md).

    `examples` are the train questions that few-shot prompts draw from. `progress` is told (done, all) of the entries.
    A few-shot prompt longer than the model's context is a ConfigError that names the length; a question that is
    too long by itself loses its beginning, as in the harness, and is listed in `cut`.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    whole = branches(questions, settings, tokenizer, template=template, examples=examples)
    entries = fitted(whole, limit, settings.shots)
    cut = dict.fromkeys(questions[entry.question].id for entry in whole if limit and entry.longest > limit)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    tell = (lambda done: progress(done, len(entries))) if progress else None
    found = log_likelihoods(model, entries, pad=pad, batch_tokens=settings.batch_tokens, progress=tell)
    values: list[list[float]] = [[0.0] * len(q.choices) for q in questions]
    for entry, sums in zip(entries, found, strict=True):
        for choice, value in zip(entry.choices, sums, strict=True):
            values[entry.question][choice] = value
    return Scored(tuple(questions), settings, tuple(map(tuple, values)), tuple(cut))
