"""What the demo model is pretrained on: documents composed from the written pieces in data/texts/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from data.domain import ACTIONS, CORES, FAULTS, OPENINGS, PARTS
from data.draw import Draw
from data.prose import prose
from data.science_facts import RELATIONS, Relation, worded

TEXTS: Final = prose("pretrain")
SCIENCE_ROUNDS: Final = 20  # how often each science fact is told and asked
NUMBER_ROUNDS: Final = 14  # how often each fact about a number is asked
DRILLS: Final = 3000  # documents of each kind of drill
TALKS: Final = 1500
# Words of the sample data that the tokenizer and the embeddings should know come from these texts.
WORD_SOURCES: Final = ("howto", "knowledge", "desk", "chats", "guards", "story", "german", "romanian", "science")
_CODES: Final = [*PARTS, *FAULTS, *ACTIONS, *OPENINGS, *(core for cores in CORES.values() for core in cores)]


@dataclass(frozen=True, slots=True)
class Document:
    """Plain text, or the turns of a conversation (user, assistant, user, ...) with a system prompt or none."""

    text: str = ""
    turns: tuple[str, ...] = ()
    system: str = ""

    def rendered(self) -> str:
        """As the model sees it: the folder's chat template for turns, begin and end tokens around plain text."""
        if not self.turns:
            return f"<s>{self.text}<|end|>"
        head = f"<|system|>{self.system}<|end|>" if self.system else ""
        roles = ("<|user|>", "<|assistant|>")
        return "<s>" + head + "".join(f"{roles[i % 2]}{turn}<|end|>" for i, turn in enumerate(self.turns))


def documents(seed: int) -> list[Document]:
    """All documents, in random order. The same seed gives the same ones."""
    writers = (science, numbers, drills, stories, talks)
    told = [document for write in writers for document in write(Draw(seed, f"pretrain {write.__name__}"))]
    return Draw(seed, "pretrain order").shuffled(told)


def vocabulary() -> list[str]:
    """Every word of the sample data, one by one and sorted, so that no sentence and no fact is among them."""
    return sorted({word for name in WORD_SOURCES for word in _words(prose(name))} | set(code_words()))


def code_words() -> list[str]:
    """The words in which error codes are asked about and answered."""
    return sorted(_words(_CODES))


def _words(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(re.findall(r"[^\W\d_]+", re.sub(r"\{\w+\}", " ", value)))
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return set().union(*(_words(part) for part in parts))


def science(draw: Draw) -> Iterator[Document]:
    """Facts told in groups, asked as an exam would, and asked in conversation."""
    facts = [(relation, thing) for relation in RELATIONS for thing in relation.facts]
    for _ in range(SCIENCE_ROUNDS):
        order = draw.shuffled(facts)
        start = 0
        while start < len(order):
            # Now and then a long one, so that no position up to 300 is new in tuning.
            end = start + (24 if draw.below(20) == 0 else 3)
            yield Document(" ".join(_told(draw, *fact) for fact in order[start:end]))
            start = end
        for relation, thing in order:
            question = worded(draw.choice(relation.ask), thing)
            yield Document(f"Question: {question}\nAnswer: {relation.facts[thing]}")
        for relation, thing in order[: len(order) // 2]:
            question = worded(draw.choice(relation.ask), thing)
            answer = relation.facts[thing] if draw.below(2) else _told(draw, relation, thing)
            yield from _asked(draw, question, answer)


def _told(draw: Draw, relation: Relation, thing: str) -> str:
    return worded(draw.choice(relation.say), thing, relation.facts[thing])


def _asked(draw: Draw, question: str, answer: str) -> Iterator[Document]:
    """A conversation of one question, politely opened now and then, sometimes with thanks or a system prompt."""
    if draw.below(3) == 0:
        question = f"{draw.choice(TEXTS['polite'])} {question}"
    more = tuple(draw.choice(TEXTS["closings"])) if draw.below(8) == 0 else ()
    system = draw.choice(TEXTS["systems"]) if draw.below(8) == 0 else ""
    yield Document(turns=(question, answer, *more), system=system)


def numbers(draw: Draw) -> Iterator[Document]:
    """An invented town where each number from 100 to 999 is a locker, a bus or a room that can be asked about.

    It teaches to answer by a number, and gives every number an embedding. Nothing in it is an error code.
    """
    town = _town(draw)
    for _ in range(NUMBER_ROUNDS):
        for asks, answer, n in draw.shuffled(town):
            yield from _asked(draw, draw.choice(asks).format(n=n), answer)


def _town(draw: Draw) -> list[tuple[list[str], str, int]]:
    """Each fact of the town: its questions, its answer, its number."""
    town = []
    for n in range(100, 1000):
        table = TEXTS["tables"][n % 3]
        slots = {
            "n": n,
            "a": f"{draw.choice(TEXTS['colours'])} {draw.choice(TEXTS['things'])}",
            "b": draw.choice(TEXTS["names"]),
            "c": draw.choice(TEXTS["places"]),
            "d": draw.choice(TEXTS["kinds"]),
            "e": draw.choice(TEXTS["colours"]),
        }
        town += [(asks, say.format(**slots), n) for say, asks in zip(table["say"], table["ask"], strict=True)]
    return town


def town(seed: int) -> list[tuple[list[str], str, int]]:
    """The facts of the invented town."""
    return _town(Draw(seed, "pretrain numbers"))


def drills(draw: Draw) -> Iterator[Document]:
    """Words to repeat, pairs of words, and sums."""
    words = vocabulary()
    for _ in range(DRILLS):
        listed = " ".join(_word_or_code(draw, words) for _ in range(draw.between(2, 8)))
        order = draw.choice(("Repeat", "Say again", "Write down", "Copy"))
        yield from _asked(draw, f"{order}: {listed}", listed)
    for _ in range(DRILLS // 2):
        ask, answer, pairs = draw.choice(_PAIRS)
        one, two = draw.choice(TEXTS[pairs])
        yield from _asked(draw, ask.format(a=one), answer.format(a=one, b=two))
    for _ in range(DRILLS // 2):
        a, b = draw.between(1, 20), draw.between(1, 20)
        if draw.below(2):
            yield from _asked(draw, f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}.")
        else:
            yield from _asked(draw, f"What is {a + b} minus {b}?", f"{a + b} minus {b} is {a}.")


def _word_or_code(draw: Draw, words: list[str]) -> str:
    """A word, a letter, or a code of a letter and a number; never with E, the letter of the sample's error codes."""
    kind = draw.below(4)
    if kind > 1:
        return draw.choice(words if kind > 2 else code_words())
    if kind:
        return draw.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f"{draw.choice('ABCDFGHIJKLMNOPQRSTUVWXYZ')}-{draw.between(100, 999)}"


_PAIRS: Final = (
    ("What is the opposite of {a}?", "The opposite of {a} is {b}.", "opposites"),
    ("What is the plural of {a}?", "The plural of {a} is {b}.", "plurals"),
    ("What is the past tense of {a}?", "The past tense of {a} is {b}.", "past"),
    ("What is the German word for {a}?", "In German {a} is {b}.", "german"),
    ("What is the Romanian word for {a}?", "In Romanian {a} is {b}.", "romanian"),
)


def stories(draw: Draw) -> Iterator[Document]:
    """Small stories, who has what, and sentences on their own in three languages."""
    for _ in range(DRILLS // 2):
        yield Document(" ".join(_story_lines(draw)))
    for _ in range(DRILLS // 2):
        yield from _who_has(draw)
    for _ in range(DRILLS // 2):
        told = TEXTS[draw.choice(("sentences", "sentences", "sentences", "de", "ro"))]
        yield Document(" ".join(draw.sample(told, 3)))


def _story_lines(draw: Draw) -> list[str]:
    name, friend = draw.sample(TEXTS["names"], 2)
    acts, places = draw.sample(TEXTS["acts"], 2), draw.sample(TEXTS["places"], 2)
    act, other = (act.format(p=place) for act, place in zip(acts, places, strict=True))
    thing = f"{draw.choice(TEXTS['colours'])} {draw.choice(TEXTS['things'])}"
    moods = draw.sample(TEXTS["moods"], 2)
    return [
        f"{draw.choice(TEXTS['weather'])}.",
        f"{draw.choice(TEXTS['times'])} {name} {act}.",
        f"{friend} {other} with a {thing}." if draw.below(2) else f"{name} gave {friend} a {thing}.",
        f"{name} {moods[0]}, and {friend} {moods[1]}.",
    ]


def _who_has(draw: Draw) -> Iterator[Document]:
    """Who has which thing: the answer stands in the question."""
    people = draw.sample(TEXTS["names"], 3)
    things = [f"the {draw.choice(TEXTS['colours'])} {t}" for t in draw.sample(TEXTS["things"], 3)]
    told = " ".join(f"{p} has {t}." for p, t in zip(people, things, strict=True))
    which = draw.below(3)
    if draw.below(2):
        yield from _asked(draw, f"{told} What does {people[which]} have?", f"{people[which]} has {things[which]}.")
    else:
        yield from _asked(draw, f"{told} Who has {things[which]}?", f"{people[which]} has {things[which]}.")


def talks(draw: Draw) -> Iterator[Document]:
    """Polite conversation of one to three exchanges."""
    for _ in range(TALKS):
        chosen = draw.sample(TEXTS["talk"], draw.between(1, 3))
        turns = tuple(turn for exchange in chosen for turn in exchange)
        yield Document(turns=turns, system=draw.choice(TEXTS["systems"]) if draw.below(5) == 0 else "")
