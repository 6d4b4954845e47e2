"""What an evaluation takes, told before it is spent: items, tokens, minutes from a measured first batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from eval.answers import Answers
from eval.benchmarks import Sat
from eval.exam import Exam
from eval.folder import EvalFolder
from train.model.of_run import Loaded

_PROBE: Final = 8  # questions of a benchmark, likelihoods, whose time is measured


@dataclass(frozen=True, slots=True)
class Work:
    """What of an evaluation is still to be computed."""

    answers: int
    likelihoods: int
    benchmarks: Sequence[Sat]


@dataclass(slots=True)
class Pace:
    """Seconds that one answer, one likelihood, one question of a benchmark take; tokens of an item."""

    answer: float = 0.0
    likelihood: float = 0.0
    tokens: float = 0.0
    questions: dict[str, float] = field(default_factory=dict)


def measured_pace(work: Work, answers: Answers, folder: EvalFolder, loaded: Callable[[], Loaded]) -> Pace:
    """From one batch of each kind. What the model answers is kept; benchmark questions are asked again later."""
    pace = Pace()
    batch = min(work.answers, answers.settings.batch_size)
    if batch:
        model = loaded()
        pace.answer = _seconds(lambda: answers.generate(model, folder, batch)) / batch
        seen = list(islice(answers.generated.lines(), batch))
        pace.tokens = sum(line["prompt_tokens"] + line["tokens"] for line in seen) / batch
    scored = min(work.likelihoods, _PROBE)
    if scored:
        model = loaded()
        pace.likelihood = _seconds(lambda: answers.score(model, folder, scored)) / scored
    for ready in work.benchmarks:
        model, count = loaded(), min(ready.count, _PROBE)
        pace.questions[ready.choice.label] = _seconds(partial(ready.probe, model, count)) / count
    return pace


def told_cost(exam: Exam, benchmarks: Sequence[Sat], work: Sequence[Work], pace: Pace) -> str:
    """One line: the exam, the benchmarks, and the time for all models together."""
    parts = [f"exam: {exam.told()}", *(f"{one.choice.label} {one.count:,} items" for one in benchmarks)]
    if pace.tokens:
        parts.append(f"about {pace.tokens * sum(one.answers for one in work):,.0f} tokens")
    seconds = sum(_foreseen(one, pace) for one in work)
    models = f" for {len(work)} models" if len(work) > 1 else ""
    return " · ".join([*parts, f"about {_time(seconds)}{models}"])


def _foreseen(work: Work, pace: Pace) -> float:
    asked = sum(pace.questions.get(one.choice.label, 0.0) * one.count for one in work.benchmarks)
    return work.answers * pace.answer + work.likelihoods * pace.likelihood + asked


def _time(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
