"""From what a user asks for to what is evaluated: the run and its base, the exam, the benchmarks, what is clean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import ConfigError, CurateError
from curation.runs import RunPlace, list_runs, read_run, readable_runs, resolve_run
from curation.source import Source, open_source
from curation.workspace import Workspace
from eval.benchmarks import Absent, Sat, find_benchmarks
from eval.clean import touched_items, touched_questions
from eval.evaluate import Job
from eval.exam import open_exam, require_labels
from eval.harness.benchmark import HarnessTask
from eval.measuring import Trust, check_metrics
from eval.subject import BASE, Subject, base_of, subject_of
from eval.suite import Suite

WHOLE_PRECISION: Final = "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asks for. ref: a run, `base`, or None for the last run; unquantised: also the base as stored."""

    ref: str | None = None
    final: bool = False
    limit: int | None = None
    unquantised: bool = False
    base_too: bool = True
    trust: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """subjects: the run first, then its base; exam_source is None where a file is asked."""

    subjects: tuple[Subject, ...]
    job: Job
    absent: tuple[Absent, ...]
    exam_source: Source | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Where:
    workspace: Workspace | None
    place: RunPlace
    near: Path  # what paths are relative to

    def source(self, ref: str) -> Source:
        return open_source(ref, self.workspace, self.near)


def prepare(wanted: Wanted, suite: Suite, where: Where, base: Callable[[], Subject]) -> Prepared:
    """`base` gives the base model to ask where there is no training to take it from.

    ConfigError or DataError for all that would stop the evaluation later, before a model is loaded.
    """
    if suite.is_test and not wanted.final:
        raise ConfigError(
            f"suite {suite.name}: asks test, which is for the end; add --final, and this look at it is counted"
        )
    trust = Trust(where.workspace.root if where.workspace else None, wanted.trust)
    check_metrics(suite, trust)
    first = _subject(wanted.ref, where, base)
    trained, note = _trained(first, where)
    exam_source = _exam_source(suite, first, trained, where)
    ready, absent = find_benchmarks(suite.benchmarks, where.near, wanted.limit, wanted.trust)
    opened = open_exam(suite, exam_source, where.near, wanted.limit)
    require_labels(suite, opened)
    touched, items = _touched(trained, ready, lambda source: touched_items(source, exam_source, opened))
    subjects = [first]
    if first.adapter and wanted.base_too:
        subjects.append(base_of(first, where.place, where.near))
    if wanted.unquantised and subjects[-1].files.quantization != WHOLE_PRECISION:
        subjects.append(base_of(first, where.place, where.near, WHOLE_PRECISION))
    job = Job(suite, opened, ready, touched, items, trust)
    notes = [note] * bool(note)
    for one in ready:
        if isinstance(one, HarnessTask) and one.left_out:
            notes.append(f"{one.choice.label}: not kept, for they need all items at once: {', '.join(one.left_out)}")
    return Prepared(tuple(subjects), job, tuple(absent), exam_source, tuple(notes))


def find_run(ref: str | None, place: RunPlace) -> Path | None:
    """The folder of a run; for `base` the newest base model's; None where there is none to take."""
    if ref is not None and ref != BASE:
        return resolve_run(place.experiments, ref)
    kind = BASE if ref == BASE else "training"
    for folder in reversed(list_runs(place.experiments)):
        try:
            if read_run(folder).kind == kind:
                return folder
        except CurateError:
            if ref is None:
                raise  # the last run is damaged: say so, do not take another unasked
    return None


def _subject(ref: str | None, where: Where, base: Callable[[], Subject]) -> Subject:
    if ref == BASE:
        last = find_run(None, where.place)
        return base_of(subject_of(last, where.near), where.place, where.near) if last else base()
    folder = find_run(ref, where.place)
    if folder is None:
        raise ConfigError("no run was trained yet; train one with curate train, or evaluate the base: curate eval base")
    return subject_of(folder, where.near)


def _trained(subject: Subject, where: Where) -> tuple[Source | None, str]:
    """The version that a run was trained on; None and why where it cannot be read."""
    version = subject.files.run.version
    if not version:
        return None, "" if not subject.adapter else f"{subject.name}: nobody can tell what its training data held"
    ref = version["id"]
    if version.get("source") == "pack":
        ref = (subject.files.run.config or {}).get("version", ref)
    try:
        return where.source(ref), ""
    except CurateError as error:
        return None, f"{subject.name}: which items its training held cannot be told ({error})"


def _exam_source(suite: Suite, subject: Subject, trained: Source | None, where: Where) -> Source | None:
    if suite.file is not None:
        return None
    if suite.pinned:
        return where.source(suite.pinned)
    if trained is not None:
        return trained
    if subject.adapter and subject.files.run.version:
        raise ConfigError(
            f"{subject.name}: the version {subject.files.run.version['name']} that it was trained on is not here; "
            f"pin an exam in the suite (split: {suite.split}@v3), or name a file"
        )
    last = next((run for _, run in reversed(readable_runs(where.place.experiments)) if run.version), None)
    return where.source(last.version["id"] if last and last.version and not subject.adapter else "latest")


def _touched(
    trained: Source | None, ready: Sequence[Sat], of_exam: Callable[[Source], frozenset[str]]
) -> tuple[dict[str, frozenset[str]], frozenset[str] | None]:
    if trained is None:
        return {}, None
    return {one.choice.label: touched_questions(trained, one) for one in ready}, of_exam(trained)


def last_version(place: RunPlace) -> str:
    """What the last training was of; the last build where there is none."""
    last = find_run(None, place)
    version = read_run(last).version if last else None
    return str(version["id"]) if version and version.get("source") != "pack" else "latest"
