"""Whether stored evaluations are whole, for `curate doctor`: without a model, and without reading their rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from curation.config_file import load_config
from curation.doctor import Finding
from curation.errors import CurateError
from curation.runs import readable_runs
from eval.folder import SCHEMAS, SUITE, EvalFolder, evals

_SUITE_SCHEMA: Final = "suite.schema.json"


def evaluation_checks(experiments: Path) -> Iterator[Finding]:
    """Of every finished evaluation of the runs that can be read."""
    found = [one for folder, _ in readable_runs(experiments) for one in evals(folder)]
    sound = 0
    for one in found:
        try:
            _check(one)
            sound += 1
        except CurateError as error:
            what, _, todo = str(error).rpartition("; ")
            yield Finding(one.name, "broken", what, todo)
    if sound:
        yield Finding("evaluations", "ok", f"{sound:,} are whole")


def _check(one: EvalFolder) -> None:
    """CurateError for the first thing wrong with it."""
    if one.run.state != "done":
        return
    one.check_whole()
    for name in SCHEMAS:
        one.rows(name)
    if (one.path / SUITE).is_file():
        load_config(one.path / SUITE, _SUITE_SCHEMA)
    elif one.rows("metrics"):
        raise one.no_suite()
