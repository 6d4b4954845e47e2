"""The rule on outputs that contradict their reference: yes for no, another number, a negation, other key words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from typing import Final

from curation.facts import facts_of
from eval.metrics.tokens import arrow, unicode_tokens
from eval.tags.finding import Finding, Prediction, content, span_of, stems, whole
from eval.tags.support import meanings

_TAG: Final = "contradicts reference"
_PRECISION: Final = 0.87
_YES: Final = re.compile(r"\W*(yes|yeah|true|correct|ja|da|oui|sí)\b", re.IGNORECASE)
_NO: Final = re.compile(r"\W*(no|nope|false|incorrect|nein|nu|non)\b", re.IGNORECASE)
_LONGEST: Final = 40  # words of a reference that is one statement rather than a text
_LONGEST_FACT: Final = 25  # words of a reference that can be compared word by word
_SAME_FRAME: Final = 0.4  # share of the words, in order, that two statements of one form have in common
_SAME_STATEMENT: Final = 0.6  # Jaccard of key words
_SHORT: Final = 4  # key words of an answer that is a name or a thing
_ASKS_NUMBER: Final = re.compile(
    r"\b(?:how (?:many|much|long|old|far|tall|big|often)|when|what year|which year|what (?:date|number|percentage|age)"
    r"|in what year|wie viele|wann|câte|câți|când)\b",
    re.IGNORECASE,
)
# A list to sort, an opinion, a text to make: another answer is not the opposite.
_OPEN: Final = re.compile(
    r"\b(?:best|favou?rite|you think|opinion|write|create|suggest|generate|design|compose|paraphrase|rewrite|rephrase"
    r"|summari[sz]e|classify|categori[sz]e|identify which|tell me (?:if|whether|which)|translate|pronunciation|choose"
    r"|come up with|give me an?|name (?:a|some)|retrieve|example)\b",
    re.IGNORECASE,
)
_LETTERS_IN_NUMBER: Final = re.compile(r"(?=.*\d)[A-Za-z]*\d+[A-Za-z]+\d+\w*")  # the middle of an address
_ASKS_FACT: Final = re.compile(r"\b(?:who|whom|whose|what|which|where|when|name the|wer|wo|was|cine|unde|care)\b", re.I)


def contradicts_reference(prediction: Prediction) -> Finding | None:
    """By the first sign that is seen. Of long references only the opening yes or no is compared."""
    if not prediction.reference_words or not prediction.words:
        return None
    # The question's own words state nothing, unless as a yes or no, or with a "not".
    adds = stems(content(prediction.words)) - _asked(prediction)
    for sign in _SIGNS if adds else _SIGNS_OF_AN_ECHO:
        found = sign(prediction)
        if found:
            return found
    return None


def _verdict(prediction: Prediction) -> Finding | None:
    """Yes against no."""
    said, right = prediction.text, prediction.reference or ""
    for one, other in ((_YES, _NO), (_NO, _YES)):
        given = one.match(said)
        if given and other.match(right) and not other.match(said):
            return Finding(_TAG, given.span(1), _PRECISION, f'"{given[1]}" where the reference says the opposite')
    return None


def _number(prediction: Prediction) -> Finding | None:
    """Other numbers, codes or dates than the reference has, beyond those in the question."""
    if len(prediction.reference_words) > _LONGEST or len(prediction.words) > 2 * _LONGEST:
        return None
    said, right, asked = meanings([prediction.text, prediction.reference or "", prediction.asked])
    known = {meaning for meaning, _ in asked}
    given = [fact for fact in said if fact[0] not in known and not _LETTERS_IN_NUMBER.fullmatch(fact[1])]
    wanted = [fact for fact in right if fact[0] not in known]
    if not given or {meaning for meaning, _ in given} & {meaning for meaning, _ in right}:
        return None
    swapped = not wanted
    if swapped:  # the code that was asked about, for another: E-120 for E-102
        wanted = [fact for fact in right if "-" in fact[1] and any(c.isdigit() for c in fact[1])]
        given = [fact for fact in given if "-" in fact[1]]
        if not wanted or not given or {m for m, _ in said} & {m for m, _ in wanted}:
            return None
    if not (swapped or _ASKS_NUMBER.search(prediction.asked) or _alike(prediction) >= _SAME_FRAME / 2):
        return None
    words = given[0][1]
    start = prediction.text.find(words)
    span = (start, start + len(words)) if start >= 0 else whole(prediction)
    return Finding(_TAG, span, _PRECISION, f"number {wanted[0][1]} -> {words}")


def _negation(prediction: Prediction) -> Finding | None:
    """The same statement, one of the two negated."""
    if _open(prediction) or len(prediction.reference_words) > _LONGEST or _alike(prediction) < _SAME_STATEMENT:
        return None
    facts = facts_of(arrow([prediction.text, prediction.reference]))
    said, right = facts.of_kind(0, "negation"), facts.of_kind(1, "negation")
    if len(said) % 2 == len(right) % 2:
        return None
    span = span_of([said[0][1]], prediction.text) if said else None
    return Finding(_TAG, span or whole(prediction), _PRECISION, "negation" if said else "negation is missing")


def _key_words(prediction: Prediction) -> Finding | None:
    """The same form of statement with other key words in it: "the pump is worn out" for "the belt is jammed"."""
    right, said = prediction.reference_words, prediction.words
    if _open(prediction) or len(right) > _LONGEST_FACT or len(said) > _LONGEST_FACT:
        return None
    matcher = SequenceMatcher(None, right, said, autojunk=False)
    shared = sum(block.size for block in matcher.get_matching_blocks())
    if 2 * shared < _SAME_FRAME * (len(right) + len(said)):
        return None
    for _, r0, r1, s0, s1 in _changes(matcher):
        wanted, given = content(right[r0:r1]), [w for w in content(said[s0:s1]) if not w.isdigit()]
        news = stems(given) - stems(right)
        if wanted and news and stems(wanted) - stems(said):
            span = span_of(said[s0:s1], prediction.text) or whole(prediction)
            return Finding(_TAG, span, _PRECISION, f"{' '.join(right[r0:r1])} -> {' '.join(said[s0:s1])}"[:120])
    return None


def _changes(matcher: SequenceMatcher[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Words replaced; and an insertion with the deletion after it, "worn out" for "out of position"."""
    before: tuple[str, int, int, int, int] | None = None
    for step in matcher.get_opcodes():
        kind, r0, r1, s0, s1 = step
        if kind == "replace":
            yield step
        elif kind != "equal" and before is not None and before[0] != kind and min(r0 - before[2], s0 - before[4]) <= 2:
            yield "replace", before[1], r1, before[3], s1
        before = step if kind in ("insert", "delete") else before


def _other_thing(prediction: Prediction) -> Finding | None:
    """Another name or thing where a question about a fact has a reference of a few words."""
    wanted, given = content(prediction.reference_words), content(prediction.words)
    if not (0 < len(wanted) <= _SHORT and 0 < len(given) <= _SHORT) or not _ASKS_FACT.search(prediction.asked):
        return None
    if _open(prediction) or stems(wanted) & stems(given):
        return None
    return Finding(_TAG, whole(prediction), _PRECISION, f"{' '.join(wanted)} -> {' '.join(given)}"[:120])


def _asked(prediction: Prediction) -> set[str]:
    return stems(content(unicode_tokens(prediction.asked)))


def _open(prediction: Prediction) -> bool:
    return _OPEN.search(prediction.asked) is not None


def _alike(prediction: Prediction) -> float:
    one, two = stems(content(prediction.words)), stems(content(prediction.reference_words))
    return len(one & two) / len(one | two) if one | two else 0.0


_SIGNS: Final[tuple[Callable[[Prediction], Finding | None], ...]] = (
    _verdict,
    _number,
    _negation,
    _key_words,
    _other_thing,
)
_SIGNS_OF_AN_ECHO: Final = (_verdict, _negation)
