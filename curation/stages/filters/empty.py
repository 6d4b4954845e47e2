"""Answers without text: nothing, white space, or a dash or dots that stand for nothing."""

from __future__ import annotations

import re
from typing import Any

import orjson

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import Rule
from curation.stages.filters.scan import DASHES, VISIBLE

LONGEST = 5  # dashes; a longer row of them was drawn on purpose (a redacted text, a rule)

# A question about signs may well be answered by one.
_ASKS_FOR_A_SIGN = re.compile(
    r"(?i)punct|interpunc|satzzeichen|morse|symbol|operator|\bsign\b|\bsemn|zeichen|dash|hyphen|period|ellips|标点|符号"
)


def empty(answers: Answers, rule: Rule) -> Found:
    """Reason empty_answer; the value is the number of visible characters."""
    visible = answers.count(VISIBLE)
    blank = rows_where(visible == 0)
    silent = [row for row, record in zip(blank, answers.records(blank), strict=True) if not _calls_a_tool(record)]
    dashes = rows_where((visible > 0) & (visible == answers.count(DASHES)))
    texts = zip(dashes, answers.answers(dashes), answers.prompts(dashes), strict=True)
    silent += [row for row, answer, prompt in texts if _stands_for_nothing(answer, prompt)]
    silent.sort()
    return Found("empty_answer", silent, visible[silent], 1)


def _calls_a_tool(record: bytes) -> bool:
    messages: list[dict[str, Any]] = orjson.loads(record)["messages"]
    last = next((m for m in reversed(messages) if m["role"] == "assistant"), None)
    return bool(last and last.get("tool_calls"))


def _stands_for_nothing(answer: str, prompt: str) -> bool:
    """One kind of dash or dot, in one piece: Morse code has two kinds or gaps."""
    text = answer.strip()
    return len(set(text)) == 1 and len(text) <= LONGEST and not _ASKS_FOR_A_SIGN.search(prompt)
