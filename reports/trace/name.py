"""What a name means: a row, version, run, evaluation, prediction, tag, patch, or number of a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from curation.errors import ConfigError, CurateError, did_you_mean
from curation.lookup import find, place_of
from curation.runs import resolve_run
from curation.workspace import Workspace
from eval.compare.sides import BASE
from eval.folder import EvalFolder
from reports import address
from reports.trace import numbers
from reports.trace.outputs import of_prediction, of_tag
from reports.trace.place import Place
from reports.trace.rows import of_row
from reports.trace.told import Trace
from reports.trace.whole import of_evaluation, of_patch, of_run, of_version

_HEX: Final = re.compile(r"[0-9a-f-]{4,}")
_LINE: Final = re.compile(r"(.+):([0-9]+)")
_EVAL: Final = re.compile(r"(.+)/(eval-[1-9][0-9]*)")
_ITEM: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):[0-9]+")
_FEWEST: Final = 4
_NAMED: Final = 6


def trace(workspace: Workspace | None, near: Path, name: str) -> Trace:
    """Where `name` came from and what came of it.

    FILE:LINE, the beginning of an id (row, version, prediction, tag event), an item as a report names it (its row is
    meant), a version, run, RUN/eval-K or patch by name, a number: RUN:METRIC[:SLICE], A..B:METRIC, VERSION:SPLIT, or
    REPORT.html#ANCHOR. ConfigError, with suggestions, where it is none of these or several.
    """
    place = Place(workspace, near)
    if ".html#" in name:
        return _in_report(place, near, name)
    if item := _ITEM.fullmatch(name):
        return _by_id(place, item[1])
    for found in (_whole, _number, _line):
        if (told := found(place, name)) is not None:
            return told
    return _by_id(place, name)


def _whole(place: Place, name: str) -> Trace | None:
    """By its full name."""
    for version in place.versions:
        if name == version.name or (name == "latest" and version is place.versions[0]):
            return of_version(place, version)
    evaluation = _EVAL.fullmatch(name)
    if evaluation:
        folder = _run(place, evaluation[1])
        chosen = None if folder is None else folder / evaluation[2]
        return of_evaluation(place, EvalFolder.open(chosen)) if chosen is not None and chosen.is_dir() else None
    if any(entry.id == name for entry in place.patches):
        return of_patch(place, name)
    for folder, run in place.runs:
        if folder == _run(place, name):
            return of_run(place, folder, run)
    return None


def _number(place: Place, name: str) -> Trace | None:
    before, colon, what = name.partition(":")
    if not colon:
        return None
    if ".." in before and "/" not in before:
        return numbers.of_difference(place, name)
    for version in place.versions:
        if before == version.name or (before == "latest" and version is place.versions[0]):
            return numbers.of_count(place, version, what.split(":"))
    folder = _evaluation(place, before)
    if folder is None:
        return None
    rows = numbers.scores(folder, what)
    if len(rows) == 1:
        return numbers.of_score(place, folder, rows[0])
    known = [
        address.of_score(folder.name, row["split"], row["metric"], row["slice"])
        for row in rows or folder.metrics().to_pylist()
    ]
    if rows:
        raise ConfigError(f"{name}: could be any of {', '.join(known)}")
    hint = did_you_mean(f"{folder.name}:{what}", known) if known else "; it measured nothing"
    raise ConfigError(f'{folder.name} has no number "{what}"{hint}')


def _evaluation(place: Place, name: str) -> EvalFolder | None:
    """RUN/eval-K, or of a run its newest finished one."""
    chosen = _EVAL.fullmatch(name)
    folder = _run(place, chosen[1] if chosen else name)
    if folder is None:
        return None
    done = [one for one in place.evaluations if one.of == folder]
    if chosen:
        return next((one for one in done if one.path.name == chosen[2]), None)
    found = next((one for one in reversed(done) if one.run.state == "done"), None)
    if found is None:
        raise ConfigError(f"{folder.name} was not evaluated, so it has no numbers; curate eval {folder.name}")
    return found


def _run(place: Place, name: str) -> Path | None:
    known = {folder.name: folder for folder, _ in place.runs}
    if name == BASE:  # the newest, as curate report has it
        return next((folder for folder, run in reversed(place.runs) if run.kind == BASE), None)
    if name in known:
        return known[name]
    if name.isascii() and name.isdigit() and len(name) < _FEWEST:
        try:
            return resolve_run(place.runs_at.experiments, name)
        except CurateError:
            return None
    return None


def _line(place: Place, name: str) -> Trace | None:
    """FILE:LINE, of the newest version that has it."""
    if not _LINE.fullmatch(name):
        return None
    first: ConfigError | None = None
    for version in place.versions:
        try:
            return of_row(place, version, find(place.tables(version), name, place.root)[0])
        except ConfigError as error:
            first = first or error
    raise first or ConfigError(f"{name}: nothing was built yet; run curate build")


def _by_id(place: Place, name: str) -> Trace:
    """The beginning of an id of any kind."""
    found = list(_ids(place, name.lower())) if _HEX.fullmatch(name.lower()) else []
    if len(found) > 1:
        listed = ", ".join(f"{kind} {text}" for kind, text, _ in found[:_NAMED])
        raise ConfigError(f'"{name}" begins {len(found)} ids: {listed}; give more characters')
    if found:
        return found[0][2]()
    raise ConfigError(f'"{name}" is not known here{_suggestion(place, name)}')


def _ids(place: Place, beginning: str) -> Iterator[tuple[str, str, Callable[[], Trace]]]:
    for version in place.versions:
        if version.id.startswith(beginning):
            yield "version", version.name, partial(of_version, place, version)
    seen: set[str] = set()
    for version in place.versions:
        try:
            tables = place.tables(version)
            indices = find(tables, beginning, place.root)
        except ConfigError:
            continue
        for index in indices:
            row_id = tables.entry(index)["row_id"].hex()
            if row_id not in seen:
                seen.add(row_id)
                yield "row", place_of(tables.entry(index)), partial(of_row, place, version, index)
    outputs = {
        known: None
        for folder in place.evaluations
        for known in folder.predictions(["prediction_id"])["prediction_id"].to_pylist()
        if known.startswith(beginning)
    }
    for known in outputs:
        yield "prediction", known, partial(_output, place, known)
    for event in place.events(beginning=beginning):
        yield "tag", event.id, partial(of_tag, place, event)


def _output(place: Place, name: str) -> Trace:
    return of_prediction(place, place.outputs("prediction_id", [name]))


def _suggestion(place: Place, name: str) -> str:
    known = [version.name for version in place.versions] + [folder.name for folder, _ in place.runs]
    known += list(dict.fromkeys(entry.id for entry in place.patches))
    known += [folder.name for folder in place.evaluations]
    if not known:
        return "; nothing was built or trained yet; run curate build"
    close = did_you_mean(name, known[:12])
    return f"{close}; or FILE:LINE, RUN:METRIC, the beginning of an id"


def _in_report(place: Place, near: Path, name: str) -> Trace:
    """REPORT.html#ANCHOR: the number, and whether the page shows what it is now."""
    path, _, mark = name.partition("#")
    pages = [one for one in (near / path, place.root / path, place.root / "reports" / path) if one.is_file()]
    if not pages:
        raise ConfigError(f"{path}: no such report; make it with curate report")
    shown = numbers.shown_in(pages[0], mark)
    found = _number(place, address.from_anchor(mark))
    if found is None:
        raise ConfigError(f"{path}#{mark}: what it is a number of is no longer here; curate runs lists what is")
    now = numbers.as_shown(found)
    same = shown.split(" (")[0] == now
    told = (*found.told, f"  {pages[0].name} shows {shown}: {'the same' if same else f'NOT the same, it is {now} now'}")
    facts = {**found.facts, "shown": shown, "shown_is_current": same}
    return Trace(found.kind, found.name, told, found.came_from, found.came_of_it, facts)
