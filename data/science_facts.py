"""Simple science facts: what the demo model is told about them, and 300 exam items in other words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from data.draw import Draw
from data.prose import prose

EXAM_ITEMS: Final = 300
_LABELS: Final = "ABCDE"


@dataclass(frozen=True, slots=True)
class Relation:
    """What holds between things and values: `facts` maps thing to value, {e} and {v} stand for them in the texts.

    `say` and `ask` are for pretraining; `exam` is kept for the exam and never trained on.
    """

    name: str
    say: tuple[str, ...]
    ask: tuple[str, ...]
    exam: tuple[str, ...]
    facts: dict[str, str]


RELATIONS: Final = tuple(
    Relation(row["name"], tuple(row["say"]), tuple(row["ask"]), tuple(row["exam"]), row["facts"])
    for row in prose("science_facts")["relations"]
)


def worded(text: str, thing: str, value: str = "") -> str:
    """A wording with its slots filled, "a" before a vowel made "an", and a capital at the start."""
    filled = text.format(e=thing, v=value)
    filled = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", filled)
    return filled[0].upper() + filled[1:]


def exam(seed: int = 0) -> list[dict[str, Any]]:
    """300 items in ARC's official layout, from all relations alike; most have four choices, one in 15 numeric labels.

    The wrong choices are values of the same relation, so that a model which only knows what kind of answer is
    wanted stays at chance.
    """
    draw = Draw(seed, "science exam")
    asked = [(relation, thing, place) for relation in RELATIONS for place, thing in enumerate(relation.facts)]
    chosen = draw.subset(asked, EXAM_ITEMS)
    return [_item(number, relation, thing, place, draw) for number, (relation, thing, place) in enumerate(chosen)]


def _item(number: int, relation: Relation, thing: str, place: int, draw: Draw) -> dict[str, Any]:
    right = relation.facts[thing]
    others = draw.shuffled(sorted({value for value in relation.facts.values() if value != right}))
    choices = others[: 4 if number % 20 == 7 else 3]
    spot = draw.below(len(choices) + 1)
    choices.insert(spot, right)
    labels = "12345" if number % 15 == 4 else _LABELS
    stem = worded(relation.exam[place % len(relation.exam)], thing)
    listed = [{"text": text, "label": label} for text, label in zip(choices, labels, strict=False)]
    question = {"stem": stem, "choices": listed}
    return {"id": f"demo-science-{number:03d}", "question": question, "answerKey": labels[spot]}
