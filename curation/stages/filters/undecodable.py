"""Answers with bytes that no decoder could read: U+FFFD, control and private-use characters."""

from __future__ import annotations

from curation.stages.filters.answers import Answers, Found, rows_where, share
from curation.stages.filters.config import Rule
from curation.stages.filters.scan import BAD, CHARS

# One lost letter in a long answer is mojibake (a flag); from one in a hundred the text is damaged.
MOST = 0.01


def undecodable(answers: Answers, rule: Rule) -> Found:
    """Reason undecodable; the value is the share of such characters."""
    value = share(answers.count(BAD), answers.count(CHARS))
    rows = rows_where(value > MOST)
    return Found("undecodable", rows, value[rows], MOST)
