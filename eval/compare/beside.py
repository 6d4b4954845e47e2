"""Baselines that were stored, on the same exam: what costs nothing to try beside what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurateError
from curation.runs import Run, readable_runs
from eval.compare import measures
from eval.compare.claim import against_each
from eval.compare.exam import Exam, clusters_of, learned_by
from eval.compare.measures import Draws
from eval.compare.sheet import sheet
from eval.compare.sides import BASE, Model, Part, Side, same_base
from eval.compare.trained import Exposure
from eval.measuring import Trust
from eval.metrics.metric import Measured
from eval.stats.compare import Difference


@dataclass(frozen=True, slots=True)
class Beside:
    """diff: each model of the second side against the baseline, by the primary metric."""

    name: str
    run: str
    diff: Difference


def beside(
    experiments: Path,
    exam: Exam,
    sides: tuple[Side, Side],
    b: Sequence[Measured],
    exposure: Exposure,
    trust: Trust,
    draws: Draws,
) -> list[Beside]:
    """The newest of every baseline, and of the sides' base at every quantisation, that answered all items of the exam,
    but for those its own examples hold. What is a side is not beside it, nor what was measured otherwise (people judged
    the sides alone)."""
    found: dict[str, Beside] = {}
    shown = {part.name for side in sides for model in side.models for part in model.parts}
    like = sides[1].models[0].parts[0].run
    for part in _baselines(experiments, like):
        name = str(part.run.settings.get("name", part.name))
        if part.is_base:
            name = f"base ({(part.run.config or {}).get('quantization', 'none')})"
        if name in found or part.name in shown:
            continue
        measured = _measured(exam, Model(part.name, (part,)), exposure, trust)
        if measured is not None and measured.signature == b[0].signature:
            margin = exam.suite.primary.margin
            diff = against_each(measured, b, clusters_of(exam), margin, **draws.as_keywords())
            found[name] = Beside(name, part.name, diff)
    return [found[name] for name in sorted(found)]


def _baselines(experiments: Path, like: Run) -> list[Part]:
    """Newest first."""
    parts = []
    for folder, run in reversed(readable_runs(experiments)):
        if run.settings.get("baseline") or (run.kind == BASE and same_base(run, like)):
            parts.append(Part(folder, run))
    return parts


def _measured(exam: Exam, model: Model, exposure: Exposure, trust: Trust) -> Measured | None:
    try:
        learned = learned_by(exam, model, exposure, [])
        answers = sheet(exam, model, learned)
        if not (answers.answered | learned[0]).all():
            return None
        ((found,),) = measures.measures([answers], exam.suite.deciding, trust, []).values()
    except CurateError:  # asked with other settings, or the metric needs what it did not give
        return None
    return found
