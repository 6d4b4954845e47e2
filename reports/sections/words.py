"""Differences and verdicts in words, the same all through a report."""

from __future__ import annotations

from math import isfinite
from typing import Final, Literal

from eval.stats.compare import Difference
from reports.cells import number, signed

Tone = Literal["plain", "good", "bad", "note"]
IS: Final = {
    "better": "is better than",
    "worse": "is worse than",
    "higher": "is higher than",
    "lower": "is lower than",
    "same within the margin": "is the same within the margin as",
}
TONES: Final[dict[str, Tone]] = {"better": "good", "passed": "good", "worse": "bad", "failed": "bad"}


def tone(verdict: str) -> Tone:
    return TONES.get(verdict, "note")


def change(one: Difference) -> str:
    """+0.277 [+0.203, +0.358]."""
    return signed(one.diff) if not isfinite(one.low) else f"{signed(one.diff)} [{signed(one.low)}, {signed(one.high)}]"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def sentence(a: str, b: str, one: Difference) -> str:
    """The verdict with all it rests on: b against a."""
    if one.verdict == "cannot tell":
        words = f"Cannot tell whether {b} or {a} is better on {one.name}"
    else:
        words = f"{b} {IS[one.verdict]} {a} on {one.name}"
    return (
        f"{words}: {number(one.value_a)} -> {number(one.value_b)}, {change(one)}, {p_value(one.p)}, {one.n:,} "
        f"{'item' if one.n == 1 else 'items'}."
    )
