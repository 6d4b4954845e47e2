"""Answers in which a code block is opened and not closed."""

from __future__ import annotations

import re

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import Rule
from curation.stages.filters.scan import FENCES

_RUN = re.compile(r"`{3,}")


def unbalanced_fence(answers: Answers, rule: Rule) -> Found:
    """Reason unbalanced_fence; the value is the number of fences."""
    fences = answers.count(FENCES)
    fenced = rows_where(fences > 0)
    rows = [row for row, text in zip(fenced, answers.answers(fenced), strict=True) if leaves_open(text)]
    return Found("unbalanced_fence", rows, fences[rows], None)


def leaves_open(text: str) -> bool:
    """True if the last fence opens a block. A longer run is closed only by one as long (a block that shows a block).

    A fence in the middle of a line that goes on after it (`use ``` to open a block`) is a mention, not a fence.
    """
    opened = 0
    for match in _RUN.finditer(text):
        length = len(match.group())
        if opened and length >= opened:
            opened = 0
        elif not opened and not _mentioned(text, match.start(), match.end()):
            opened = length
    return opened > 0


def _mentioned(text: str, start: int, stop: int) -> bool:
    before = text[text.rfind("\n", 0, start) + 1 : start]
    end = text.find("\n", stop)
    after = text[stop : end if end >= 0 else len(text)]
    return bool(before.strip(" \t>-*0123456789.")) and (" " in after.strip() or end < 0)
