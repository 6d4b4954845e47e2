"""A free-form conversation of the sample data, and what the texts around it are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from data.prose import prose


@dataclass(frozen=True, slots=True)
class Story:
    """turns: user, assistant, user, ... ending with an assistant. context: material the request refers to."""

    turns: tuple[str, ...]
    topic: str
    language: str = "en"
    context: str = ""

    def folded(self) -> Story:
        """The same with the context inside the first request, for layouts that have no field for it."""
        if not self.context:
            return self
        return Story((f"{self.turns[0]}\n\n{self.context}", *self.turns[1:]), self.topic, self.language)


def ask(question: str, answer: str, topic: str, language: str = "en", context: str = "") -> Story:
    """A story of one question and one answer."""
    return Story((question, answer), topic, language, context)


def sentence(text: str) -> str:
    """With a capital first letter and a full stop."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")


@dataclass(frozen=True, slots=True)
class Machine:
    """One product of the fictional maker Orvelin."""

    name: str
    kind: str
    job: str
    speed: int
    unit: str
    power: int  # kW
    air: int  # bar
    width: int  # cm
    strength: str


MACHINES: Final = tuple(Machine(**row) for row in prose("story")["machines"])


def fitting(machines: dict[str, list[str]], matter: str) -> list[Machine]:
    """The machines that can have this task or trouble; those named in `machines`, else all."""
    names = machines.get(matter)
    return [machine for machine in MACHINES if names is None or machine.name in names]
