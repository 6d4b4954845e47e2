"""Answers that a comparison lacks: the model sits the other side's exam, and what it gives is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from curation.errors import ConfigError, CurateError
from curation.progress import Progress
from eval.compare.comparison import Ask
from eval.compare.exam import Source
from eval.compare.sides import Part
from eval.evaluate import evaluate
from eval.measuring import Trust
from eval.prepare import Wanted, Where, prepare
from eval.suite import Suite


def asker(where: Where, trust: Trust, progress: Progress, notes: list[str]) -> Ask:
    """What `compare` calls for answers; a model that cannot be asked is named in `notes`."""

    def ask(part: Part, sources: Sequence[Source]) -> bool:
        try:
            for source in sources:
                progress.note(f"{part.name} lacks answers to {source.split} of {source.version_name}; it is asked now")
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


def _pinned(source: Source) -> Suite:
    """The suite with the exam of this very version, whatever the run was trained on."""
    suite = source.folder.suite
    if suite.split is None or source.version_name is None:
        return suite
    return replace(suite, split=f"{suite.split.partition('@')[0]}@{source.version_name}")


def _never() -> NoReturn:
    raise ConfigError("nothing was trained yet")
