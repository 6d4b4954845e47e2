"""Desk work: sums, notes to shorten, sort or take apart, letters, and snippets of configuration and code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from data.draw import Draw
from data.prose import prose
from data.story import MACHINES, Story, ask

_TEXTS: Final = prose("desk")
FIRMS: Final[list[str]] = _TEXTS["firms"]
PLACES: Final[list[str]] = _TEXTS["places"]
MONTHS: Final[list[str]] = _TEXTS["months"]
SUMS: Final[dict[str, tuple[str, str]]] = _TEXTS["sums"]
NOTES: Final = 60


def sums(draw: Draw) -> Iterator[Story]:
    """Small calculations of the packing hall, with the way to the result."""
    for machine in MACHINES * 2:
        rate, hours = machine.speed - draw.below(8), draw.between(3, 9)
        flow = {"m": machine.name, "unit": machine.unit, "rate": rate, "hours": hours}
        yield _sum("hours", **flow, hourly=rate * 60, total=rate * 60 * hours)
        share, packs = draw.between(2, 9), 100 * draw.between(5, 60)
        bad = packs * share // 100
        yield _sum("share", share=share, packs=packs, bad=bad, good=packs - bad)
        layers, per, pallets = draw.between(4, 9), draw.between(6, 16), draw.between(3, 11)
        full = layers * per
        yield _sum("pallets", layers=layers, per=per, pallets=pallets, full=full, cases=full * pallets)


def _sum(kind: str, **figures: object) -> Story:
    question, answer = SUMS[kind]
    return ask(question.format(**figures), answer.format(**figures), "sums")


def notes(draw: Draw) -> Iterator[Story]:
    """Service notes with four things to do with them; the note is the context."""
    for number in range(NOTES):
        machine = draw.choice(MACHINES)
        seen = {
            "firm": draw.choice(FIRMS),
            "machine": machine.name,
            "part": draw.choice(_TEXTS["note_parts"]),
            "day": f"{draw.choice(MONTHS)} {draw.between(1, 28)}",
        }
        words = seen | {
            "fields": json.dumps(seen),
            "kind": machine.kind,
            "place": draw.choice(PLACES),
            "found": draw.choice(_TEXTS["found"]),
            "team": draw.choice(("morning", "evening", "night")),
            "after": draw.choice(_TEXTS["next"]).format(n=draw.between(2, 9)),
        }
        prompt, answer = _TEXTS["note_tasks"][number % 4]
        yield ask(prompt, answer.format(**words), "notes", context=_TEXTS["note"].format(**words))


def labels(draw: Draw) -> Iterator[Story]:
    """Tickets to sort into four boxes, with the reason for the choice."""
    for label, tickets in _TEXTS["labels"].items():
        for ticket in tickets:
            words = {"m": draw.choice(MACHINES).name, "n": draw.between(2, 9)}
            words |= {"month": draw.choice(MONTHS), "place": draw.choice(PLACES)}
            answer = f"{label.capitalize()}. {_TEXTS['label_reasons'][label]}"
            yield ask(_TEXTS["label_prompt"], answer, "labels", context=ticket.format(**words))


def letters(draw: Draw) -> Iterator[Story]:
    """Short letters to customers, friendly or plain."""
    for matter, news, offer in _TEXTS["letters"]:
        for firm in draw.sample(FIRMS, 5):
            n, tone = draw.between(2, 9), draw.below(2)
            prompt = _TEXTS["letter_prompts"][tone].format(firm=firm, matter=matter.format(n=n))
            words = {"firm": firm, "news": news.format(n=n), "offer": offer, "thanks": _TEXTS["letter_thanks"][tone]}
            yield ask(prompt, _TEXTS["letter"].format(**words), "letters")


def snippets(draw: Draw) -> Iterator[Story]:
    """Configuration and code around Line Hub, fenced."""
    for name in ("event", "signal"):
        for value in _TEXTS[f"{name}s"]:
            for prompt, answer in _TEXTS[f"{name}_snippets"]:
                # replace, not format: code is full of braces
                words = (f"{{{name}}}", value), ("{m}", draw.choice(MACHINES).name), ("{n}", str(draw.between(2, 30)))
                for slot, word in words:
                    prompt, answer = prompt.replace(slot, word), answer.replace(slot, word)
                yield ask(prompt, answer, "code")
