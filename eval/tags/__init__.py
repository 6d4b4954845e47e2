"""Automatic tags: every rule with its version and what its precision was measured to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eval.tags.contradiction import contradicts_reference
from eval.tags.finding import Copy, Find, Finding, Prediction
from eval.tags.form import cut_off, empty, repetition, template_leakage
from eval.tags.layout import format_violation
from eval.tags.manner import copied, prompt_echo, refusal, too_long, too_short, wrong_language
from eval.tags.overlap import confident_and_wrong, low_overlap
from eval.tags.support import unsupported_name, unsupported_number, unsupported_url

__all__ = ["RULES", "Copy", "Finding", "Prediction", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """version: of what it finds; raise it with every change, and it judges all predictions anew.

    on: whether it runs unless said otherwise: its measured precision (benchmarks/results/tag_precision.json) is .8 or
    more. find gives that precision as confidence where the finding itself says no better.
    """

    tag: str
    version: int
    find: Find
    on: bool = True

    @property
    def name(self) -> str:
        return f"{self.tag}/{self.version}"


RULES: Final[tuple[Rule, ...]] = (
    Rule("empty", 1, empty),
    Rule("cut off", 2, cut_off),
    Rule("repetition loop", 3, repetition),
    Rule("refusal", 3, refusal),
    Rule("wrong language", 2, wrong_language, on=False),
    Rule("template leakage", 2, template_leakage),
    Rule("format violation", 3, format_violation),
    Rule("too long", 1, too_long),
    Rule("too short", 1, too_short, on=False),
    Rule("prompt echo", 3, prompt_echo),
    Rule("copied from training", 1, copied),
    Rule("unsupported number", 2, unsupported_number),
    Rule("unsupported name", 2, unsupported_name, on=False),
    Rule("unsupported URL", 3, unsupported_url, on=False),
    Rule("contradicts reference", 3, contradicts_reference),
    Rule("low overlap", 2, low_overlap),
    Rule("confident and wrong", 3, confident_and_wrong, on=False),
)
