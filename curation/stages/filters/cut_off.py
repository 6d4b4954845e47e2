"""Answers that look cut off: they end on a comma, an "and", an empty list item, or in the middle of a sentence."""
# ruff: noqa: RUF001 -- the signs are those of many scripts

from __future__ import annotations

import re
from typing import Final

import numpy as np

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.characters import DASH, IDEOGRAPH, LETTER, PUNCTUATION, class_of
from curation.stages.filters.config import Rule
from curation.stages.filters.scan import ENDS, LAST, TAIL, TOKENS

FEWEST_TOKENS: Final = 8  # short answers are phrases: no full stop is due
LONGEST_MARKER: Final = 4  # characters of an empty list item

# Words that no English, German, Romanian, French or Spanish sentence ends on. Particles that may end one
# ("turn it on", "log in", "ich rufe an") are left out.
_UNFINISHED: Final = frozenset(
    " ".join(
        (
            "the a an and or but nor because which whose its their your my our than if when while although though",
            "unless until such including includes especially particularly was were very every among as during",
            "und oder aber denn sondern der das dem des ein eine einen einem eines einer mit von bei für weil dass",
            "wenn obwohl sowie bzw zum zur im ins am vom sehr durch ohne gegen zwischen wie als",
            "și si sau dar însă de la cu din pe pentru prin către despre că ca să un o unei unui al ale lui foarte",
            "iar deoarece fiindcă dacă când deși între fără",
            "et ou mais le les une des du à au aux avec pour dans que qui très",
            "y pero el los las del una unos unas con para por porque muy",
        )
    ).split()
)
# A relative clause or a question may end on these ("people to connect with"), as items of a list do.
_STRANDED: Final = frozenset(
    ("of", "from", "with", "into", "onto", "between", "to", "by", "for", "at", "without", "through", "is", "are")
)
_HANGING: Final = frozenset(",;(&+،؛，、；（")
_UNFINISHED_IDEOGRAPHS: Final = frozenset("的和与及或但且而把被对从向因")
_MARKER: Final = re.compile(r"\s*(?:\(?\d{1,3}[.)]|[-*•])\s*")
_LIST_ITEM: Final = re.compile(
    r"\s*(?:[-*•>|#+]|\(?\d{1,3}[.):]|\(?[a-zA-Z][.)]\s|[ivxIVX]+[.)]\s|step\b)", re.IGNORECASE
)
# Signs that the last line is code, a formula, a table, a link or a label rather than prose.
_NOT_PROSE: Final = re.compile(r"[{}\[\]<>=|\\_@#$^~`*→]|;\s*$|https?:|www\.|\w\(|--|//|^\s*[\w ]{1,30}:|^    |^\t")
_SENTENCE_END: Final = re.compile(r"(?<![A-Z])(?<!\b[A-Z]\.[A-Z])[.!?][\"'”’)]?\s+(?=[\w\"“'(])|[。！？]")
_ABBREVIATION: Final = re.compile(
    r"\b(?:St|Dr|Mr|Mrs|Ms|Prof|vs|etc|e\.g|i\.e|No|Jr|Sr|approx|bzw|z\.B|ca|dl|nr|str|Fig|al)\.\s+$"
)
# A signature or the source of a quotation.
_CLOSING: Final = re.compile(
    r"(?i)\b(?:regards|sincerely|yours|love|faithfully|wishes|cheers|grüßen?|respect|stimă|drag)\b"
    r"|[.!?,\"”’']\s*[-–—―~]\s*\w"
)
_WORD: Final = re.compile(r"[^\W_]+")


def cut_off(answers: Answers, rule: Rule) -> Found:
    """Reason cut_off; the detail says which sign was seen."""
    long_enough = answers.count(TOKENS) >= FEWEST_TOKENS
    kind, last = class_of(answers.count(LAST)), answers.count(LAST)
    open_end = (kind == LETTER) | (kind == IDEOGRAPH) | np.isin(last, [ord(c) for c in _HANGING])
    marker = (answers.count(TAIL) <= LONGEST_MARKER) & ((kind == DASH) | (kind == PUNCTUATION) | (last == ord("*")))
    suspects = rows_where(long_enough & (open_end | marker))
    ends = answers.count(ENDS)[suspects]
    texts = zip(suspects, answers.answers(suspects), ends, strict=True)
    found = [(row, sign) for row, text, sentences in texts if (sign := sign_of_cut(text, int(sentences)))]
    return Found("cut_off", [row for row, _ in found], details=[sign for _, sign in found])


def sign_of_cut(text: str, sentences: int) -> str | None:
    """What makes a text of at least 8 tokens, `sentences` of them finished, look cut off; None if nothing does."""
    text = text.rstrip()
    before, _, line = text.rpartition("\n")
    if _MARKER.fullmatch(line):
        return "ends on an empty list item" if _has_same_marker(before, line) else None
    if "```" in text or _NOT_PROSE.search(line):
        return None
    words = _WORD.findall(line)
    if line[-1] in _HANGING:
        # "Sincerely," closes a letter, a comma ends a verse.
        return f'ends on "{line[-1]}"' if _is_prose(words, line) and sentences else None
    if line[-1] in _UNFINISHED_IDEOGRAPHS and sentences:
        return f'ends on "{line[-1]}"'
    if len(words) >= 4 and (words[-1] in _UNFINISHED or (words[-1] in _STRANDED and not _LIST_ITEM.match(line))):
        return f'ends on "{words[-1]}"'
    if not sentences or _LIST_ITEM.match(line):
        return None
    return "ends in mid-sentence" if _ends_in_fragment(line) or _is_unfinished_paragraph(before, line) else None


def _is_prose(words: list[str], line: str) -> bool:
    return len(words) >= 4 or len(line) >= 15


def _has_same_marker(before: str, line: str) -> bool:
    """An item of the same kind stands before: "2." alone may be the answer's last number, "-" a result."""
    kind = "digit" if any(c.isdigit() for c in line) else line.strip()[0]
    starts = (earlier.lstrip()[:2] for earlier in before.split("\n"))
    return any(start and ((kind == "digit" and start[0].isdigit()) or start[0] == kind) for start in starts)


def _ends_in_fragment(line: str) -> bool:
    """The line has a finished sentence, then the beginning of one."""
    ends = [match.end() for match in _SENTENCE_END.finditer(line) if not _ABBREVIATION.search(line[: match.end()])]
    if not ends:
        return False
    fragment = line[ends[-1] :]
    words = _WORD.findall(fragment)
    if _CLOSING.search(fragment) or _is_title(words):
        return False
    return len(words) >= 4 or fragment.endswith(("'s", "’s")) or (len(fragment) >= 8 and " " not in fragment)


def _is_unfinished_paragraph(before: str, line: str) -> bool:
    """A long line of prose without its end, after a paragraph that has one."""
    words = _WORD.findall(line)
    finished = before.rstrip().endswith((".", "!", "?"))
    return finished and len(words) >= 12 and not _CLOSING.search(line) and not _is_title(words)


def _is_title(words: list[str]) -> bool:
    """Headlines and signatures: most words begin with a capital."""
    cased = [word for word in words if word[0].isalpha() and word[0].lower() != word[0].upper()]
    return bool(cased) and sum(word[0].isupper() for word in cased) > 0.6 * len(cased)
