"""A free-form conversation of the sample data, and what the texts around it are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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


MACHINES: Final = (
    Machine("L3", "labeller", "puts paper and film labels on bottles and jars", 120, "bottles", 2, 6, 140,
            "the label head swings out without a tool, so a roll change takes less than two minutes"),
    Machine("C7", "cartoner", "opens flat cartons, fills them from the side and glues them shut", 60, "cartons", 6, 7, 310,
            "a magazine for six hundred flat blanks keeps it running through a whole break"),
    Machine("P5", "palletiser", "stacks closed cases on pallets in layers of your own design", 14, "cases", 9, 6, 420,
            "layer patterns are drawn on the panel with a finger and tried out before the first case moves"),
    Machine("S2", "shrink wrapper", "wraps groups of bottles in film and shrinks it in a short hot tunnel", 25, "packs", 22, 6, 280,
            "the tunnel holds its heat well and is ready again eight minutes after a pause"),
    Machine("W4", "check weigher", "weighs every pack on the move and pushes out those that are too light", 150, "packs", 1, 5, 95,
            "it keeps a signed list of weights that an inspector can read without special software"),
    Machine("F6", "filler", "fills sauces, syrups and creams into jars by piston", 80, "jars", 5, 7, 210,
            "all parts that touch the product lift out by hand and go straight into the washer"),
)  # fmt: skip
