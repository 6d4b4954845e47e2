"""The rule on layouts that the question asks for: JSON, yes or no, one word, so many items or sentences."""
# ruff: noqa: RUF001 -- the signs are those of many scripts

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from eval.metrics.tokens import unicode_tokens
from eval.tags.finding import Finding, Prediction, whole

_JSON: Final = re.compile(r"\b(?:in|as|valid|return|output) (?:a |an )?json\b|\bjson (?:object|format|array)\b", re.I)
# A program that gives JSON, or JSON that is to be read or made into something else.
_PROGRAM: Final = re.compile(
    r"\b(?:script|code|function|program|file|api|server|endpoint|requests?|node|express|flask|python|javascript|parse"
    r"|convert|retrieve|fetch|yaml|explain|how (?:to|do|would|can|could))\b",
    re.I,
)
_YES_NO: Final = re.compile(
    r"\b(?:answer|reply|respond|say)\b[^.?!\n]{0,30}\b(?:yes or no|yes/no)|\b(?:yes or no|yes/no)\s*[?.]?\s*$", re.I
)
_YES: Final = re.compile(r"\W*(?:yes|no|true|false)\b", re.I)
_ONE_WORD: Final = re.compile(
    r"\b(?:in|with|as) (?:a single|exactly one|one)(?: single)? word\b(?! (?:that|which|from))|\bone[- ]word answer\b",
    re.I,
)
_NUMBERS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNT: Final = rf"(?P<n>\d{{1,2}}|{'|'.join(_NUMBERS)})"
_ITEMS: Final = re.compile(
    r"^\W*(?:please |can you )?(?:list|name|give(?: me| us)?|write|suggest|provide|generate|come up with|tell me"
    r"|recommend)"
    rf"(?: the| some| me)?(?: top)? {_COUNT} (?!sentence|word|paragraph|page|line|star|minute|day|hour|year|step"
    r"|example|similar|different)",
    re.I,
)
_TWO_LISTS: Final = re.compile(
    r"\b(?:cons|disadvantages|drawbacks|weaknesses|differences|don'?ts)\b"
    r"|\b(?:sets?|plans?|recipes?|drinks?) (?:of|to|for|that)\b",
    re.I,
)
_SENTENCES: Final = re.compile(rf"\bin (?:exactly |only )?{_COUNT} sentences?\b(?P<rest>.{{0,12}})", re.I)
_AT_MOST: Final = re.compile(r"\W*or (?:less|fewer)\b", re.I)
_ITEM: Final = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,3}[.):])\s*\S", re.M)
_SENTENCE: Final = re.compile(r"(?<!\b[A-Z])(?<!\b(?:Mr|Dr|Ms|St))(?<!\bMrs)(?<!\b(?:vs))[.!?。！？]+[\"'”’)]*(?=\s|$)")
_FENCE: Final = re.compile(r"^\s*```", re.M)


def format_violation(prediction: Prediction) -> Finding | None:
    """Not in the layout that was asked for; what a question does not say clearly is not judged."""
    if not prediction.text.strip():
        return None
    for check in _CHECKS:
        said = check(prediction)
        if said:
            return Finding("format violation", whole(prediction), 0.87, said)
    return None


def _json(prediction: Prediction) -> str | None:
    if prediction.reference:
        wanted = _parsed(prediction.reference) is not None
    else:
        wanted = bool(_JSON.search(prediction.asked)) and not _PROGRAM.search(prediction.asked)
    return None if not wanted or _holds_json(prediction.text) else "is not the JSON that was asked for"


def _parsed(text: str) -> Any:
    """The object or list in a text, alone or in a fence; None if there is none."""
    inner = re.search(r"```(?:json)?\s*\n(.*?)```", text, re.S)
    try:
        value = orjson.loads((inner[1] if inner else text).strip().encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) else None


def _holds_json(text: str) -> bool:
    """JSON by itself, in a fence, with words around it, or one object a line."""
    first, last = text.find("{"), text.rfind("}")
    inner = [text, text[first : last + 1], *text.splitlines()] if 0 <= first < last else [text]
    listed = text.find("[")
    inner += [text[listed : text.rfind("]") + 1]] if listed >= 0 else []
    return any(_parsed(part) is not None for part in inner)


def _yes_no(prediction: Prediction) -> str | None:
    if not _YES_NO.search(prediction.asked) or _YES.match(prediction.text):
        return None
    return "does not begin with yes or no"


def _one_word(prediction: Prediction) -> str | None:
    count = len(unicode_tokens(prediction.text))
    return f"{count} words, one was asked for" if _ONE_WORD.search(prediction.asked) and count > 2 else None


def _items(prediction: Prediction) -> str | None:
    asked = _ITEMS.search(prediction.asked)
    found = len(_ITEM.findall(prediction.text))
    if asked is None or found < 2 or found == _number(asked) or _TWO_LISTS.search(prediction.asked):
        return None
    return f"{found} items, {_number(asked)} were asked for"


def _sentences(prediction: Prediction) -> str | None:
    asked = _SENTENCES.search(prediction.asked)
    found = max(len(_SENTENCE.findall(prediction.text.strip())), 1)
    if asked is None or found == _number(asked) or asked["rest"].strip().startswith("each"):
        return None
    if found < _number(asked) and _AT_MOST.match(asked["rest"]):
        return None
    return f"{found} sentences, {_number(asked)} asked for"


def _fence(prediction: Prediction) -> str | None:
    return "a code fence is never closed" if len(_FENCE.findall(prediction.text)) % 2 else None


def _number(asked: re.Match[str]) -> int:
    said = asked["n"].lower()
    return int(said) if said.isdigit() else _NUMBERS.index(said) + 1


_CHECKS: Final[tuple[Callable[[Prediction], str | None], ...]] = (_json, _yes_no, _one_word, _items, _sentences, _fence)
