"""A workspace: its settings, disk, store, journal, locks and runs; nothing is changed by looking."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from curation.config_file import load_config
from curation.doctor.finding import Finding
from curation.errors import CurateError
from curation.runs import RUN_FILE, list_runs, read_run, run_place, state_now
from curation.store import Store, open_store
from curation.store.files import TEMP_PREFIX
from curation.store.journal import address
from curation.store.locking import holder
from curation.store.segments import segment_problem
from curation.store.versions import Segment
from curation.workspace import MARKER, Workspace, open_workspace

_HASHED: Final = 200_000_000  # bytes of segments whose hashes are looked at, unless all are asked for
_LOW, _FULL = 2_000_000_000, 200_000_000  # free bytes
_NAMED: Final = 3
_SETTINGS: Final = (("configs/training.yaml", "training.schema.json"), ("taxonomy.yaml", "taxonomy.schema.json"))


def workspace_checks(root: Path, deep: bool = False) -> list[Finding]:
    """Of the workspace at `root`, which has a curate.yaml. deep: the hash of every segment."""
    found: list[Finding] = []
    try:
        here = open_workspace(root)
    except CurateError as error:
        return [_broken("workspace", error), _disk(root)]
    found.append(Finding("workspace", "ok", str(root)))
    found += [*_settings(here), _disk(root), *_store(here, deep), *_journal(here), *_locks(here), *_runs(here)]
    return found


def _settings(here: Workspace) -> Iterator[Finding]:
    bad: list[Finding] = []
    files = [here.root / MARKER, here.recipe_path]
    named = [(here.root / path, schema) for path, schema in _SETTINGS]
    named += [(path, "suite.schema.json") for path in sorted((here.root / "suites").glob("*.yaml"))]
    checks: list[tuple[Path, Callable[[], Any]]] = [(here.recipe_path, here.load_recipe)]
    for path, schema in named:
        if path.is_file():
            files.append(path)
            checks.append((path, lambda path=path, schema=schema: load_config(path, schema)))  # type: ignore[misc]
    for path, check in checks:
        try:
            check()
        except CurateError as error:
            bad.append(_broken(path.name, error))
    yield from bad
    if not bad:
        yield Finding("settings", "ok", f"{len(files)} files: {', '.join(path.name for path in files)}")
        yield from _sources(here)
    yield from _patches(here)


def _sources(here: Workspace) -> Iterator[Finding]:
    """What the recipe reads; a workspace that was moved may have left it behind."""
    paths = [source.path for source in here.load_recipe().sources if not source.path.startswith("hf:")]
    gone = [path for path in paths if not any(mark in path for mark in "*?[") and not (here.root / path).exists()]
    if gone:
        told = f"the recipe reads {', '.join(gone[:_NAMED])}, which is not there"
        yield Finding("sources", "broken", told, f"put it back, or correct sources in {here.recipe_path.name}")


def _patches(here: Workspace) -> Iterator[Finding]:
    from curation.patches import load_patches

    try:
        count = len({entry.id for entry in load_patches(here.root)})
    except CurateError as error:
        yield _broken("patches", error)
        return
    if count:
        yield Finding("patches", "ok", f"{count:,} in force")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    told = f"{free / 1e9:,.1f} GB free"
    if free < _FULL:
        return Finding("disk", "broken", told, "free some space; curate gc lists what no version needs")
    if free < _LOW:
        return Finding("disk", "note", f"{told}, little for a training", "curate gc lists what no version needs")
    return Finding("disk", "ok", told)


def _store(here: Workspace, deep: bool) -> Iterator[Finding]:
    if not here.has_store:
        yield Finding("store", "note", "nothing was built yet", "curate build")
        return
    try:
        store = open_store(here.store_path)
        versions = store.versions()
    except CurateError as error:
        yield _broken("store", error)
        return
    yield Finding("store", "ok", f"CURRENT names a sound catalogue, {len(versions):,} versions")
    segments = list({s.file: s for version in reversed(versions) for s in version.segments.values()}.values())
    yield from _segments(store, segments, deep)
    left = [path for folder in (store.root, store.segments_path) for path in folder.glob(f"{TEMP_PREFIX}*")]
    if left:
        told = f"{len(left):,} files of unfinished writes"
        yield Finding("store", "note", told, "curate gc --yes removes them, once nothing writes")


def _segments(store: Store, segments: list[Segment], deep: bool) -> Iterator[Finding]:
    """All by their size, and by their hash the newest ones up to a limit."""
    problems, hashed, looked = [], 0, 0
    for segment in segments:
        path = store.segments_path / segment.file
        right_size = path.is_file() and path.stat().st_size == segment.bytes
        if right_size and not deep and hashed + segment.bytes > _HASHED:
            continue
        problem = segment_problem(store.segments_path, segment)
        problems += [problem] if problem else []
        hashed, looked = hashed + segment.bytes, looked + 1
    for problem in problems[:_NAMED]:
        what, _, todo = problem.partition("; ")
        yield Finding("segments", "broken", what, todo or "look at the file")
    if len(problems) > _NAMED:
        yield Finding(
            "segments", "broken", f"{len(problems) - _NAMED:,} more segments are damaged", "curate doctor --json"
        )
    if not problems:
        size = sum(segment.bytes for segment in segments)
        rest = "" if looked == len(segments) else f", {looked:,} of them by hash; --deep hashes all"
        yield Finding("segments", "ok", f"{len(segments):,} files, {size / 1e6:,.1f} MB{rest}")


def _journal(here: Workspace) -> Iterator[Finding]:
    path = run_place(here).journal
    if not path.exists():
        return
    try:
        con = sqlite3.connect(address(path, "ro"), uri=True, timeout=5)
        try:
            (told,) = con.execute("pragma integrity_check(1)").fetchone()
            counts = {name: con.execute(f"select count(*) from {name}").fetchone()[0] for name in ("tags", "metrics")}
        finally:
            con.close()
    except sqlite3.Error as error:
        told, counts = str(error), {}
    if told != "ok":
        line = " ".join(str(told).split())[:120]
        todo = "restore it from a backup, or move it away: runs start a new one, and its tags are lost"
        yield Finding("journal", "broken", f"{path}: damaged ({line})", todo)
        return
    yield Finding("journal", "ok", f"{counts['tags']:,} tag events, {counts['metrics']:,} metrics")


def _locks(here: Workspace) -> Iterator[Finding]:
    held = [(name, holder(here.store_path / name)) for name in ("writer.lock", "journal.sqlite.lock", "taxonomy.lock")]
    held += [
        (f"{folder.name}/.running", holder(folder / ".running")) for folder in list_runs(run_place(here).experiments)
    ]
    busy = [f"{name}: {who}" for name, who in held if who]
    for line in busy:
        yield Finding("locks", "note", line, "wait for it to finish, or stop it")
    if not busy:
        yield Finding("locks", "ok", "none is held")


def _runs(here: Workspace) -> Iterator[Finding]:
    folders = list_runs(run_place(here).experiments)
    if not folders:
        return
    bad = 0
    for folder in folders:
        try:
            run = read_run(folder)
        except CurateError as error:
            bad += 1
            yield _broken(folder.name, error)
            continue
        if run.state == "running" and state_now(folder, run) == "interrupted":
            yield Finding(folder.name, "note", "was stopped", f"curate train --resume {folder.name}")
        if run.kind == "training" and run.state == "done" and not (folder / "adapter").is_dir():
            told = "holds no adapter, so that it can be asked nothing more; its stored answers are unharmed"
            yield Finding(folder.name, "note", told, "restore adapter/ from a copy, or train it again")
    experiments = run_place(here).experiments
    empty = [path.name for path in sorted(experiments.glob("experiment_*")) if not (path / RUN_FILE).exists()]
    if empty:
        told = f"{', '.join(empty[:_NAMED])}: no {RUN_FILE}, so it is no run"
        yield Finding("runs", "note", told, "remove the folder, or curate import-run")
    if not bad:
        yield Finding("runs", "ok", f"{len(folders):,} runs")


def _broken(about: str, error: CurateError) -> Finding:
    """A complaint of ours says what to do behind its last semicolon."""
    what, mark, todo = str(error).rpartition("; ")
    return Finding(about, "broken", what if mark else todo, todo if mark else "see docs/reference/files.md")
