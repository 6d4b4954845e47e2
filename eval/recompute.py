"""Every number of an evaluation from what it stored, without a model: written once, and again with --recompute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from curation.errors import DataError
from eval.folder import EvalFolder
from eval.measuring import Trust, item_rows, measured, metric_rows, slices_of
from eval.metrics import measure
from eval.metrics.metric import Items, Measured, mean_of
from eval.suite import Suite

CLEAN: Final = "clean"
EXACT: Final = 1e-9  # two numbers that differ by less are the same


@dataclass(frozen=True, slots=True)
class Recomputed:
    """numbers: how many were compared; changed: those that differ by EXACT or more, or are new or gone."""

    folder: EvalFolder
    numbers: int
    largest: float
    changed: tuple[str, ...]


def write_numbers(folder: EvalFolder, suite: Suite, trust: Trust) -> dict[str, Measured]:
    """item_metrics.parquet and metrics.parquet, from predictions.parquet and benchmarks.parquet."""
    require_answers(folder)
    found = measured(folder, suite, trust)
    ids = folder.predictions(["item_id"])["item_id"].to_pylist()
    folder.write("item_metrics", item_rows(found, ids))
    folder.write("metrics", [*_of_exam(folder, suite, found), *_of_benchmarks(folder)])
    return found


def anew(folder: EvalFolder, metric: str, trust: Trust) -> list[dict[str, Any]]:
    """Lines of METRICS with this metric, computed from the stored answers and written nowhere."""
    require_answers(folder)
    suite = folder.suite
    chosen = tuple(choice for choice in suite.metrics if choice.name == metric)
    alone = replace(suite, metrics=chosen)
    of_exam = _of_exam(folder, alone, measured(folder, alone, trust)) if chosen else ()
    return [row for row in (*of_exam, *_of_benchmarks(folder)) if row["metric"] == metric]


def recompute(folder: EvalFolder, trust: Trust) -> Recomputed:
    """Write all numbers anew and say how far they are from those that stood there."""
    before = _numbers(folder)
    write_numbers(folder, folder.suite, trust)
    after = _numbers(folder)
    differences = {name: _apart(before.get(name), after.get(name)) for name in {*before, *after}}
    changed = tuple(sorted(name for name, apart in differences.items() if not apart < EXACT))
    return Recomputed(folder, len(after), max(differences.values(), default=0.0), changed)


def _of_exam(folder: EvalFolder, suite: Suite, found: dict[str, Measured]) -> Iterator[dict[str, Any]]:
    told = folder.predictions(["split", "cluster", "clean"])
    parts = slices_of(folder, suite.slices)
    if told.num_rows and told["clean"].null_count == 0:
        parts[CLEAN] = np.flatnonzero(told["clean"].to_numpy())
    split = told["split"][0].as_py() if told.num_rows else str(suite.split)
    whole = folder.run.settings.get("exam", {}).get("whole", told.num_rows)
    yield from metric_rows(split, found, told["cluster"].to_numpy(), parts, whole)


def _of_benchmarks(folder: EvalFolder) -> Iterator[dict[str, Any]]:
    table = folder.benchmarks()
    known = {told["benchmark"]: told for told in folder.run.settings.get("benchmarks", ())}
    for name in dict.fromkeys(table["benchmark"].to_pylist()):
        here = table.filter(pc.equal(table["benchmark"], name))
        told = known.get(name, {"signature": here["regime"][0].as_py(), "whole": here.num_rows})
        found = _scores(here, told["signature"])
        told_clean = here["clean"].null_count == 0
        parts = {CLEAN: np.flatnonzero(here["clean"].to_numpy(zero_copy_only=False))} if told_clean else {}
        yield from metric_rows(name, found, None, parts, told["whole"])


def _scores(here: Any, asked: str) -> dict[str, Measured]:
    """Of one benchmark: accuracy, and whether the choices' probabilities mean anything."""
    found = {name: mean_of(name, name, here[name].to_numpy()) for name in ("acc", "acc_norm")}
    logliks, gold = here["logliks"].to_pylist(), here["gold"].to_pylist()
    choices = [[str(at) for at in range(len(values))] for values in logliks]
    items = Items([None] * len(gold), labels=list(map(str, gold)), options=choices, option_logprobs=logliks)
    found |= {name: measure(name, items) for name in ("ece", "brier")}
    return {name: replace(one, signature=f"{one.signature}|{asked}") for name, one in found.items()}


def require_answers(folder: EvalFolder) -> None:
    """DataError, with the reason, where the model could not answer a single item."""
    table = folder.predictions(["output", "detail"])
    if table.num_rows and table["output"].null_count == table.num_rows:
        why = next((text for text in table["detail"].to_pylist() if text), "no reason is known")
        raise DataError(f"{folder.name}: none of {table.num_rows} items was answered: {why}")


def _numbers(folder: EvalFolder) -> dict[str, float | None]:
    """Every number that is stored, by a name of its own."""
    found: dict[str, float | None] = {}
    for row in folder.metrics().to_pylist():
        for part in ("value", "ci_low", "ci_high", "n"):
            found[f"{row['split']}, {row['slice']}, {row['metric']}, {part}"] = row[part]
    for row in folder.item_metrics().to_pylist():
        found[f"{row['item_id']}, {row['metric']}"] = row["value"]
    return found


def _apart(one: float | None, two: float | None) -> float:
    if one is None or two is None or math.isnan(one) or math.isnan(two):
        alike = (one is None or math.isnan(one)) and (two is None or math.isnan(two))
        return 0.0 if alike else math.inf
    return abs(one - two) if one != two else 0.0
