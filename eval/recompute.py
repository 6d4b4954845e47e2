"""Every number of an evaluation from what it stored, without a model: written once, and again with --recompute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import DataError
from eval.folder import EvalFolder
from eval.harness import numbers as harness
from eval.measuring import Trust, item_rows, measured, metric_rows, slices_of
from eval.metrics import measure
from eval.metrics.metric import Items, Measured, mean_of
from eval.stored_values import stamp
from eval.suite import Suite

CLEAN: Final = "clean"
JUDGED: Final = ("auroc", "aurc")  # of right or wrong, which people may say
EXACT: Final = 1e-9  # two numbers that differ by less are the same


@dataclass(frozen=True, slots=True)
class Recomputed:
    """numbers: how many were compared; changed: those that differ by EXACT or more, or are new or gone, but for those
    that people's verdicts have been taken in for."""

    folder: EvalFolder
    numbers: int
    largest: float
    changed: tuple[str, ...]


def write_numbers(folder: EvalFolder, suite: Suite, trust: Trust) -> dict[str, Measured]:
    """item_metrics.parquet and metrics.parquet, from predictions.parquet and benchmarks.parquet."""
    folder.check_whole()
    require_answers(folder)
    found = measured(folder, suite, trust)
    ids = folder.predictions(["item_id"])["item_id"].to_pylist()
    folder.write("item_metrics", item_rows(found, ids), stamp(folder, suite, found))
    folder.write("metrics", [*_of_exam(folder, suite, found), *_of_benchmarks(folder)])
    return found


def anew(folder: EvalFolder, metric: str, trust: Trust) -> list[dict[str, Any]]:
    """Lines of METRICS with this metric, computed from the stored answers and written nowhere."""
    folder.check_whole()
    require_answers(folder)
    suite = folder.suite
    chosen = tuple(choice for choice in suite.metrics if choice.name == metric)
    alone = replace(suite, metrics=chosen)
    of_exam = _of_exam(folder, alone, measured(folder, alone, trust)) if chosen else ()
    return [row for row in (*of_exam, *_of_benchmarks(folder)) if row["metric"] == metric]


def recompute(folder: EvalFolder, trust: Trust) -> Recomputed:
    """Write all numbers anew and say how far they are from those that stood there."""
    before, items, asked = _numbers(folder), _item_values(folder), _judges(folder)
    write_numbers(folder, folder.suite, trust)
    after = _numbers(folder)
    if asked != _judges(folder):
        before, after = (
            {name: value for name, value in one.items() if not _is_judged(name)} for one in (before, after)
        )
    differences = {name: _apart(before.get(name), after.get(name)) for name in {*before, *after}}
    count, largest, changed = _compared(items, _item_values(folder))
    changed += [name for name, apart in differences.items() if not apart < EXACT]
    most = max([largest, *differences.values()])
    return Recomputed(folder, len(after) + count, most, tuple(sorted(changed)))


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
        found = _of_harness(here, told) if "metrics" in told else _scores(here, told["signature"])
        told_clean = here["clean"].null_count == 0
        parts = {CLEAN: np.flatnonzero(here["clean"].to_numpy(zero_copy_only=False))} if told_clean else {}
        yield from metric_rows(name, found, None, parts, told["whole"])


def _scores(here: Any, asked: str) -> dict[str, Measured]:
    """Of one benchmark: accuracy, and whether the choices' probabilities mean anything."""
    found = {name: mean_of(name, name, here[name].to_numpy()) for name in ("acc", "acc_norm")}
    logliks = here["logliks"].to_pylist()
    gold = [None if at is None else str(at) for at in here["gold"].to_pylist()]
    choices = [None if values is None else [str(at) for at in range(len(values))] for values in logliks]
    items = Items([None] * len(gold), labels=gold, options=choices, option_logprobs=logliks)
    found |= {name: measure(name, items) for name in ("ece", "brier")}
    return {name: replace(one, signature=f"{one.signature}|{asked}") for name, one in found.items()}


def _of_harness(here: Any, told: dict[str, Any]) -> dict[str, Measured]:
    """Of a task of lm-evaluation-harness its own metrics; of choices also whether their probabilities mean anything."""
    lines = here["scores"].to_pylist()
    found = {
        name: harness.measured(name, harness.read_scores(lines, name), how, f"{name}|{told['signature']}")
        for name, how in told["metrics"].items()
    }
    of_choices = "acc" in found and here["logliks"].null_count < here.num_rows
    return found | ({n: m for n, m in _scores(here, told["signature"]).items() if n not in found} if of_choices else {})


def require_answers(folder: EvalFolder, of: str | None = None) -> None:
    """DataError, with the reason, where the model could not answer a single item. of: what to call the answers."""
    count, why = 0, ""
    for batch in folder.batches("predictions", ["output", "detail"]):
        if batch["output"].null_count < batch.num_rows:
            return
        count += batch.num_rows
        why = why or next((text for text in batch["detail"].to_pylist() if text), "")
    if count:
        raise DataError(f"{of or folder.name}: none of {count} items was answered: {why or 'no reason is known'}")


def _is_judged(name: str) -> bool:
    return any(f", {metric}" in name for metric in JUDGED)


def _judges(folder: EvalFolder) -> list[Any]:
    """Who said what is right, and of how many outputs."""
    rows = folder.metrics().to_pylist()
    return [(row["metric"], row["slice"], row["signature"], row["n"]) for row in rows if row["metric"] in JUDGED]


def _numbers(folder: EvalFolder) -> dict[str, float | None]:
    """Every number of the whole exam and its parts, by a name of its own."""
    found: dict[str, float | None] = {}
    for row in folder.metrics().to_pylist():
        for part in ("value", "ci_low", "ci_high", "n"):
            found[f"{row['split']}, {row['slice']}, {row['metric']}, {part}"] = row[part]
    return found


def _item_values(folder: EvalFolder) -> Any:
    """Every number of an item: name, value. In Arrow, for of an exam of any length there is one a metric and item."""
    table = folder.item_metrics(["item_id", "metric", "value"])
    names = pc.binary_join_element_wise(table["item_id"], table["metric"], ", ")
    return pa.table({"name": names, "value": table["value"]}).combine_chunks()


def _compared(before: Any, after: Any) -> tuple[int, float, list[str]]:
    """How many numbers there are now, how far apart they are at most, and the names of those that differ."""
    at = pc.index_in(after["name"], value_set=before["name"].combine_chunks())
    gone = before.filter(pc.invert(pc.is_in(before["name"], value_set=after["name"].combine_chunks())))
    one, two = (column.to_numpy(zero_copy_only=False) for column in (before["value"].take(at), after["value"]))
    new = at.to_numpy(zero_copy_only=False)
    absent = np.isnan(new.astype(np.float64)) if after.num_rows else np.zeros(0, np.bool_)
    apart = np.where(np.isnan(one) & np.isnan(two), 0.0, np.abs(one - two))
    apart = np.where(absent | np.isnan(apart), math.inf, apart)
    changed = after["name"].filter(pa.array(~(apart < EXACT))).to_pylist() + gone["name"].to_pylist()
    largest = math.inf if gone.num_rows else float(apart.max(initial=0.0))
    return after.num_rows, largest, changed


def _apart(one: float | None, two: float | None) -> float:
    if one is None or two is None or math.isnan(one) or math.isnan(two):
        alike = (one is None or math.isnan(one)) and (two is None or math.isnan(two))
        return 0.0 if alike else math.inf
    return abs(one - two) if one != two else 0.0
