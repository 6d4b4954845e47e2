"""What a number of a report is called, so that `curate trace` finds where it comes from; the page's anchors too."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote

WHOLE = "all"


def of_score(evaluation: str, split: str, metric: str, part: str = WHOLE) -> str:
    """experiment_003/eval-1:validation:token_f1, and :topic=a behind it for a slice."""
    return _joined(evaluation, split, metric, *([] if part == WHOLE else [part]))


def of_difference(sides: tuple[Sequence[str], Sequence[str]], name: str, suite: str | None = None) -> str:
    """base..experiment_003:token_f1; `name` as reports.sections.metrics.named gives it."""
    told = "..".join(",".join(side) for side in sides)
    return _joined(f"{told}@{suite}" if suite else told, *name.split(", "))


def of_count(version: str, *what: str) -> str:
    """v2:train for the rows of a split, v2:near:near_duplicate for what a stage did."""
    return _joined(version, *what)


def _joined(*parts: str) -> str:
    return ":".join(parts)


def anchor(address: str) -> str:
    """As the id of an element, which may hold no white space."""
    return quote(address, safe=":/.,=@-_")


def from_anchor(text: str) -> str:
    return unquote(text)
