"""Answers too short or too long, in characters; an answer without any text is the business of `empty`."""

from __future__ import annotations

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import RangeRule
from curation.stages.filters.scan import CHARS, VISIBLE


def too_short(answers: Answers, rule: RangeRule) -> Found:
    """Reason too_short; the value is the number of characters."""
    rows = rows_where((answers.count(CHARS) < rule.min) & (answers.count(VISIBLE) > 0))
    return Found("too_short", rows, answers.count(CHARS)[rows], rule.min)


def too_long(answers: Answers, rule: RangeRule) -> Found:
    """Reason too_long; the value is the number of characters."""
    rows = rows_where(answers.count(CHARS) > rule.max)
    return Found("too_long", rows, answers.count(CHARS)[rows], rule.max)
