"""One evaluation from beginning to end: a model sits an exam, and everything it gave is stored and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from curation.environment import environment
from curation.progress import Progress
from curation.runs import Run, State, read_run, utc_now, working_on, write_run
from eval.answers import Answers, open_answers, write_predictions
from eval.benchmarks import Sat, benchmark_rows, is_known, scores
from eval.cost import Work, measured_pace, told_cost
from eval.exam import Opened
from eval.folder import EvalFolder, evals, new_eval
from eval.measuring import Trust
from eval.recompute import write_numbers
from eval.subject import Subject, short_hash
from eval.suite import Suite
from train.model.of_run import Loaded


@dataclass(frozen=True, slots=True)
class Job:
    """What an evaluation asks. touched: benchmark's label -> questions that the run's training held, where known;
    touched_items: the same of the exam's items."""

    suite: Suite
    exam: Opened
    benchmarks: Sequence[Sat]
    touched: Mapping[str, frozenset[str]] = field(default_factory=dict)
    touched_items: frozenset[str] | None = None
    trust: Trust = field(default_factory=Trust)

    def key(self, subject: Subject) -> str:
        """Names the evaluation: what is asked of which model."""
        suite = {key: value for key, value in self.suite.as_json().items() if key != "gates"}
        suite["generation"] = self.suite.generation.as_json()
        asked = [[ready.sha256, ready.choice.label, ready.count] for ready in self.benchmarks]
        return short_hash([subject.identity(), suite, self.exam.exam.sha256, asked])


@dataclass(frozen=True, slots=True)
class Evaluated:
    subject: Subject
    folder: EvalFolder
    known: bool  # it had been evaluated before, and nothing was computed


def evaluate(subjects: Sequence[Subject], job: Job, progress: Progress, cost: Callable[[str], None]) -> list[Evaluated]:
    """Evaluate each model on the same exam; the first ones share weights in memory where they can.

    What was computed before is not computed again, whatever stopped it. `cost` is told in words what all of it takes,
    once a first batch was measured. KeyboardInterrupt says how to go on.
    """
    found = [_started(subject, job) for subject in subjects]
    models = _Models(progress)
    try:
        _foresee([one for one in found if not one.known], job, models, cost)
        for one in found:
            if not one.known:
                _complete(one, job, models, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; what was computed is kept, the same command again goes on") from None
    progress.finish()
    return found


class _Models:
    """One model in memory at a time; a base answers on the weights of a run that is loaded, if they are the same."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._subject: Subject | None = None
        self._loaded: Loaded | None = None

    @contextmanager
    def of(self, subject: Subject) -> Iterator[Callable[[], Loaded]]:
        """A function that gives the model, loaded when it is first called."""
        with ExitStack() as stack:

            def loaded() -> Loaded:
                if self._subject != subject and not self._is_base_of_loaded(subject):
                    self._progress.stage(f"loading {subject.label}")
                    self._loaded = None  # before the next one takes its room
                    self._loaded, self._subject = subject.load(), subject
                assert self._loaded is not None
                if self._loaded.has_adapter and not subject.adapter:
                    stack.enter_context(self._loaded.without_adapter())
                return self._loaded

            yield loaded

    def _is_base_of_loaded(self, subject: Subject) -> bool:
        here = self._subject
        return here is not None and here.identity() | {"adapter": None} == subject.identity()


def _started(subject: Subject, job: Job) -> Evaluated:
    """The evaluation's folder: a finished or an interrupted one of the very same, else a new one."""
    key = job.key(subject)
    for folder in reversed(evals(subject.folder)):
        run = read_run(folder.path)
        if run.settings.get("key") == key:
            return Evaluated(subject, folder, run.state == "done")
    folder = new_eval(subject.folder)
    _write_run(subject, folder, job, key)
    folder.write_suite(job.suite)
    return Evaluated(subject, folder, False)


def _write_run(subject: Subject, folder: EvalFolder, job: Job, key: str) -> None:
    of = subject.files.run
    kept = ("base_model", "tokenizer_sha256", "template", "fingerprint", "version", "config", "config_sha256")
    run = Run(
        name=folder.name,
        kind="evaluation",
        state="running",
        started=utc_now(),
        **{name: getattr(of, name) for name in (*kept, "seeds", "licences", "provenance")},
        settings={
            "key": key,
            "suite": job.suite.name,
            "exam": job.exam.exam.as_json(),
            "generation": job.suite.generation.as_json(),
            "model": subject.identity(),
            "benchmarks": [ready.as_json() for ready in job.benchmarks],
            "partial": job.exam.exam.limit is not None,
        },
        **environment(),
    )
    write_run(folder.path, run)


def _write_items(folder: EvalFolder, job: Job) -> None:
    if not (folder.path / "items.parquet").is_file():
        folder.write("items", (item.as_row() for item in job.exam.read()))


def _foresee(todo: Sequence[Evaluated], job: Job, models: _Models, cost: Callable[[str], None]) -> None:
    """Measure a first batch of the first model (its answers are kept), and tell what all of it takes together."""
    if not todo:
        return
    first = todo[0]
    _write_items(first.folder, job)
    work = [_pending(one, job, first.folder) for one in todo]
    with (
        models.of(first.subject) as loaded,
        open_answers(first.subject, job.suite.generation, job.suite.labels) as answers,
    ):
        pace = measured_pace(work[0], answers, first.folder, loaded)
    cost(told_cost(job.exam.exam, job.benchmarks, work, pace))


def _pending(one: Evaluated, job: Job, items: EvalFolder) -> Work:
    with open_answers(one.subject, job.suite.generation, job.suite.labels) as answers:
        asked, scored = answers.pending(items)
    return Work(asked, scored, [ready for ready in job.benchmarks if not is_known(ready, one.subject)])


def _complete(one: Evaluated, job: Job, models: _Models, progress: Progress) -> None:
    with working_on(one.folder.path), _told_in(one.folder):
        _write_items(one.folder, job)
        with (
            models.of(one.subject) as loaded,
            open_answers(one.subject, job.suite.generation, job.suite.labels) as answers,
        ):
            _answer(one, answers, loaded, progress)
            run = one.subject.name
            write_predictions(one.folder, answers, run, job.touched_items)
            _benchmark(one, job, loaded, progress)
        progress.stage(f"measuring {one.subject.label}")
        write_numbers(one.folder, job.suite, job.trust)


def _answer(one: Evaluated, answers: Answers, loaded: Callable[[], Loaded], progress: Progress) -> None:
    asked, scored = answers.pending(one.folder)
    if asked:
        progress.stage(f"answers of {one.subject.label}", asked, "items")
        answers.generate(loaded(), one.folder, advance=progress.advance)
    if scored:
        progress.stage(f"likelihoods of {one.subject.label}", scored, "items")
        answers.score(loaded(), one.folder, advance=progress.advance)


def _benchmark(one: Evaluated, job: Job, loaded: Callable[[], Loaded], progress: Progress) -> None:
    rows: list[dict[str, Any]] = []
    for ready in job.benchmarks:
        progress.stage(f"{ready.choice.label} of {one.subject.label}", ready.count, "questions")
        lines = scores(ready, one.subject, loaded, lambda done, whole: progress.advance(done))
        touched = job.touched.get(ready.choice.label) if one.subject.adapter else None
        rows += benchmark_rows(ready, lines, touched)
    if rows:
        one.folder.write("benchmarks", rows)


@contextmanager
def _told_in(folder: EvalFolder) -> Iterator[None]:
    """Keep run.json at what happens within."""
    try:
        write_run(folder.path, replace(read_run(folder.path), state="running", detail="", ended=None))
        yield
    except BaseException as error:
        state: State = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        detail = " ".join(str(error).split()) or type(error).__name__
        write_run(folder.path, replace(read_run(folder.path), state=state, detail=detail, ended=utc_now()))
        raise
    write_run(folder.path, replace(read_run(folder.path), state="done", ended=utc_now()))
