"""How-to answers and trouble lists, composed from steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.prose import prose
from data.story import Machine, Story, ask, fitting, sentence

# task: (steps in order; the first and last are always told, some of the others left out; warning)
_TEXTS: Final = prose("howto")
TASKS: Final[dict[str, tuple[list[str], str]]] = _TEXTS["tasks"]

PROMPTS: Final[list[str]] = _TEXTS["prompts"]
OPENERS: Final[list[str]] = _TEXTS["openers"]
JOINTS: Final[list[str]] = _TEXTS["joints"]

# symptom: (likely reasons, each with its check)
SYMPTOMS: Final[dict[str, list[str]]] = _TEXTS["symptoms"]
COMPLAINTS: Final[list[str]] = _TEXTS["complaints"]


def howtos(draw: Draw) -> Iterator[Story]:
    """Every task several times: another machine, wording, choice of steps and layout each time."""
    for task, (steps, warning) in TASKS.items():
        machines = draw.shuffled(fitting(_TEXTS["machines"], task))
        layouts = draw.shuffled(range(5))
        for place, prompt in enumerate(draw.sample(PROMPTS, 5)):
            machine = machines[place % len(machines)]
            chosen = [steps[0], *draw.subset(steps[1:-1], draw.between(2, 4)), steps[-1]]
            answer = _lay_out(draw, layouts[place], task, machine, chosen, warning)
            yield ask(prompt.format(task=task, m=machine.name, kind=machine.kind), answer, "howto")


def _lay_out(draw: Draw, layout: int, task: str, machine: Machine, steps: list[str], warning: str) -> str:
    opener = draw.choice(OPENERS).format(m=machine.name, n=5 * draw.between(1, 9))
    numbered = "\n".join(f"{i}. {sentence(step)}" for i, step in enumerate(steps, 1))
    if layout == 0:
        return f"{opener}\n\n{numbered}\n\n{warning}"
    if layout == 1:
        told = [f"{JOINTS[min(i, len(JOINTS) - 1)]} {step}." for i, step in enumerate(steps[:-1])]
        return f"{opener} {' '.join(told)} Finally, {steps[-1]}. {warning}"
    if layout == 2:
        bullets = "\n".join(f"- {sentence(step)}" for step in steps)
        return f"To {task} on the {machine.name}:\n\n{bullets}"
    if layout == 3:
        half = len(steps) // 2
        before, rest = (" ".join(sentence(s) for s in part) for part in (steps[:half], steps[half:]))
        return f"## Before\n{before}\n\n## Doing it\n{rest}\n\n## Safety\n{warning}"
    return f"{warning} With that in mind: {'; '.join(steps)}. {opener}"


def troubles(draw: Draw) -> Iterator[Story]:
    """Every symptom with some of its reasons, in three layouts."""
    for symptom, reasons in SYMPTOMS.items():
        for layout, prompt in enumerate(draw.sample(COMPLAINTS, 3)):
            chosen = draw.sample(reasons, draw.between(2, 3))
            machine = draw.choice(fitting(_TEXTS["machines"], symptom)).name
            yield ask(prompt.format(s=symptom, m=machine), _reasons(draw, layout, chosen), "trouble")


def _reasons(draw: Draw, layout: int, reasons: list[str]) -> str:
    if layout == 0:
        listed = "\n".join(f"{i}. {sentence(r)}" for i, r in enumerate(reasons, 1))
        return (
            f"There are {('two', 'three')[len(reasons) - 2]} usual reasons. Go through them in this order:\n\n{listed}"
        )
    if layout == 1:
        return " ".join(["Most often " + reasons[0] + ".", *(f"It may also be that {r}." for r in reasons[1:])])
    ending = draw.choice(("Tell me what you found and we go on from there.", "If none of this helps, open a ticket."))
    return "\n".join(f"* {sentence(r)}" for r in reasons) + f"\n\n{ending}"
