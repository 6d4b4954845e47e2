"""The trace of a number of a report: what it was computed from, and whether that gives the same number again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.stats import QUARANTINES
from curation.store import VersionInfo
from curation.store.files import file_sha256
from eval.compare.comparison import Comparison, Settings, compare
from eval.compare.sides import chosen
from eval.folder import EvalFolder
from eval.measuring import Trust
from eval.recompute import EXACT, anew
from eval.review.scores import scores_of
from reports import address
from reports.cells import number, signed, with_interval
from reports.sections.metrics import named
from reports.sections.words import change
from reports.trace.place import Place
from reports.trace.told import Link, Trace

_SIDES: Final = ".."


def scores(folder: EvalFolder, wanted: str) -> list[dict[str, Any]]:
    """The stored numbers of an evaluation that `wanted` means: METRIC[:SLICE], with its split before it or not."""
    rows: list[dict[str, Any]] = folder.metrics().to_pylist()
    named_so = []
    for row in rows:
        part = "" if row["slice"] == address.WHOLE else f":{row['slice']}"
        full = f"{row['split']}:{row['metric']}{part}"
        if wanted == full:
            return [row]
        if wanted == f"{row['metric']}{part}":
            named_so.append(row)
    return named_so


def of_score(place: Place, folder: EvalFolder, row: dict[str, Any]) -> Trace:
    """A stored score, and the same computed again now from the stored answers."""
    name = address.of_score(folder.name, row["split"], row["metric"], row["slice"])
    again = next(
        (
            one
            for one in anew(folder, row["metric"], Trust(place.root))
            if (one["split"], one["slice"]) == (row["split"], row["slice"])
        ),
        None,
    )
    parts = ("value", "ci_low", "ci_high", "n")
    same = again is not None and all(_same(row[part], again[part]) for part in parts)
    part = "all items" if row["slice"] == address.WHOLE else row["slice"]
    told = [
        f"{row['metric']} of {folder.name} on {row['split']}, {part}: "
        f"{with_interval(row['value'], row['ci_low'], row['ci_high'])}, {row['n']:,} items"
    ]
    told.append(f"  measured as {row['signature']}")
    answers = folder.path / ("benchmarks.parquet" if _of_benchmark(folder, row) else "predictions.parquet")
    stored = [folder.path / "metrics.parquet", answers]
    told += [f"  {_relative(place, path)}, sha256 {file_sha256(path)[:16]}" for path in stored if path.is_file()]
    now = (
        "gives no such number"
        if again is None
        else f"gives {with_interval(again['value'], again['ci_low'], again['ci_high'])}"
    )
    told.append(f"  computed again from these answers it {now}: {'the same' if same else 'NOT the same'}")
    newest = next((one for one in reversed(place.evaluations) if one.of == folder.of and one.run.state == "done"), None)
    if newest is not None and newest.path == folder.path:
        told.append(f"  all of its numbers: curate eval {folder.of.name} --recompute")
    came_from = [
        Link("evaluation", folder.name, f"suite {folder.run.settings.get('suite', '-')}"),
        Link("run", folder.of.name, f"the model, from {folder.run.base}"),
    ]
    exam = folder.run.settings.get("exam") or {}
    version = next((one for one in place.versions if one.id == exam.get("version_id")), None)
    if version is not None and not _of_benchmark(folder, row):
        came_from.append(
            Link("version", version.name, f"the exam: {exam.get('split')}, {exam.get('items', 0):,} items")
        )
    facts = {
        "address": name,
        "stored": row,
        "recomputed": again,
        "same": same,
        "files": [str(path) for path in stored if path.is_file()],
    }
    return Trace("number", name, tuple(told), tuple(came_from), tuple(_shown(place, name)), facts)


def of_difference(place: Place, text: str) -> Trace:
    """A..B:NAME, computed now from the stored answers of both sides."""
    sides, _, name = text.partition(":")
    sides, _, suite = sides.partition("@")
    a, _, b = sides.partition(_SIDES)
    experiments = place.runs_at.experiments
    settings = Settings(suite or None, people=scores_of(place.runs_at, place.root))
    found = compare(experiments, chosen(experiments, [a, b]), place.store, settings)
    known = {label.replace(", ", ":"): one for label, one in named(found)}
    if name not in known:
        raise ConfigError(f'"{name}" is no number of {a} against {b}; known: {", ".join(known)}')
    one = known[name]
    models = [part.name for side in (found.a, found.b) for model in side.models for part in model.parts]
    told = [
        f"{name.replace(':', ', ')}, {found.b.label} against {found.a.label}: {number(one.value_a)} -> "
        f"{number(one.value_b)}, {change(one)}, p {one.p_adjusted:.3g}, {one.n:,} items: {one.verdict}"
    ]
    told.append(f"  measured as {one.signature}; {one.test}, {one.clusters:,} clusters resampled")
    told.append("  computed now from the stored answers of both sides; the same draws each time (seed 0)")
    told.append(f"  curate compare {a} {b}{f' --suite {suite}' if suite else ''} --stored --full")
    came_from = []
    for run in models:
        for folder in _answers(place, run, found, name):
            came_from.append(
                Link("evaluation", folder.name, f"answers of {run}, suite {folder.run.settings.get('suite', '-')}")
            )
    facts = {
        "address": text,
        "value_a": one.value_a,
        "value_b": one.value_b,
        "diff": one.diff,
        "low": one.low,
        "high": one.high,
        "p": one.p_adjusted,
        "n": one.n,
        "verdict": one.verdict,
        "signed": signed(one.diff),
    }
    return Trace("number", text, tuple(told), tuple(came_from), tuple(_shown(place, text)), facts)


def _answers(place: Place, run: str, found: Comparison, name: str) -> list[EvalFolder]:
    """The evaluations of the run that a number of the comparison can rest on: of its exam, or of its benchmark."""
    done = [one for one in place.evaluations if one.of.name == run and one.run.state == "done"]
    benchmark = name.partition(":")[0]
    if benchmark in {one.name for one in found.benchmarks}:
        return [
            one for one in done if benchmark in {told["benchmark"] for told in one.run.settings.get("benchmarks") or ()}
        ]
    return [one for one in done if (one.run.settings.get("exam") or {}).get("split") == found.exam.split]


def of_count(place: Place, version: VersionInfo, what: Sequence[str]) -> Trace:
    """SPLIT, or STAGE:REASON: a count of a version, counted again in its tables."""
    name = address.of_count(version.name, *what)
    if len(what) == 1:
        stored = version.stats["split"]["rows"].get(what[0])
        members = place.tables(version).table("members")
        again, told, table = pc.sum(pc.equal(members["split"], what[0])).as_py() or 0, f"rows in {what[0]}", "members"
    else:
        nothing: dict[str, Any] = {"reasons": {}, "flags": {}}
        stage = next((one for one in version.stats["stages"] if one["stage"] == what[0]), nothing)
        dropped, flagged = (stage[key].get(what[1]) for key in ("reasons", "flags"))
        out = "quarantined" if what[0] == QUARANTINES else "dropped"
        stored, table = (dropped, "ledger") if dropped is not None else (flagged, "flags")
        lines = place.tables(version).table(table)
        here = pc.and_(pc.equal(lines["stage"], what[0]), pc.equal(lines["reason"], what[1]))
        again, told = (
            pc.sum(here).as_py() or 0,
            f"{'flagged' if dropped is None else out} by {what[0]}: {what[1]}",
        )
    if stored is None:
        known = [split for split, count in version.stats["split"]["rows"].items() if count]
        known += [
            f"{one['stage']}:{reason}" for one in version.stats["stages"] for reason in (*one["reasons"], *one["flags"])
        ]
        raise ConfigError(f'"{":".join(what)}" is no number of {version.name}; known: {", ".join(known)}')
    segment = version.segments[table]
    lines_told = (
        f"{told} in {version.name}: {stored:,}",
        f"  store/segments/{segment.file}, {segment.rows:,} lines, sha256 {segment.sha256[:16]}",
        f"  counted again in it: {again:,}: {'the same' if again == stored else 'NOT the same'}",
        f"  curate verify {version.name}",
    )
    facts = {"address": name, "stored": stored, "recomputed": again, "same": again == stored}
    links = (Link("version", version.name, f"table {table}"),)
    return Trace("number", name, lines_told, links, tuple(_shown(place, name)), facts)


def shown_in(page: Path, wanted: str) -> str:
    """What a report shows at an anchor; ConfigError where there is none such."""
    reader = _Anchors()
    reader.feed(page.read_text("utf-8"))
    found = reader.texts.get(wanted)
    if found is None:
        known = list(reader.texts)
        hint = f"; such as {page.name}#{known[0]}" if known else "; make the report again with curate report"
        raise ConfigError(f'{page.name}: has no number "{wanted}"{hint}')
    return found


class _Anchors(HTMLParser):
    """The text of every element that is a number's: class "t", its id the address."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._at: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "a" and told.get("class") == "t":
            self._at = str(told.get("id"))
            self.texts[self._at] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._at = None

    def handle_data(self, data: str) -> None:
        if self._at is not None:
            self.texts[self._at] += data


def _shown(place: Place, name: str) -> list[Link]:
    """The reports that show it."""
    folder, mark = place.root / "reports", f'id="{address.anchor(name)}"'
    pages = sorted(folder.glob("*.html")) if folder.is_dir() else []
    return [Link("report", "", f"reports/{page.name}") for page in pages if mark in page.read_text("utf-8", "replace")]


def _of_benchmark(folder: EvalFolder, row: dict[str, Any]) -> bool:
    return row["split"] in {one["benchmark"] for one in folder.run.settings.get("benchmarks") or ()}


def _same(one: float | None, two: float | None) -> bool:
    missing = [value is None or math.isnan(value) for value in (one, two)]
    if any(missing):
        return all(missing)
    assert one is not None
    assert two is not None
    return abs(one - two) < EXACT


def _relative(place: Place, path: Path) -> str:
    try:
        return path.resolve().relative_to(place.root.resolve()).as_posix()
    except ValueError:
        return str(path)


def as_shown(found: Trace) -> str:
    """A number as reports write it."""
    facts = found.facts
    if "diff" in facts:
        low, high = facts["low"], facts["high"]
        return (
            signed(facts["diff"])
            if not math.isfinite(low)
            else f"{signed(facts['diff'])} [{signed(low)}, {signed(high)}]"
        )
    now = facts["recomputed"]
    if not isinstance(now, dict):
        return f"{now:,}"
    return with_interval(now["value"], now["ci_low"], now["ci_high"])
