"""Answers that say the prompt again instead of answering it."""

from __future__ import annotations

import re
from typing import Final

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import MaxRule
from curation.stages.filters.scan import OPENS

SHORTEST_PROMPT: Final = 40  # characters; restating a short question is good style
_WORD: Final = re.compile(r"[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+|[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_RUN: Final = 4  # tokens that must agree in a row


def echo(answers: Answers, rule: MaxRule) -> Found:
    """Reason echo; the value is the share of the answer's words that lie in runs taken from the prompt.

    Only where the answer repeats the prompt's very beginning and at least half of the prompt: a corrected text or a
    quoted passage repeats its input, but not the instruction before it.
    """
    suspects = rows_where(answers.count(OPENS) > 0)
    texts = zip(answers.answers(suspects), answers.prompts(suspects), strict=True)
    values = [echoed(answer, prompt) for answer, prompt in texts]
    found = [(row, value) for row, value in zip(suspects, values, strict=True) if value > rule.max]
    return Found("echo", [row for row, _ in found], [value for _, value in found], rule.max)


def echoed(answer: str, prompt: str) -> float:
    """Share of the answer that comes from the prompt; 0 if it does not repeat at least half of the prompt."""
    if len(prompt) < SHORTEST_PROMPT:
        return 0.0
    said, asked = _WORD.findall(answer.lower()), _WORD.findall(prompt.lower())
    if _covered(asked, said) < 0.5:
        return 0.0
    return _covered(said, asked)


def _covered(words: list[str], source: list[str]) -> float:
    """Share of `words` inside a run of _RUN words that `source` has too."""
    if len(words) < _RUN:
        return 0.0
    runs = {tuple(source[i : i + _RUN]) for i in range(len(source) - _RUN + 1)}
    covered = bytearray(len(words))
    for i in range(len(words) - _RUN + 1):
        if tuple(words[i : i + _RUN]) in runs:
            covered[i : i + _RUN] = b"\1" * _RUN
    return sum(covered) / len(words)
