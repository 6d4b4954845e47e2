"""German rows of the sample data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.knowledge import PLANS
from data.prose import prose
from data.story import Story, ask, fitting

_TEXTS: Final = prose("german")
KINDS: Final[dict[str, str]] = _TEXTS["kinds"]

# Aufgabe: Schritte, Warnung
TASKS: Final[dict[str, tuple[list[str], str]]] = _TEXTS["tasks"]
PROMPTS: Final[list[str]] = _TEXTS["prompts"]

# Frage, Antwort mit Wert je Vertrag, Zusätze
POLICIES: Final[list[tuple[str, str, list[str], list[str]]]] = _TEXTS["policies"]

CONCEPTS: Final[dict[str, list[str]]] = _TEXTS["concepts"]
QUESTIONS: Final[list[str]] = _TEXTS["questions"]
STARTS: Final[list[str]] = _TEXTS["starts"]


def german(draw: Draw) -> Iterator[Story]:
    """All German rows: how-to, contract questions, explanations."""
    for task, (steps, warning) in TASKS.items():
        machines = draw.shuffled(fitting(_TEXTS["machines"], task))
        for place, prompt in enumerate(PROMPTS):
            machine = machines[place % len(machines)]
            chosen = draw.subset(steps, len(steps) - 1 - place % 2)
            start = draw.choice(STARTS).format(n=5 * draw.between(1, 8))
            listed = [f"{i}. {step[0].upper()}{step[1:]}." for i, step in enumerate(chosen, 1)]
            bullets = [f"- {step}" for step in chosen]
            body = "\n".join(bullets if place % 2 else listed)
            words = {"k": KINDS[machine.name], "m": machine.name, "task": task}
            ending = f"\n\n{warning}" if place < 2 else ""
            yield ask(prompt.format(**words), f"{start}\n\n{body}{ending}", "howto", "de")
    for question, answer, values, more in POLICIES:
        for plan, value in zip(PLANS, values, strict=True):
            told = " ".join([answer.format(p=plan, v=value), *draw.sample(more, draw.between(1, 2))])
            yield ask(question.format(p=plan), told, "policy", "de")
    for concept, parts in CONCEPTS.items():
        for question, (one, two) in zip(QUESTIONS, ((0, 2), (0, 1), (1, 2)), strict=True):
            yield ask(question.format(c=concept), f"{parts[one]} {parts[two]}", "explanation", "de")
