"""A curve in a terminal: plain characters, a few lines, one mark a column and series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from app.cli.render import Screen, Style

Points = Sequence[tuple[int, float]]  # (step, value)

_MARKS: Final[tuple[tuple[str, Style], ...]] = ((".", "dim"), ("o", "good"))
_WIDEST: Final = 100
_NARROWEST: Final = 20
_EDGE: Final = 9  # the longest label: -1.23e+05


def curve(series: Mapping[str, Points], height: int, screen: Screen) -> list[str]:
    """At most two series as `height` lines of marks, an axis and a legend; nothing where no value is a number.

    Where a column stands for several steps it shows their mean. The series named last is drawn on top.
    """
    finite = {name: [(s, v) for s, v in points if math.isfinite(v)] for name, points in series.items()}
    steps = [step for points in finite.values() for step, _ in points]
    if not steps:
        return []
    first, last = min(steps), max(steps)
    width = max(min(screen.width or 80, _WIDEST) - _EDGE - 2, _NARROWEST)
    drawn = [_columns(points, first, last, width) for points in finite.values()]
    values = [value for columns in drawn for _, value in columns]
    low, high = min(values), max(values)
    grid = [[" "] * width for _ in range(height)]
    for columns, (mark, style) in zip(drawn, _MARKS, strict=False):
        for column, value in columns:
            line = round((high - value) / (high - low) * (height - 1)) if high > low else height - 1
            grid[line][column] = screen.paint(mark, style)
    labels = [_label(high - (high - low) * line / max(height - 1, 1)) for line in range(height)]
    lines = [f"{label:>{_EDGE}} |{''.join(cells).rstrip()}" for label, cells in zip(labels, grid, strict=True)]
    return [*lines, _axis(first, last, width), _legend(finite)]


def _columns(points: Points, first: int, last: int, width: int) -> list[tuple[int, float]]:
    """The mean value of each column that has one."""
    values: dict[int, list[float]] = {}
    for step, value in points:
        values.setdefault(round((step - first) / max(last - first, 1) * (width - 1)), []).append(value)
    return [(column, math.fsum(found) / len(found)) for column, found in values.items()]


def _axis(first: int, last: int, width: int) -> str:
    left, right = f"step {first:,}", f"{last:,}" if last > first else ""
    return f"{' ' * _EDGE} +{left}{right.rjust(width - len(left), '-')}".rstrip("-")


def _legend(series: Mapping[str, Points]) -> str:
    told = [
        f"{mark} {name.replace('_', ' ')} {_label(points[0][1])} -> {_label(points[-1][1])}"
        for (name, points), (mark, _) in zip(series.items(), _MARKS, strict=False)
        if points
    ]
    return f"{' ' * _EDGE}  {'   '.join(told)}"


def _label(value: float) -> str:
    return f"{value:.3g}"
