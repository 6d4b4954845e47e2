"""Policies, explanations and product descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.prose import prose
from data.story import MACHINES, Story, ask

_TEXTS: Final = prose("knowledge")
PLANS: Final[list[str]] = _TEXTS["plans"]

# questions, then answers with a figure for each plan, then sentences of which one or two are added
POLICIES: Final[list[tuple[list[str], str, list[str], list[str]]]] = _TEXTS["policies"]

# concept: definition, reason, comparison, advice
CONCEPTS: Final[dict[str, list[str]]] = _TEXTS["concepts"]
CONCEPT_PROMPTS: Final[list[str]] = _TEXTS["concept_prompts"]

AUDIENCES: Final[list[tuple[str, str]]] = _TEXTS["audiences"]


def policies(draw: Draw) -> Iterator[Story]:
    """Every policy for every plan; the figure comes from the plan, the remarks are drawn."""
    for prompts, answer, values, remarks in POLICIES:
        for place, plan in enumerate(PLANS):
            prompt = prompts[place % 2] if draw.below(3) else prompts[(place + 1) % 2]
            told = " ".join([answer.format(p=plan, v=values[place]), *draw.sample(remarks, draw.between(1, 2))])
            yield ask(prompt.format(p=plan), told, "policy")


def explanations(draw: Draw) -> Iterator[Story]:
    """Every concept three times: another question and another choice of definition, reason, comparison, advice."""
    for concept, parts in CONCEPTS.items():
        told = draw.shuffled(((0, 2), (0, 1, 3), (0, 1)))
        for prompt in draw.sample(CONCEPT_PROMPTS, 3):
            chosen = (1, 2, 3) if prompt.startswith("Why") else told.pop()
            yield ask(prompt.format(c=concept), " ".join(parts[i] for i in chosen), "explanation")


def descriptions(draw: Draw) -> Iterator[Story]:
    """Every machine for every audience."""
    for machine in MACHINES:
        figures = {name: getattr(machine, name) for name in ("kind", "job", "speed", "unit", "power", "air", "width")}
        for prompt, answer in AUDIENCES:
            gap = draw.between(2, max(3, machine.speed // 4))
            words = {"m": machine.name, "strength": machine.strength, "gap": gap, "less": machine.speed - gap}
            words |= {"more": machine.speed + gap} | figures
            yield ask(prompt.format(**words), answer.format(**words), "product")
