"""Which checkpoint of a training answers best: each answers the validation split, and one metric decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from curation.errors import ConfigError, CurateError, did_you_mean
from curation.progress import Progress
from curation.source import Source
from curation.user_code import USE
from eval.answers import open_answers, prediction, write_predictions
from eval.exam import Opened, open_exam
from eval.folder import EvalFolder
from eval.measuring import Trust, measured
from eval.metrics import METRICS
from eval.metrics.likelihood import bits_per_char, perplexity
from eval.metrics.metric import Measured
from eval.subject import Subject
from eval.suite import MetricChoice, Suite
from train.model.adapter import put_weights
from train.model.of_run import Loaded, run_files

_FIRST = ("last", "validation_loss")  # what a training chooses by without us; for the hint of a misspelt name


@dataclass(frozen=True, slots=True)
class Selection:
    """Called with a run's folder and its checkpoints by step: (the best step, the value of each).

    Of equal ones the earlier. The suite is the one metric, on the validation split, with the workspace's settings of
    generation. Answers stay in the run's folder: asked again, no checkpoint answers twice, nor in a later evaluation.
    """

    suite: Suite
    exam: Opened
    near: Path
    trust: Trust
    higher: bool

    def __call__(self, run: Path, checkpoints: Mapping[int, Path], progress: Progress) -> tuple[int, dict[int, float]]:
        files = run_files(run, self.near)
        model: list[Loaded] = []
        values: dict[int, float] = {}
        with TemporaryDirectory() as place:
            folder = EvalFolder(Path(place))
            folder.write("items", (item.as_row() for item in self.exam.read()))
            for step, checkpoint in sorted(checkpoints.items()):
                subject = Subject(replace(files, adapter=checkpoint), adapter=True)
                self._answer(subject, step, folder, model, progress)
                values[step] = measured(folder, self.suite, self.trust)[self.suite.primary.metric].value
        known = {step: value if self.higher else -value for step, value in values.items() if math.isfinite(value)}
        if not known:
            raise CurateError(
                f"select: {self.suite.primary.metric} gave no number for any checkpoint; use select: last"
            )
        return max(known, key=lambda step: (known[step], -step)), values

    def _answer(self, subject: Subject, step: int, folder: EvalFolder, model: list[Loaded], progress: Progress) -> None:
        likely = METRICS.get(self.suite.primary.metric) in (perplexity, bits_per_char)
        with open_answers(subject, self.suite.generation) as answers:
            asked, scored = answers.pending(folder)
            progress.stage(f"asking checkpoint-{step}", scored if likely else asked, "items")
            if likely and scored:
                answers.score(_loaded(model, subject), folder, advance=progress.advance)
            elif not likely and asked:
                answers.generate(_loaded(model, subject), folder, advance=progress.advance)
            write_predictions(folder, answers, subject.name, None)


def open_selection(metric: str, suite: Suite, source: Source, near: Path, trust: Trust) -> Selection:
    """ConfigError or DataError, before anything is trained, for all that would keep the metric from choosing.

    `suite` is the workspace's default one: its settings of generation, its turns and labels, its options of the metric.
    """
    if metric not in METRICS and not USE.fullmatch(metric):
        raise ConfigError(f'select: "{metric}" is not a metric{did_you_mean(metric, [*_FIRST, *METRICS])}')
    choice = next((known for known in suite.metrics if known.name == metric), MetricChoice(metric))
    primary = suite.primary if suite.primary.metric == metric else replace(suite.primary, metric=metric, direction=None)
    suite = replace(suite, split="validation", file=None, metrics=(choice,), primary=primary, slices=())
    try:
        exam = open_exam(suite, source, near)
        found = _rehearsed(suite, exam, trust)
    except CurateError as error:
        raise type(error)(f"select: {metric}: {error}") from None
    higher = {"higher": True, "lower": False}.get(str(primary.direction), found.higher_is_better)
    if higher is None:
        what = f"neither higher nor lower {metric} is better"
        raise ConfigError(f"select: {what}; say which in suites/default.yaml (primary: direction), or take another")
    return Selection(suite, exam, near, trust, higher)


def _rehearsed(suite: Suite, exam: Opened, trust: Trust) -> Measured:
    """The metric of the gold answers, as if a model had given them: can it be measured, and which way does it go?"""
    asked = {"finish_reason": "stop", "tokens": 1, "logprob_mean": -1.0, "logprob_min": -1.0, "logprob_first": -1.0}
    with TemporaryDirectory() as place:
        folder = EvalFolder(Path(place))
        rows = [item.as_row() for item in exam.read()]
        folder.write("items", rows)
        gold = ({**asked, "text": row["reference"]} for row in rows)
        likely = {"nll": 1.0, "tokens": 1}
        folder.write("predictions", (prediction(r, "gold", told, likely) for r, told in zip(rows, gold, strict=True)))
        return measured(folder, suite, trust)[suite.primary.metric]


def _loaded(model: list[Loaded], subject: Subject) -> Loaded:
    """The model with the subject's adapter; its base is loaded once."""
    if model:
        put_weights(model[0].model, subject.files.adapter)
    else:
        model.append(subject.load())
    return model[0]
