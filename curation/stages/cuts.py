"""Evidence that an earlier converter cut one answer into several turns.

Published conversions of `### Human: ... ### Assistant: ...` text split at every "###", so that the sections of
an answer with markdown headings became user and assistant turns in alternation. What gives them away is never
one turn by itself but a turn pair that reads as two sections of one text, after an answer left open. Measured on
the conversations named in tests/test_turns.py; the rule looks only at messages, never at where they come from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

# "####" cut at "###" leaves "#" at the start of the next piece.
_LEFT_HASH: Final = re.compile(r"#{1,3}(?:\s|\Z)")
_ONLY_HASH: Final = re.compile(r"[#\s]*\Z")
_ENDS_IN_HEADING: Final = re.compile(r"(?:\A|\n)#{1,6}[ \t]+\S[^\n]{0,100}\Z")
_ENDS_IN_DEEP_HEADING: Final = re.compile(r"(?:\A|\n)#{2,6}[ \t]+\S[^\n]{0,100}\Z")
_LIST_MARK: Final = re.compile(r"\s*(?:([-*•+])\s|(\|)|(\d{1,3})[.)]\s)")
_NUMBERED: Final = re.compile(r"#{0,3}\s*\**([^\W\d]+ )?(\d{1,3})\s?[-.):\u2013\u2014]?\s?[^\n]*\n")
_WORD: Final = re.compile(r"\w{4,}")
_SENTENCE_ENDS: Final = ".!?,;\u2026\u3002\uff01\uff0c\uff1b\uff1f"  # also of Chinese and Japanese
_COLONS: Final = (":", "\uff1a")
_TITLE: Final = 80  # characters
_LABEL: Final = 40  # characters of a title that ends in a colon
_SHARED: Final = 0.3  # Jaccard of words


def cut_evidence(messages: Sequence[dict[str, Any]]) -> str | None:
    """What shows that this conversation was cut, on one line; None if nothing does."""
    talk = [(i, m["role"], (m["content"] or "").strip()) for i, m in enumerate(messages) if m["role"] in _SPEAKERS]
    for k in range(2, len(talk)):
        (_, before_role, before), (i, role, text) = talk[k - 1], talk[k]
        if role != "user" or before_role != "assistant":
            continue
        if k + 1 == len(talk):
            return f"turn {i + 1} (user) has no answer: it was lost"
        if talk[k + 1][1] == "assistant" and (why := _seam(before, text, talk[k + 1][2])):
            return f"turns {i + 1} and {i + 2} {why}"
    return None


_SPEAKERS: Final = ("user", "assistant")


def _seam(before: str, user: str, answer: str) -> str | None:
    """Why user and answer read as a continuation of `before`, all three stripped."""
    if user.startswith("Assistant:") or answer.startswith("Human:"):
        return "begin with the other side's name: the roles slipped"
    if not user:
        return _seam_at_nothing(answer)
    headed, answer_headed = bool(_LEFT_HASH.match(user)), bool(_LEFT_HASH.match(answer))
    open_before = not before or before.endswith(_COLONS) or bool(_ENDS_IN_HEADING.search(before))
    if headed and (_ONLY_HASH.match(user) or (answer_headed and open_before) or not before):
        return "begin with left-over heading marks"
    if _ENDS_IN_DEEP_HEADING.search(before) and before.count("```") % 2 == 0:
        return "follow a heading that has no text under it"
    if _counts_on(user, answer):
        return "carry on one numbering across user and assistant"
    if _is_title(user) and _is_title(answer) and not _answers(user, answer):
        return _seam_of_sections(before, user, answer, open_before)
    return None


def _seam_at_nothing(answer: str) -> str | None:
    if _LEFT_HASH.match(answer) or _is_title(answer):
        return "are an empty question and a section that answers nobody"
    return None


def _seam_of_sections(before: str, user: str, answer: str, open_before: bool) -> str | None:
    if open_before:
        return "are sections with a title each, after an answer left open"
    if _is_title(before):
        return "are sections with a title each, as is the answer before"
    if _mark(user) and _mark(answer):
        return "are sections with a title and a list each"
    return None


def _is_title(text: str) -> bool:
    """Whether the first line is a short title with something under it."""
    line, newline, _ = text.partition("\n")
    line = line.strip(" *#_\t")
    if not newline or not line or line[-1] in _SENTENCE_ENDS:
        return False
    return len(line) <= (_LABEL if line[-1] in _COLONS else _TITLE)


def _mark(text: str) -> str:
    """The kind of list right under the title; "" if there is none."""
    match = _LIST_MARK.match(text.partition("\n")[2].lstrip("\n"))
    return "" if match is None else match[1] or match[2] or "1"


def _counts_on(user: str, answer: str) -> bool:
    """`## Step 2 ...` from the user, `## Step 3 ...` from the assistant, each with a text under it or a mark."""
    first, second = _NUMBERED.match(user + "\n"), _NUMBERED.match(answer + "\n")
    if first is None or second is None or first[1] != second[1] or int(second[2]) != int(first[2]) + 1:
        return False
    return bool(first[1] or _LEFT_HASH.match(user)) and "\n" in user and "\n" in answer


def _answers(user: str, answer: str) -> bool:
    """Whether the answer works on the user's own words, as an edited list does; two sections share few."""
    given, made = set(_WORD.findall(user.lower())), set(_WORD.findall(answer.lower()))
    return len(given & made) >= _SHARED * len(given | made) > 0
