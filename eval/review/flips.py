"""Items on which evaluations differ: one has them right, another wrong."""

from __future__ import annotations

from collections.abc import Iterable

from eval.folder import EvalFolder


def flips(folders: Iterable[EvalFolder], metric: str = "exact_match") -> set[str]:
    """Ids of the items that at least one of these has right and another wrong, by a metric of 0 to 1."""
    said: dict[str, set[bool]] = {}
    for folder in folders:
        table = folder.item_metrics(["item_id", "metric", "value"])
        for item, name, value in zip(*(table[c].to_pylist() for c in table.column_names), strict=True):
            if name == metric and value is not None:
                said.setdefault(item, set()).add(value >= 0.5)
    return {item for item, verdicts in said.items() if len(verdicts) > 1}
