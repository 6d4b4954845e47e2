"""Benchmarks beside the domain: the newest stored scores of every model, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.compare.claim import difference
from eval.compare.measures import Draws
from eval.compare.sides import Model, Side
from eval.folder import EvalFolder
from eval.harness import numbers as harness
from eval.metrics.metric import Measured, mean_of
from eval.stats.compare import Difference
from eval.stats.verdict import Gate, no_loss


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """diff: of `metric`, b against a. clean: the same on the questions that no training held; None if nobody knows or
    all are."""

    name: str
    metric: str
    chance: float
    diff: Difference
    clean: Difference | None
    touched: tuple[str, ...]
    no_loss: Gate  # by the margin
    margin: float

    @property
    def at_chance(self) -> bool:
        """Whether the better of the two is not above guessing by more than its interval is wide."""
        half: float = 1.96 * (self.chance * (1 - self.chance) / max(self.diff.n, 1)) ** 0.5
        return bool(self.chance) and bool(max(self.diff.value_a, self.diff.value_b) <= self.chance + half)


Scores = dict[str, dict[str, Any]]  # item id -> line of BENCHMARKS


def benchmarked(a: Side, b: Side, margin: float, draws: Draws, notes: list[str]) -> list[Benchmarked]:
    """Every benchmark that all models sat in the same way, in the order of the newest evaluation."""
    models = [*a.models, *b.models]
    known = [stored(model) for model in models]
    found = []
    for name in dict.fromkeys(label for one in reversed(known) for label in one):
        lacking = [model.name for model, one in zip(models, known, strict=True) if name not in one]
        if lacking:
            notes.append(f"{name}: {', '.join(lacking)} did not sit it; run curate eval {lacking[0]}")
            continue
        signatures = {one[name][0] for one in known}
        if len(signatures) > 1:
            notes.append(f"{name}: was asked in different ways ({'; '.join(sorted(signatures))}); not compared")
            continue
        found.append(_compared(name, [one[name][1] for one in known], len(a.models), margin, draws))
    return found


def stored(model: Model) -> dict[str, tuple[str, Scores]]:
    """Benchmark -> how it was asked, and its lines; of several evaluations the one with the most questions, then the
    newest."""
    found: dict[str, tuple[str, Scores]] = {}
    for folder in model.parts[0].evals:
        asked = {told["benchmark"]: f"{told['signature']}, file {told['sha256'][:8]}" for told in _told(folder)}
        metrics = {told["benchmark"]: told["metrics"] for told in _told(folder) if "metrics" in told}
        lines: dict[str, Scores] = {}
        for line in folder.benchmarks().to_pylist():
            line["metrics"] = metrics.get(line["benchmark"])
            lines.setdefault(line["benchmark"], {})[line["item_id"]] = line
        for name, scores in lines.items():
            if name not in found or len(scores) > len(found[name][1]):
                found[name] = (asked.get(name, ""), scores)
    return found


def _told(folder: EvalFolder) -> Sequence[Mapping[str, Any]]:
    told: Sequence[Mapping[str, Any]] = folder.run.settings.get("benchmarks") or ()
    return told


def _compared(name: str, each: Sequence[Scores], first: int, margin: float, draws: Draws) -> Benchmarked:
    ids = [item for item in each[0] if all(item in scores for scores in each)]
    metric = _shown(each[0][ids[0]]) if ids else "acc_norm"

    def diff(chosen: Sequence[str]) -> Difference:
        rows = [measured(scores, chosen, metric, name) for scores in each]
        return difference(rows[:first], rows[first:], None, margin, **draws.as_keywords())

    touched = tuple(item for item in ids if any(scores[item]["clean"] is False for scores in each))
    whole = diff(ids)
    clean = diff([item for item in ids if item not in set(touched)]) if touched else None
    offered = [len(each[0][item]["logliks"]) for item in ids if each[0][item]["logliks"]]
    chance = float(np.mean([1 / count for count in offered])) if offered else 0.0
    judged = no_loss(whole.low, whole.high, margin=margin, higher_is_better=whole.higher_is_better is not False)
    return Benchmarked(name, metric, chance, whole, clean, touched, judged, margin)


def measured(scores: Scores, ids: Sequence[str], metric: str, name: str) -> Measured:
    told = scores[ids[0]].get("metrics") if ids else None
    if told:
        values = harness.read_scores([scores[item]["scores"] for item in ids], metric)
        return harness.measured(metric, values, told[metric], f"{metric}|{name}")
    return mean_of(metric, f"{metric}|{name}", [scores[item][metric] for item in ids])


def _shown(line: Mapping[str, Any]) -> str:
    """The metric that stands for a benchmark; of a task of the harness acc_norm or acc, else its first."""
    if line.get("metrics"):
        return next((name for name in ("acc_norm", "acc") if name in line["metrics"]), next(iter(line["metrics"])))
    return "acc" if line["regime"] == "letters" else "acc_norm"
