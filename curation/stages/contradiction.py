"""Whether two answers to one question contradict each other, or can both be right."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.facts import KINDS, facts_of
from curation.facts_words import NEGATIONS
from curation.join import jaccard_of
from curation.shingles import Shingles, shingle

Ints = npt.NDArray[np.int64]

# Up to this many characters an answer is short: a name, a value, a sentence or two. Two short answers that share less
# than half of what they say besides the question contradict each other.
_SHORT: Final = 160
_AGREE: Final = 0.5
_NAME: Final = 6  # words: above it two answers are two descriptions, which may both be right

# Longer answers contradict each other only where they are nearly the same text and a fact differs.
_SAME_TEXT: Final = 0.7

_EMPTY: Final = pa.scalar("", pa.large_string())

# Requests that have many right answers.
_OPEN: Final = re.compile(
    r"\b(?:write|compose|generate|create|suggest|come up with|brainstorm|imagine|invent|describe|explain|discuss"
    r"|tell me (?:a|about)|give|provide|propose|design|name (?:an?|some|two|three|four|five|\d+)"
    r"|list|example|poem|story|joke|tweet|slogan|headline"
    r"|rewrite|rephrase|paraphrase|reword|summari[sz]e|summary|translate|edit|improve|complete|continue|opinion|think"
    r"|craft|construct|look for|recommend|random|which do you|what do you|why|tips?|ways?|ideas?"
    r"|convert|scrie|generează|creează|sugerează|propune|descrie|explică|exemplu|traduce|rezumă"
    r"|schreibe?|erstelle?|nenne|beschreibe|erkläre|beispiel|übersetze|fasse|formuliere)\b"
    r"|写|创建|生成|列举|列出|给出|描述|建议|编|翻译|总结|改写|解释|举",
    re.IGNORECASE,
)

# What Arrow's engine finds wherever the above matches, and at times elsewhere: its \b and \d know ASCII alone. It rules
# out most questions at a twentieth of the cost.
_MAY_BE_OPEN: Final = "(?i)" + _OPEN.pattern.replace(r"\b", "").replace(r"\d", r"\pN")

# How an answer takes a side before it says anything else.
_SIDE: Final = re.compile(
    r"\W*(?:(?P<yes>(?:yes|yep|ja|da|oui|sí)\b|是的)|(?:no|nope|nein|nu|non)\b|不是)", re.IGNORECASE
)

_STOP_WORDS: Final = """
    a an the and or of to in on at by for with from as is are was were be been it its this that these those there i you
    he she they we my your his her their our me us do does did can could will would shall should may might must have
    has had so very just also please kindly s re ve ll d m
    un o o al ale cu la pe de din în și sau este e sunt era că ca se eu tu el ea noi voi ei meu mea te rog îmi îți
    der die das ein eine einen einem einer und oder von zu im in am an auf mit für ist sind war es ich du er sie wir
    ihr mein dein kann können könnte bitte den dem des
    的 了 是 在 和 请 吗 呢 吧 啊 我 你 您 他 她 它
"""


_NEGATIONS: Final = frozenset(word for words in NEGATIONS for word in words.split())
_STOP_SET: Final = frozenset(_STOP_WORDS.split())


class Answers:
    """The answers of some rows, ready to be compared in pairs of places."""

    def __init__(self, rows: Any, involved: Ints) -> None:
        some = rows.select(["prompt", "answer"]).take(pa.array(involved))
        self.prompts, self.answers = some["prompt"], some["answer"]
        self.lengths: Ints = pc.utf8_length(self.answers).to_numpy().astype(np.int64)
        short = self.lengths <= _SHORT
        self.said = content(shingle(pc.if_else(pa.array(short), self.answers, _EMPTY), "auto", 1))
        self.asked = content(shingle(pc.if_else(pa.array(short), self.prompts, _EMPTY), "auto", 1))

    def contradictions(self, left: Ints, right: Ints) -> list[str | None]:
        """What contradicts in each pair, None where both answers may stand."""
        low, high = np.sort(np.stack([self.lengths[left], self.lengths[right]]), axis=0)
        short = (high <= _SHORT) & (low > 0)
        possible = (short | (low >= _SAME_TEXT * high)) & ~self._open(left)[left]
        self._look_for_facts(np.r_[left[possible], right[possible]])
        apart = np.zeros(len(left), np.bool_)
        apart[possible] = self.facts.kinds_differing(self.at[left[possible]], self.at[right[possible]]) >= 0
        what: list[str | None] = [None] * len(left)
        for k in np.flatnonzero(possible & short | self._same_text(left, right, possible & ~short & apart)).tolist():
            one, two = int(left[k]), int(right[k])
            what[k] = self._side_against_side(one, two)
            if what[k] is None and apart[k]:
                what[k] = self._fact_against_fact(one, two)
            if what[k] is None and short[k] and not self._meet_in_a_number(one, two):
                what[k] = self._other_words(one, two)
        return what

    def _look_for_facts(self, places: Ints) -> None:
        some = np.unique(places)
        self.at = np.full(len(self.lengths), -1)
        self.at[some] = np.arange(len(some))
        self.facts = facts_of(self.answers.take(pa.array(some)))

    def _same_text(self, left: Ints, right: Ints, possible: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which of the possible pairs are nearly one text."""
        pairs = np.flatnonzero(possible)
        some, place = np.unique(np.r_[left[pairs], right[pairs]], return_inverse=True)
        words = shingle(self.answers.take(pa.array(some)), "auto", 1)
        same = np.zeros(len(left), np.bool_)
        same[pairs] = jaccard_of(words, *np.split(place, 2)) >= _SAME_TEXT
        return same

    def _fact_against_fact(self, one: int, two: int) -> str | None:
        """A fact that both state differently. An answer that leaves a number out does not contradict one that has it,
        and where both come to the same number in the end, the way there does not matter.
        """
        signatures = self.facts.signatures[[self.at[one], self.at[two]]]
        for kind in ("number", "code", "date", "unit", "negation"):
            if signatures[0, KINDS.index(kind)] == signatures[1, KINDS.index(kind)]:
                continue
            first, second = self._stated(one, kind), self._stated(two, kind)
            if kind == "negation" and len(first) != len(second):
                against = (not first) != (not second) and self._short_statement(one, two)
                if against or self._one_negation_apart(one, two):
                    return "negation"
            if kind != "negation" and first and second and not _meet(first, second):
                return f"{kind} {first[-1][1]} -> {second[-1][1]}"
        return None

    def _side_against_side(self, one: int, two: int) -> str | None:
        first, second = (_SIDE.match(self.answers[at].as_py()) for at in (one, two))
        return "yes against no" if first and second and bool(first["yes"]) != bool(second["yes"]) else None

    def _meet_in_a_number(self, one: int, two: int) -> bool:
        first, second = self._stated(one, "number"), self._stated(two, "number")
        return bool(first and second) and _meet(first, second)

    def _stated(self, at: int, kind: str) -> list[tuple[int, str]]:
        return self.facts.of_kind(int(self.at[at]), kind)

    def _short_statement(self, one: int, two: int) -> bool:
        """Whether one answer is a mere yes or no, or both say the same but for the negation."""
        first, second = _set_at(self.said, one), _set_at(self.said, two)
        return min(len(first), len(second)) <= 1 or len(first & second) > _AGREE * min(len(first), len(second))

    def _one_negation_apart(self, one: int, two: int) -> bool:
        """Whether the answers say the same but for one negation, whatever else they negate."""
        first, second = (Counter(meaningful(self.answers[at].as_py())) for at in (one, two))
        apart = (first - second) + (second - first)
        return apart.total() == 1 and apart.keys() <= _NEGATIONS

    def _other_words(self, one: int, two: int) -> str | None:
        first, second, asked = (_set_at(s, k) for s, k in ((self.said, one), (self.said, two), (self.asked, one)))
        if not first or not second or first <= second or second <= first:
            return None
        first, second = first - asked or first, second - asked or second
        least = min(len(first), len(second))
        if least > _NAME or len(first & second) >= _AGREE * least or not (first - second and second - first):
            return None
        return f"answers share {len(first & second)} of {least} words"

    def _open(self, asking: Ints) -> npt.NDArray[np.bool_]:
        """Which of the places given ask for something that has many right answers."""
        places = np.unique(asking)
        prompts = self.prompts.take(pa.array(places))
        maybe = pc.match_substring_regex(prompts, _MAY_BE_OPEN).to_numpy()
        open_ = np.zeros(len(self.lengths), np.bool_)
        sure = [_OPEN.search(text) is not None for text in prompts.filter(pa.array(maybe)).to_pylist()]
        open_[places[maybe]] = sure
        return open_


def _meet(first: list[tuple[int, str]], second: list[tuple[int, str]]) -> bool:
    """Whether the last fact of one is stated in the other: the result of a sum, after different steps."""
    return first[-1][0] in {m for m, _ in second} or second[-1][0] in {m for m, _ in first}


def _set_at(sets: Shingles, at: int) -> set[int]:
    return set(sets.values[sets.offsets[at] : sets.offsets[at + 1]].tolist())


def content(words: Shingles) -> Shingles:
    """Sets of single words without those that carry no meaning of their own."""
    stop = _stop_hashes()
    maybe = np.zeros(1 << 16, np.bool_)  # by the last bits, which spares nearly all words the search
    maybe[stop & np.uint64(0xFFFF)] = True
    kept = np.ones(len(words.values), np.bool_)
    at = np.flatnonzero(maybe[words.values & np.uint64(0xFFFF)])
    kept[at] = ~np.isin(words.values[at], stop)
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
    return Shingles(words.values[kept], before[words.offsets].astype(np.int64))


def meaningful(text: str) -> list[str]:
    """The words of a text in order, without those that carry no meaning of their own."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in _STOP_SET]


@cache
def _stop_hashes() -> npt.NDArray[np.uint64]:
    return shingle(pa.array(_STOP_WORDS.split(), pa.large_string()), "auto", 1).values
