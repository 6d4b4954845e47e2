"""The rows as the filters see them, and what a filter finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.stages.filters.scan import scan


@dataclass(frozen=True, slots=True)
class Found:
    """Rows (ascending numbers in the table) with one defect. A scalar value or None stands for every row."""

    reason: str
    rows: Any
    values: Any = None
    threshold: float | None = None
    details: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """A table, counted once; text is only taken out for the few rows a filter must read."""

    table: Any
    counters: Any
    edges: Any

    @classmethod
    def of(cls, table: Any) -> Answers:
        scanned = scan(table["answer"], table["prompt"])
        return cls(table, scanned.counters, scanned.edges)

    def count(self, column: int) -> Any:
        return self.counters[:, column]

    def answers(self, rows: Any) -> list[str]:
        return list(self._take("answer", rows))

    def prompts(self, rows: Any) -> list[str]:
        return list(self._take("prompt", rows))

    def records(self, rows: Any) -> list[bytes]:
        return list(self._take("record", rows))

    def _take(self, column: str, rows: Any) -> Any:
        return self.table[column].take(np.asarray(rows, np.int64)).to_pylist()


def rows_where(mask: Any) -> Any:
    return np.flatnonzero(mask)


def share(part: Any, whole: Any) -> Any:
    """part / whole, 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
