"""Where the dashboard works: one workspace, named when it is started, and never a path from the page."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

from curation.errors import ConfigError
from curation.library import Version, Versions, open_store
from curation.runs import RunPlace, run_place
from curation.store.journal import Journal, open_journal
from curation.workspace import Workspace, find_workspace
from eval.folder import EvalFolder, all_finished

VARIABLE: Final = "CURATE_WORKSPACE"


@cache
def here() -> Workspace:
    found = find_workspace(Path(os.environ.get(VARIABLE, ".")))
    if found is None:
        raise ConfigError(f"{VARIABLE} names no workspace; start the dashboard with `curate app` in one")
    return found


def place() -> RunPlace:
    return run_place(here())


@cache
def journal() -> Journal:
    """Threads have connections of their own in it, so that all sessions may share it."""
    return open_journal(place().journal)


def versions() -> list[Version]:
    """All versions, oldest first; none where nothing was built."""
    return _opened().versions() if here().has_store else []


@cache
def _opened() -> Versions:
    return open_store(here().store_path)


def evaluations() -> list[EvalFolder]:
    """All finished evaluations, oldest first."""
    return all_finished(place().experiments)[0]
