"""Plants the defects of real life in the free-form files and says of each what a build should find."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from data import defect_texts as texts
from data import science
from data.draw import Draw
from data.layouts import Entry, Mark
from data.spoiled_lines import BROKEN
from data.story import Story, ask

SINGLE: Final = ("manual.jsonl", "community.jsonl", "inbox.jsonl")
MOVES: Final = (("manual.jsonl", "manual.jsonl"), ("manual.jsonl", "community.jsonl"))  # original, copy
UNFINISHED: Final = ("the", "and", "or", "a", "an", "because", "your", "their", "every")


class Shelf:
    """The files being filled, and which of their rows no defect has used yet."""

    def __init__(self, files: dict[str, list[Entry]], draw: Draw) -> None:
        self.files = files
        self.draw = draw
        self._used: set[int] = {id(e) for entries in files.values() for e in entries if e.marks}

    def take(self, file: str, fits: Callable[[Story], bool] = lambda story: True) -> Entry:
        """A row of the file that no defect has touched; it is then used."""
        free = [e for e in self.files[file] if id(e) not in self._used and e.story.topic != "guard" and fits(e.story)]
        entry = self.draw.choice(free)
        self._used.add(id(entry))
        return entry

    def insert(self, file: str, entry: Entry, after: Entry | None = None) -> None:
        """Somewhere in the file; behind `after` if that row is in the same file."""
        entries = self.files[file]
        low = entries.index(after) + 1 if after in entries else 0
        entries.insert(self.draw.between(low, len(entries)), entry)
        self._used.add(id(entry))


def plant(files: dict[str, list[Entry]], draw: Draw) -> None:
    """Plant every kind. `files` must be in recipe order: copies go into the same or a later file."""
    shelf = Shelf(files, draw)
    for step in (_duplicates, _pairs, _answers, _soft_signals, _footers, _cut_conversations, _strangers, _broken_lines):
        step(shelf)
    for entry in files["manual.jsonl"][40::97]:
        entry.blank_before = True
    for entries in files.values():
        for entry in entries:
            if entry.story.topic == "guard" and not entry.marks:
                entry.marks.append(Mark("canned_guard", "kept"))


def _answered(story: Story, answer: str) -> Story:
    return replace(story, turns=(*story.turns[:-1], answer))


def _plain(story: Story) -> bool:
    return not story.context and len(story.turns) == 2


def _wants_text(story: Story) -> bool:
    return _plain(story) and story.turns[0].startswith(("Write", "Describe", "Explain"))


def _long(story: Story) -> bool:
    return _plain(story) and similarity(story, reworded(story)) >= 0.84


def _duplicates(shelf: Shelf) -> None:
    for first, later in (*MOVES, ("inbox.jsonl", "inbox.jsonl"), ("inbox.jsonl", "community.jsonl")) * 3:
        original = shelf.take(first, _plain)
        copy = Entry(original.story, [Mark("exact_duplicate", "merged", "exact_duplicate", original)])
        shelf.insert(later, copy, original)
    for first, later in MOVES * 6:
        original = shelf.take(first, _long)
        copy = Entry(reworded(original.story), [Mark("near_duplicate", "dropped", "near_duplicate", original)])
        shelf.insert(later, copy, original)


def reworded(story: Story) -> Story:
    """With one word of the answer replaced by another of the same meaning."""
    for word, other in texts.SYNONYMS:
        answer, changes = re.subn(rf"\b{word}\b", other, story.turns[-1], count=1)
        if changes:
            return _answered(story, answer)
    return replace(story, turns=("", ""))


def similarity(left: Story, right: Story) -> float:
    """Jaccard of the word 5-grams of prompt and answer, as near-duplicates are measured."""
    a, b = _shingles(left), _shingles(right)
    return len(a & b) / len(a | b)


def _shingles(story: Story) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", "\n".join(story.folded().turns).lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def _pairs(shelf: Shelf) -> None:
    for prompt, answer, one, other in texts.LONG_PAIRS:
        rows = [Entry(ask(prompt.format(v=v), answer.format(v=v), "policy")) for v in (one, other)]
        rows[1].marks.append(Mark("differs_in_fact", "kept", "differs_in_fact", rows[0]))
        for entry in rows:
            shelf.insert("manual.jsonl", entry, rows[0] if entry is rows[1] else None)
    for prompt, first, second in texts.CONFLICTS:
        one_side, other_side = Entry(ask(prompt, first, "policy")), Entry(ask(prompt, second, "policy"))
        one_side.marks.append(Mark("conflict", "kept", "conflict", other_side))
        other_side.marks.append(Mark("conflict", "kept", "conflict", one_side))
        shelf.insert("manual.jsonl", one_side)
        shelf.insert("community.jsonl", other_side)


def _answers(shelf: Shelf) -> None:
    for number in range(6):
        entry = shelf.take(SINGLE[number % 3], _plain)
        entry.story = _answered(entry.story, "   " if number == 3 else "")
        entry.marks.append(Mark("empty_answer", "dropped", "empty_answer"))
    for number, placeholder in enumerate(texts.PLACEHOLDERS):
        # "N/A" may be the right answer to a question, never to somebody who wants a text.
        fits = _wants_text if placeholder == "N/A" else _plain
        entry = shelf.take("manual.jsonl" if placeholder == "N/A" else SINGLE[number % 3], fits)
        entry.story = _answered(entry.story, placeholder)
        entry.marks.append(Mark("placeholder", "dropped", "placeholder"))
    for number in range(9):
        entry = shelf.take(("manual.jsonl", "community.jsonl")[number % 2], _can_be_cut)
        entry.story = _answered(entry.story, cut_off(entry.story.turns[-1]))
        entry.marks.append(Mark("cut_off", "kept", "cut_off"))


def _can_be_cut(story: Story) -> bool:
    """Prose only: where a table or a sum stops nobody can tell from its last line."""
    prose = story.topic in ("howto", "trouble", "policy", "explanation")
    return prose and _plain(story) and bool(cut_off(story.turns[-1]))


def cut_off(answer: str) -> str:
    """The answer stopped behind a word that cannot end a sentence; "" if there is no good place."""
    words = answer.split(" ")
    for place in range(len(words) * 3 // 4, 11, -1):
        if words[place] in UNFINISHED:
            return " ".join(words[: place + 1])
    return ""


def _soft_signals(shelf: Shelf) -> None:
    for answer in texts.REFUSALS:
        entry = shelf.take("community.jsonl", _plain)
        entry.story = _answered(entry.story, answer)
        entry.marks.append(Mark("refusal", "kept", "refusal"))
    for phrase in texts.REPEATED:
        entry = shelf.take("manual.jsonl", _plain)
        entry.story = _answered(entry.story, (phrase * 14).strip())
        entry.marks.append(Mark("repetition", "kept", "repetition"))
    for _ in range(4):
        entry = shelf.take("manual.jsonl", lambda s: _plain(s) and len(s.turns[0]) > 60)
        entry.story = _answered(entry.story, entry.story.turns[0])
        entry.marks.append(Mark("echo", "kept", "echo"))
    for _ in range(4):
        entry = shelf.take("manual.jsonl", lambda s: s.turns[-1].count("```") == 2)
        entry.story = _answered(entry.story, entry.story.turns[-1][: entry.story.turns[-1].rindex("\n```")])
        entry.marks.append(Mark("unbalanced_fence", "kept", "unbalanced_fence"))
    for _ in range(8):
        entry = shelf.take("inbox.jsonl", lambda s: len(mojibake(s.turns[-1])) > len(s.turns[-1]) + 3)
        entry.story = replace(entry.story, turns=tuple(mojibake(t) for t in entry.story.turns))
        entry.marks.append(Mark("mojibake", "kept", "mojibake"))


def mojibake(text: str) -> str:
    """UTF-8 read as Windows-1252; bytes that page lacks go through as control characters, as browsers do it."""
    missing = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
    return "".join(bytes([b]).decode("latin-1" if b in missing else "cp1252") for b in text.encode())


def _footers(shelf: Shelf) -> None:
    for number in range(24):
        entry = shelf.take(("community.jsonl", "inbox.jsonl")[number % 2], lambda s: _plain(s) and s.language == "en")
        entry.story = _answered(entry.story, entry.story.turns[-1] + texts.FOOTER)
        entry.marks.append(Mark("boilerplate", "kept", "boilerplate", found=(texts.FOOTER.strip(),)))


def _cut_conversations(shelf: Shelf) -> None:
    for file, group in (("inbox.jsonl", texts.CUT), ("converted.jsonl", texts.CUT_LLAMA)):
        for number, (request, intro, *parts) in enumerate(group):
            # A heading of four signs keeps its last one when a converter splits at three.
            left = "# " if number % 2 else ""
            turns = (request, intro, *(left + part if "\n" in part else part for part in parts))
            shelf.insert(file, Entry(Story(turns, "cut"), [Mark("cut_conversation", "dropped", "cut_conversation")]))


def _strangers(shelf: Shelf) -> None:
    accounts = {"iban_ro": iban("RO", "EXMP0000012345678901"), "iban_de": iban("DE", "000000000012345678")}
    for prompt, answer, found in texts.PERSONAL:
        spans = tuple(span.format(**accounts) for span in found)
        mark = Mark("personal_data", "kept", "personal_data", later=True, found=spans)
        shelf.insert("inbox.jsonl", Entry(ask(prompt, answer.format(**accounts), "personal"), [mark]))
    for prompt, answer in texts.WRONG_LANGUAGE:
        mark = Mark("wrong_language", "kept", "language_not_allowed")
        shelf.insert("community.jsonl", Entry(ask(prompt, answer, "trouble"), [mark]))
    for item, prompt, answer in science.leaked():
        mark = Mark("leaked_item", "dropped", "contaminated", found=(item,))
        shelf.insert("community.jsonl", Entry(ask(prompt, answer, "science"), [mark]))


def iban(country: str, account: str) -> str:
    """An account number with right check digits at a bank that does not exist."""
    digits = "".join(str(int(c, 36)) for c in account + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{account}"


def _broken_lines(shelf: Shelf) -> None:
    for file, kind, reason, spoil in BROKEN:
        entry = shelf.take(file)
        entry.spoil = spoil
        entry.marks.append(Mark(kind, "quarantined", reason))
