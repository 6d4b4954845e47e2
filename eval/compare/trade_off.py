"""What each run won on its own job, and what it lost elsewhere: both against one model, with intervals and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.compare.benchmarks import measured, stored
from eval.compare.claim import difference
from eval.compare.exam import Exam, clusters_of
from eval.compare.measures import Draws
from eval.compare.sides import Model
from eval.metrics.metric import Measured
from eval.stats.compare import Difference


@dataclass(frozen=True, slots=True)
class Trade:
    """One run against the reference model. elsewhere: of each benchmark that both were asked."""

    run: str
    version: str | None
    seed: int | None
    domain: Difference
    elsewhere: dict[str, Difference]


def trade_off(
    exam: Exam, against: tuple[Model, Measured], runs: Sequence[tuple[Model, Measured]], margin: float, draws: Draws
) -> list[Trade]:
    """A line a run, each compared alone with the model `against` on the exam's items."""
    reference, base = against
    known = stored(reference)
    found = []
    for model, domain in runs:
        mine = stored(model)
        names = [name for name in mine if name in known and mine[name][0] == known[name][0]]
        elsewhere = {}
        for name in names:
            first, second = known[name][1], mine[name][1]
            ids = [item for item in first if item in second]
            metric = "acc" if any(first[item]["regime"] == "letters" for item in ids[:1]) else "acc_norm"
            pair = [[measured(scores, ids, metric, name)] for scores in (first, second)]
            elsewhere[name] = difference(pair[0], pair[1], None, margin, **draws.as_keywords())
        chosen = exam.suite.primary.margin
        gain = difference([base], [domain], clusters_of(exam), chosen, **draws.as_keywords())
        found.append(Trade(model.name, model.version_name, model.seed, gain, elsewhere))
    return found
