"""Answers that a comparison lacks: the model sits the other side's exam, and what it gives is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from curation.errors import ConfigError, CurateError
from curation.progress import Progress
from eval.compare.comparison import Ask
from eval.compare.exam import Exam, Source
from eval.compare.sides import Part
from eval.evaluate import evaluate
from eval.measuring import Trust
from eval.prepare import Wanted, Where, prepare
from eval.suite import Suite
from eval.untrained import sit_missing


def asker(where: Where, trust: Trust, progress: Progress, notes: list[str]) -> Ask:
    """What `compare` calls for answers; a model that cannot be asked is named in `notes`."""

    def ask(part: Part, sources: Sequence[Source]) -> bool:
        if not (part.is_trained or part.is_base):  # "not asked" stands among what is left out
            return False
        try:
            for source in sources:
                exam = f"{source.split} of {source.version_name}" if source.version_name else source.split
                progress.note(f"{part.name} lacks answers to {exam}; it is asked now")
                limit = (source.folder.run.settings.get("exam") or {}).get("limit")
                suite = _pinned(source)
                wanted = Wanted(part.name, suite.is_test, limit, base_too=False, trust=trust.trusted)
                prepared = prepare(wanted, suite, where, _never)
                evaluate(prepared.subjects, prepared.job, progress, progress.note)
        except (CurateError, ImportError) as error:
            notes.append(f"{part.name} could not be asked ({error})")
            return False
        return True

    return ask


def sitter(
    where: Where, trust: Trust, progress: Progress, notes: list[str], asked: Callable[[Path], object]
) -> Callable[[Exam, Part], None]:
    """What `compare` calls so that baselines and bases sit the exam; who cannot is named in `notes`."""

    def sit(exam: Exam, part: Part) -> None:
        if len(exam.sources) > 1 or not part.is_trained:
            return
        source = exam.sources[0]
        try:
            limit = (source.folder.run.settings.get("exam") or {}).get("limit")
            suite = replace(_pinned(source), benchmarks=())
            wanted = Wanted(part.name, suite.is_test, limit, base_too=False, trust=trust.trusted)
            prepared = prepare(wanted, suite, where, _never)
            sat, lacking = sit_missing(prepared, where, progress, asked)
        except (CurateError, ImportError) as error:
            notes.append(f"no baseline could be asked ({error})")
            return
        notes.extend(lacking)
        if sat:
            progress.note(f"asked now, for it stands beside every comparison: {', '.join(sat)}")

    return sit


def _pinned(source: Source) -> Suite:
    """The suite with the exam of this very version, whatever the run was trained on."""
    suite = source.folder.suite
    if suite.split is None or source.version_name is None:
        return suite
    return replace(suite, split=f"{suite.split.partition('@')[0]}@{source.version_name}")


def _never() -> NoReturn:
    raise ConfigError("nothing was trained yet")
