"""The same long line or sentence at the beginning or end of many answers that are otherwise different."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from curation.stages.filters.answers import Answers, Found
from curation.stages.filters.config import MaxRule
from curation.stages.filters.scan import PROMPT_HASH, REST_HASH, SEGMENT_HASH, SEGMENT_START, SEGMENT_STOP, SEGMENTS

SHOWN: Final = 80  # characters of the segment in the evidence
_CODE: Final = re.compile(r"[{};>]\s*$|\):\s*$|^(?:```|\||#include|import |from \w+ import|[-|= ]+$)")


def boilerplate(answers: Answers, rule: MaxRule) -> Found:
    """Reason boilerplate; the value is the number of different answers that share the segment.

    The segment has at least 40 bytes and is not code. A whole answer that many prompts share is canned, not
    boilerplate: without the segment nothing of it is left, or always the same.
    """
    prompts = answers.count(PROMPT_HASH)
    counts = np.zeros(len(answers.edges), np.int64)
    where = np.zeros(len(answers.edges), np.int64)
    for segment in range(SEGMENTS):
        edge = answers.edges[:, segment]
        # Many answers to one prompt begin alike without being boilerplate.
        shared = np.minimum(_sharing(edge, edge[:, REST_HASH]), _sharing(edge, prompts))
        where = np.where(shared > counts, segment, where)
        counts = np.maximum(counts, shared)
    rows = np.flatnonzero(counts > rule.max).tolist()
    segments = [_segment(answers, row, int(where[row])) for row in rows]
    prose = [(row, text) for row, text in zip(rows, segments, strict=True) if not _CODE.search(text)]
    rows = [row for row, _ in prose]
    return Found("boilerplate", rows, counts[rows], rule.max, [text[:SHOWN] for _, text in prose])


def _sharing(edge: Any, others: Any) -> Any:
    """Per row: with how many different `others` its segment occurs (0: no segment)."""
    counts = np.zeros(len(edge), np.int64)
    rows = np.flatnonzero(edge[:, SEGMENT_HASH])
    if not len(rows):
        return counts
    segments, rests = edge[rows, SEGMENT_HASH], others[rows]
    order = np.lexsort((rests, segments))
    segments, rests = segments[order], rests[order]
    new_segment = np.r_[True, segments[1:] != segments[:-1]]
    new_pair = new_segment | np.r_[True, rests[1:] != rests[:-1]]
    group = np.cumsum(new_segment) - 1
    counts[rows[order]] = np.bincount(group, weights=new_pair).astype(np.int64)[group]
    return counts


def _segment(answers: Answers, row: int, segment: int) -> str:
    start, stop = answers.edges[row, segment, SEGMENT_START : SEGMENT_STOP + 1]
    text: str = answers.table["answer"][row].as_py()
    return text.encode()[start:stop].decode("utf-8", "replace")
