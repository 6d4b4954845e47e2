"""Items on which evaluations differ: one has them right, another wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eval.folder import EvalFolder

EXACT: Final = "exact_match"
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Flips:
    """items: their ids, by `metric`. Where there are none, `why` says so in words: nothing is silently empty."""

    items: frozenset[str]
    metric: str = ""
    why: str = ""


def flips(folders: Sequence[EvalFolder]) -> Flips:
    """Items that at least one of these has right and another wrong.

    By exact match; where that tells none apart, or was not measured, by the primary metric of the suites from .5 on.
    Only a metric from 0 to 1 has a right and a wrong.
    """
    if len(folders) < 2:
        return Flips(frozenset(), why="flips are between two runs; name both: curate tag 3 2 --queue flips")
    tried, unfit = [], []
    for metric in dict.fromkeys([EXACT, *(name for folder in folders if (name := folder.primary()))]):
        said = [values for folder in folders if (values := _values(folder, metric))]
        if any(not 0 <= value <= 1 for values in said for value in values.values()):
            unfit.append(metric)
        elif len(said) > 1:
            tried.append(metric if metric == EXACT else f"{metric} from {_HALF:g} on")
            if found := _differing(said):
                return Flips(found, metric)
    if tried:
        return Flips(frozenset(), why=f"no item is right in one of these runs and wrong in another, by {_or(tried)}")
    if unfit:
        return Flips(frozenset(), why=f"{_or(unfit)} knows no right and wrong; put exact_match into the suite")
    return Flips(frozenset(), why="no two of these evaluations measured the same metric, so none says what is right")


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)


def _values(folder: EvalFolder, metric: str) -> dict[str, float]:
    table = folder.item_metrics(["item_id", "metric", "value"])
    rows = zip(*(table[column].to_pylist() for column in table.column_names), strict=True)
    return {item: value for item, name, value in rows if name == metric and value is not None and value == value}


def _differing(said: Sequence[dict[str, float]]) -> frozenset[str]:
    found: dict[str, set[bool]] = {}
    for values in said:
        for item, value in values.items():
            found.setdefault(item, set()).add(value >= _HALF)
    return frozenset(item for item, verdicts in found.items() if len(verdicts) > 1)
