"""Rules on the form of an output: nothing there, cut off, in a loop, marks of a template."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from curation.stages.filters.answers import Answers
from curation.stages.filters.config import Rule
from curation.stages.filters.cut_off import cut_off as signs_of_a_cut
from eval.metrics.tokens import arrow, unicode_tokens
from eval.tags.finding import Finding, Prediction, span_of, whole

_INVISIBLE: Final = re.compile(r"[\s\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]*")
_LONGEST_PERIOD: Final = 60  # words
_FEWEST_LOOPED: Final = 12  # words; fewer are emphasis ("no, no, no")
_TURNS: Final = 3
_TURNS_OF_FEW: Final = 4  # of a phrase
_FEW: Final = 8  # words of a phrase
_TELLING: Final = 4  # letters of a word; a loop of numbers and single letters is a pattern or a table
_CODE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)  # code may repeat itself
_LINE_OF_CODE: Final = re.compile(
    r"^.*(?:[;{}]|==|[+\-*/] ?=|\w\([^()\n]*\)|\breturn\b|\bend(?:if)?$).*$", re.MULTILINE
)
_FILLED_IN: Final = re.compile(r"\[[^\]\n]{3,120}\]|https?://\S+")  # what stands for a name yet to come, and addresses
_LIST_NUMBER: Final = re.compile(r"^\s*\d{1,4}[.):]", re.MULTILINE)
_VERSE: Final = re.compile(
    r"\b(?:songs?|lyrics?|rap|poems?|verses?|chorus|carol|melody|haiku|soliloquy)\b", re.IGNORECASE
)
_TURNS_OF_A_REFRAIN: Final = 6
_LEAK: Final = re.compile(
    r"\[/?INST\]|<</?SYS>>|</?s>|<(?:unk|pad|bos|eos|noinput|NOINPUT)>|<extra_id_\d+>|<\|[a-zA-Z_]{2,30}\|>"
    r"|</?(?:start|end)_of_turn>"
    r"|#{2,3} ?(?:Human|Assistant|User|System|Instruction|Response|Input|Output)\s*:"
    r"|^(?P<turn>USER|ASSISTANT|Human|Assistant|User|System)\s*:(?=\s)"
    r"|\A\s*(?P<field>Response|Output|Answer)\s*:",
    re.MULTILINE,
)
_ASKS_FOR_TURNS: Final = re.compile(
    r"\b(?:dialog(?:ue)?s?|conversations?|chat(?:bot)?s?|scripts?|interviews?|play|scene|soliloquy|assistants?)\b",
    re.IGNORECASE,
)
_ASKS_FOR_OUTPUT: Final = re.compile(
    r"\b(?:outputs?|code|snippet|program|function|loop|print\w*|query)\b", re.IGNORECASE
)


def empty(prediction: Prediction) -> Finding | None:
    """An answer with nothing to see in it. An output that is missing altogether is no answer, and not tagged."""
    if prediction.output is None or not _INVISIBLE.fullmatch(prediction.output):
        return None
    if prediction.reference is not None and not prediction.reference.strip():
        return None
    return Finding("empty", None, 1.0)


def cut_off(prediction: Prediction) -> Finding | None:
    """It ran into the limit of tokens, or ends as no finished text does."""
    text = prediction.text.rstrip()
    if prediction.finish_reason == "length":
        return Finding("cut off", (len(text), len(text)), 1.0, "reached the limit of tokens")
    texts = pa.table({"answer": arrow([text, prediction.reference]), "prompt": arrow(["", ""])})
    found = signs_of_a_cut(Answers.of(texts), Rule())
    if not found.details or list(found.rows) != [0] or not found.details[0].startswith("ends on"):
        return None  # the reference ends so as well; or only the full stop is missing, which small models leave out
    start = text.rfind(" ") + 1
    return Finding("cut off", (start, len(text)), 0.91, found.details[0])


def repetition(prediction: Prediction) -> Finding | None:
    """The same words three times in a row and more, but for the numbers of a list. A line that comes back is a refrain,
    and no loop; nor are lines of code."""
    text = prediction.text
    for part in (_CODE, _LINE_OF_CODE, _FILLED_IN, _LIST_NUMBER):
        text = part.sub(" ", text)
    words = unicode_tokens(text)
    verse = bool(_VERSE.search(prediction.asked))
    for period in range(1, min(_LONGEST_PERIOD, len(words) // _TURNS) + 1):
        turns = _TURNS_OF_A_REFRAIN if verse else _TURNS_OF_FEW if period < _FEW else _TURNS
        run = 0
        for at in range(period, len(words)):
            run = run + 1 if words[at] == words[at - period] else 0
            if run >= (turns - 1) * period and run + period >= _FEWEST_LOOPED:
                looped = words[at - period + 1 : at + 1]
                if any(len(word) >= _TELLING and word.isalpha() for word in looped):
                    told = " ".join(looped)[:80]
                    span = span_of(looped, prediction.text) or whole(prediction)
                    return Finding("repetition loop", span, 0.95, f'again and again: "{told}"')
    return None


def template_leakage(prediction: Prediction) -> Finding | None:
    """Marks of a prompt template, or special tokens, that neither question nor reference has. Names of speakers are
    none where a dialogue is asked for or they are spoken of, nor is "Output:" where an output is asked for."""
    source = prediction.source
    for mark in _LEAK.finditer(prediction.text):
        if mark[0].strip() not in source and not _asked_for(mark, prediction.asked):
            return Finding("template leakage", mark.span(), 0.98, mark[0].strip())
    return None


def _asked_for(mark: re.Match[str], asked: str) -> bool:
    if turn := mark["turn"]:
        return bool(_ASKS_FOR_TURNS.search(asked)) or turn.lower() in asked.lower()
    return mark["field"] == "Output" and bool(_ASKS_FOR_OUTPUT.search(asked))
