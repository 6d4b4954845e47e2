"""Answers made of symbols: neither letters, digits, white space nor common punctuation."""

from __future__ import annotations

from curation.stages.filters.answers import Answers, Found, rows_where, share
from curation.stages.filters.config import MaxRule
from curation.stages.filters.scan import CHARS, SYMBOLS

FEWEST_CHARACTERS = 20  # an emoji or an operator can be the whole right answer


def symbols(answers: Answers, rule: MaxRule) -> Found:
    """Reason symbols; the value is their share of the answer's characters."""
    chars = answers.count(CHARS)
    value = share(answers.count(SYMBOLS), chars)
    rows = rows_where((chars >= FEWEST_CHARACTERS) & (value > rule.max))
    return Found("symbols", rows, value[rows], rule.max)
