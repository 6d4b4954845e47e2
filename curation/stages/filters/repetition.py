"""Answers that go round in a loop: the share of five-token runs that stood in the answer before."""

from __future__ import annotations

import numpy as np

from curation.stages.filters.answers import Answers, Found, rows_where, share
from curation.stages.filters.config import MaxRule
from curation.stages.filters.scan import NGRAM, REPEATED, TOKENS

FEWEST_TOKENS = 12  # a shorter answer that repeats itself is a rhyme or an emphasis


def repetition(answers: Answers, rule: MaxRule) -> Found:
    """Reason repetition. A token is a word, or one character in scripts written without spaces."""
    tokens = answers.count(TOKENS)
    value = share(answers.count(REPEATED), np.maximum(tokens - NGRAM + 1, 0))
    rows = rows_where((tokens >= FEWEST_TOKENS) & (value > rule.max))
    return Found("repetition", rows, value[rows], rule.max)
