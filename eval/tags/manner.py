"""Rules on how an output answers: refusal, language, length beside the reference, the question again, a copy."""
# ruff: noqa: RUF001 -- the signs are those of many scripts

from __future__ import annotations

import re
from functools import cache
from typing import Final

from curation.language.detect import detect_languages
from curation.language.translation import asks_for_a_language
from curation.stages.filters.echo import echoed
from curation.stages.filters.refusal import PATTERN
from eval.metrics.tokens import unicode_tokens
from eval.tags.finding import Finding, Prediction, content, stems, whole

_SURE: Final = 0.8  # of a language
_FEWEST_TOLD: Final = 10  # words; the language of a list of names is anybody's guess
_ECHOED: Final = 0.8  # share of the output, as the build's filter has it
_SHORTEST_ECHO: Final = 4  # words
_ARTICLES: Final = {"a", "an", "the"}
_LONG: Final = 4.0  # times the reference's characters ...
_MORE: Final = 300  # ... and so many more
_SHORT: Final = 0.2  # of the reference's characters ...
_SHORTEST_REFERENCE: Final = 100  # ... if it has so many
_COPIED: Final = 0.8  # similarity
_FEWEST_COPIED: Final = 8  # words
_SAME_AS_REFERENCE: Final = 0.7  # share of words: then the copy is the right answer


_SPEAKS_OF_ITSELF: Final = re.compile(r"\b(?:ai|artificial|language model|ki|ia|ии)\b|人工智能|语言模型", re.IGNORECASE)
_DECLINES: Final = re.compile(
    r"\b(?:can ?not|can['’]?t|unable|not able to|won['’]?t|have access|not (?:ethical|appropriate|within my)|decline)\b"
    r"|kann (?:ich )?[^.]{0,30}nicht|nu pot|ne peux pas|no puedo|无法|不能|できません|не могу",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s|[。！？]")
# After "I cannot ..., but": what was asked for follows all the same, unless it only says where else to ask.
_TURNS_ROUND: Final = re.compile(
    r"\b(?:however|but|that (?:being )?said|nevertheless|still)\b,?\s*(?:I (?:can|could|will|would)\b"
    r"|I['’](?:ll|d)\b|here\b|based\b|some\b|if\b|in general\b|in this\b|let me\b|a few\b|according\b|it would\b)"
    r"|\bhere(?:['’]s| is| are)\b|\b(?:a few|some) (?:points|key)\b|但是",
    re.IGNORECASE,
)
_REFERS: Final = re.compile(
    r"\b(?:guide you|how (?:you|to) (?:might|can|find|search|structure|locate)|can (?:easily )?(?:find|search)"
    r"|suggest that you|consult"
    r"|visit|resources|information about finding|keywords|tools|please provide|search engine|online)\b",
    re.IGNORECASE,
)
_FOLLOWS: Final = 300  # characters after the turn that can be an answer ...
_FIRST: Final = 200  # ... of which the first tell what it is
_LONGEST_REFUSAL: Final = 1200  # characters, where it turns round


_WORKS_ON_TEXT: Final = re.compile(
    r"\b(?:rewrite|rephrase|paraphrase|correct(?:ed)?|grammar|grammatical\w*|improve|polish|proofread|edit|capitali[sz]e"
    r"|summar\w+|shorten|brief\w*|convert|format|translate|extract|sentences? is correct|retrieve|fill in|complete"
    r"|insert|combines?|select|reorder|remove|divide|emphasi[sz]e|imperative|punctuation|search for)\b",
    re.IGNORECASE,
)


@cache
def _refuses() -> re.Pattern[str]:
    return re.compile(PATTERN)


def refusal(prediction: Prediction) -> Finding | None:
    """Begins by refusing, does not answer all the same, and the reference does not refuse. "As an AI model" alone is no
    refusal: help may follow."""
    found = _refuses().match(prediction.text)
    if found is None or _refuses().match(prediction.reference or ""):
        return None
    if _SPEAKS_OF_ITSELF.search(found[0]) and not _DECLINES.search(_SENTENCE.split(prediction.text, maxsplit=1)[0]):
        return None
    if _answers_all_the_same(prediction.text):
        return None
    return Finding("refusal", found.span(), 0.94)


def _answers_all_the_same(text: str) -> bool:
    turn = _TURNS_ROUND.search(text)
    if turn is None:
        return False
    rest = text[turn.end() :]
    return len(rest) >= _FOLLOWS and (len(text) >= _LONGEST_REFUSAL or not _REFERS.search(rest[:_FIRST]))


def wrong_language(prediction: Prediction) -> Finding | None:
    """In another language than the question, which asks for none, and than the reference."""
    if len(prediction.words) < _FEWEST_TOLD or asks_for_a_language(prediction.context or prediction.asked):
        return None
    codes, sure = detect_languages([prediction.asked, prediction.text, prediction.reference or ""])
    asked, given, right = codes
    if min(sure[0], sure[1]) < _SURE or asked == given or right == given:
        return None
    return Finding("wrong language", whole(prediction), float(min(sure[0], sure[1])), f"{asked} -> {given}")


def too_long(prediction: Prediction) -> Finding | None:
    """Several times as long as the reference."""
    given, right = len(prediction.text.strip()), len((prediction.reference or "").strip())
    if not right or given < _LONG * right or given < right + _MORE:
        return None
    return Finding("too long", whole(prediction), 0.9, f"{given / right:.1f} times the reference")


def too_short(prediction: Prediction) -> Finding | None:
    """A fraction of a reference of some length."""
    given, right = len(prediction.text.strip()), len((prediction.reference or "").strip())
    if not given or right < _SHORTEST_REFERENCE or given > _SHORT * right:
        return None
    return Finding("too short", whole(prediction), 0.5, f"{given} characters, the reference has {right}")


def prompt_echo(prediction: Prediction) -> Finding | None:
    """Says the question again and nothing else. Where a text is to be worked on, much of it may come back: of an
    instruction that is followed by a text the first line is what must not."""
    question = _instruction(prediction.asked)
    said, asked = prediction.words, unicode_tokens(question)
    if len(said) < _SHORTEST_ECHO or said == prediction.reference_words or _WORKS_ON_TEXT.search(prediction.asked):
        return None
    if stems(said) - stems(asked) - _ARTICLES:  # "is" and "yes" are said of something: an answer, be it a wrong one
        return None
    same = said == asked or (said[: len(asked)] == asked and len(said) < 1.25 * len(asked))
    if not same and echoed(prediction.text, question) <= _ECHOED:
        return None
    if prediction.reference and echoed(prediction.reference, question) > _ECHOED:
        return None
    return Finding("prompt echo", whole(prediction), 0.91)


def _instruction(asked: str) -> str:
    first = asked.strip().partition("\n")[0]
    return first if len(unicode_tokens(first)) >= _SHORTEST_ECHO else asked


def copied(prediction: Prediction) -> Finding | None:
    """Nearly a training row's answer, and not the one that belongs here."""
    copy = prediction.copy
    if copy is None or copy.similarity < _COPIED or len(prediction.words) < _FEWEST_COPIED:
        return None
    given, right = stems(content(prediction.words)), stems(content(prediction.reference_words))
    if right and 2 * len(given & right) >= _SAME_AS_REFERENCE * (len(given) + len(right)):
        return None
    return Finding(
        "copied from training",
        whole(prediction),
        copy.similarity,
        f"{copy.place} ({copy.row_id}), {copy.similarity:.2f}",
    )
