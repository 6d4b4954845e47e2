"""Rules on what nothing supports: numbers, names, addresses that question, context and reference do not hold."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from curation.facts import facts_of
from curation.language.detect import detect_languages
from eval.metrics.support import NOUNS_IN_CAPITALS, capitalised
from eval.metrics.tokens import arrow, unicode_tokens
from eval.tags.finding import Finding, Prediction

KINDS: Final = ("number", "code", "date")
_LONGEST: Final = 60  # words of a reference that is a statement of facts rather than one text of many possible
# What such tasks are answered with need not stand anywhere.
OPEN: Final = re.compile(
    r"\b(?:writ(?:e|ing)|create|draft|compose|imagine|invent|design|estimate|suggest|recommend|plan|recipe|poem|story|joke"
    r"|letter|email|e-mail|essay|blog|tips?|ideas?|ways|how (?:do|can|should|to)|give (?:me )?(?:a|an|some)\b|best"
    r"|favou?rite|your thoughts|do you think|steps|example)\b",
    re.IGNORECASE,
)
_ORDINAL_WORD: Final = re.compile(r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?%?")
# Of one page or one person. A bare host is a name that everybody knows, or one that the text is about.
_ADDRESS: Final = re.compile(
    r"(?<!src=\")(?<!href=\")(?:https?://|www\.)[^\s<>\"'\])/]+/[^\s<>\"'\])]{2,}|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]+)+",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"example\.|your|://api\.|wikipedia\.org/wiki/|docs\.python\.org/|w3schools\.com/|typescriptlang\.org/docs/|json-schema\.org/|\.\.\.|xxx|localhost|company\.|domain\.|/search\?|\b(?:jane|john|j)\.?(?:doe|smith)@",
    re.IGNORECASE,
)


def unsupported_number(prediction: Prediction) -> Finding | None:
    """A number, code or date in digits that question, context and reference do not hold in any spelling."""
    if not _can_be_held(prediction):
        return None
    said, known = meanings([prediction.text, prediction.source])
    for meaning, words in said:
        if meaning not in {known_meaning for known_meaning, _ in known} and _ORDINAL_WORD.fullmatch(words):
            start = prediction.text.find(words)
            return Finding("unsupported number", (start, start + len(words)) if start >= 0 else None, 0.96, words)
    return None


def meanings(texts: list[str]) -> list[list[tuple[int, str]]]:
    """(meaning, words) of each text's numbers, codes and dates."""
    column: pa.Array = arrow(texts)
    facts = facts_of(column)
    return [[fact for kind in KINDS for fact in facts.of_kind(i, kind)] for i in range(len(texts))]


_ENDING: Final = 5  # letters: Africa is known where African stands


def unsupported_name(prediction: Prediction) -> Finding | None:
    """A capitalised word within a sentence that the sources do not have. Not in German, where nouns have capitals."""
    if not _can_be_held(prediction):
        return None
    known = {word[:_ENDING] for word in unicode_tokens(prediction.source)}
    named = [match for match in capitalised(prediction.text) if len(match[0]) > 2]
    missing = [match for match in named if not {w[:_ENDING] for w in unicode_tokens(match[0]) if len(w) > 2} <= known]
    if not missing or detect_languages([prediction.text])[0][0] in NOUNS_IN_CAPITALS:
        return None
    return Finding("unsupported name", missing[0].span(), 0.74, missing[0][0])


def unsupported_url(prediction: Prediction) -> Finding | None:
    """A web or mail address that neither question nor reference gives. Placeholders (example.com) are none."""
    source = prediction.source.lower()
    for match in _ADDRESS.finditer(prediction.text):
        address = match[0].rstrip(".,;:!?*)_")
        if address.lower() not in source and not _PLACEHOLDER.search(address):
            return Finding("unsupported URL", (match.start(), match.start() + len(address)), 0.8, address)
    return None


def _can_be_held(prediction: Prediction) -> bool:
    """There is a reference that states facts, and the question asks for them."""
    return 0 < len(prediction.reference_words) <= _LONGEST and not OPEN.search(prediction.asked)
