"""What an automatic rule is given, one prediction, and what it gives: a finding with its evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from eval.metrics.tokens import unicode_tokens
from eval.tags.stop_words import STOP_WORDS


@dataclass(frozen=True, slots=True)
class Copy:
    """The training answer that an output is most like. similarity: Jaccard of sequences of five words."""

    row_id: str
    place: str  # raw/tickets.jsonl:17
    similarity: float


@dataclass(frozen=True)
class Prediction:
    """One output and what is known beside it; what is not known is None, and rules that need it say nothing.

    asked: the last user message; context: all messages before the answer. rank: the share of the run's outputs that
    the model was less sure of.
    """

    id: str
    asked: str
    output: str | None
    reference: str | None = None
    context: str = ""
    finish_reason: str = ""
    rank: float | None = None
    copy: Copy | None = None

    @property
    def text(self) -> str:
        return self.output or ""

    @cached_property
    def words(self) -> list[str]:
        return unicode_tokens(self.text)

    @cached_property
    def reference_words(self) -> list[str]:
        return unicode_tokens(self.reference or "")

    @property
    def source(self) -> str:
        """What may support the output: question, context and reference."""
        return "\n".join(text for text in (self.context, self.asked, self.reference) if text)


@dataclass(frozen=True, slots=True)
class Finding:
    """span: characters of the output that show it, None where what shows it is not there."""

    tag: str
    span: tuple[int, int] | None
    confidence: float
    detail: str = ""


Find = Callable[[Prediction], Finding | None]


def whole(prediction: Prediction) -> tuple[int, int]:
    return 0, len(prediction.text)


def content(words: list[str]) -> list[str]:
    """Words that carry meaning; numbers do."""
    return [word for word in words if word not in STOP_WORDS]


def stems(words: list[str]) -> set[str]:
    """Beginnings of words, so that "jams" and "jammed" are one."""
    return {word[:5] if len(word) > 5 else word.removesuffix("s") if len(word) > 3 else word for word in words}


def span_of(words: list[str], text: str) -> tuple[int, int] | None:
    """Where words stand one after the other; None if they do not."""
    found = re.search(r"[\W_]+".join(map(re.escape, words)), text, re.IGNORECASE) if words else None
    return found.span() if found else None
