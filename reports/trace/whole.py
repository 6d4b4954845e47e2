"""The traces of versions, runs, evaluations and patches: what each was made of, and what was made of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import UUID

from curation.runs import Run, state_now
from curation.store import VersionInfo
from eval.folder import EvalFolder, evals
from reports.cells import number
from reports.trace.outputs import by_tags, patch_link
from reports.trace.place import Place
from reports.trace.rows import row_link
from reports.trace.told import Link, Trace


def of_version(place: Place, version: VersionInfo) -> Trace:
    split = version.stats["split"]["rows"]
    counts = " · ".join(f"{name} {count:,}" for name, count in split.items() if count)
    told = [f"{version.name}, id {version.short_id}, built {version.created[:19]}: {counts}"]
    told += [f"  {version.message}"] if version.message else []
    known = {one.id: one for one in place.versions}
    came_from = []
    if version.parent:
        parent = known.get(version.parent)
        name = parent.name if parent else ""
        came_from.append(
            Link("version", name, "its parent" if name else f"its parent {version.parent[:8]} was dropped")
        )
    for source in place.tables(version).table("sources").to_pylist():
        came_from.append(
            Link("source", "", f"{source['source']}, {source['units']:,} units, sha256 {source['sha256'][:16]}")
        )
    applied = Counter((step["patch"], step["op"]) for step in place.tables(version).table("patches").to_pylist())
    came_from += [Link("patch", patch, f"{op} on {count:,} rows") for (patch, op), count in applied.items()]
    came_of_it = [Link("version", one.name, "built on it") for one in place.versions if one.parent == version.id]
    of_it = [(folder, run) for folder, run in place.runs if (run.version or {}).get("id") == version.id]
    came_of_it += [Link("run", folder.name, f"{run.kind}, {state_now(folder, run)}") for folder, run in of_it]
    asked = [one for one in place.evaluations if (one.run.settings.get("exam") or {}).get("version_id") == version.id]
    came_of_it += [Link("evaluation", one.name, f"asked its {_exam(one)}") for one in asked]
    facts = {
        "name": version.name,
        "id": version.id,
        "parent": version.parent,
        "rows": split,
        "message": version.message,
    }
    return Trace("version", version.name, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def of_run(place: Place, folder: Path, run: Run) -> Trace:
    told = [f"{folder.name}: {run.kind}, {state_now(folder, run)}, started {run.started[:19]}"]
    told += [f"  {run.detail}"] if run.detail else []
    measured = ", ".join(f"{name} {number(value)}" for name, value in list(run.metrics.items())[:4])
    told += [f"  {measured}"] if measured else []
    came_from = [_data(place, run)] if run.version else []
    came_from.append(Link("base", "", f"{run.base}, sha256 {str(run.base_model.get('sha256') or '-')[:16]}"))
    if run.origin:
        came_from.append(Link("origin", "", f"{run.provenance}: {run.origin}"))
    if run.code:
        came_from.append(
            Link("code", "", f"curate {run.code.get('version')} {str(run.code.get('revision') or '')[:12]}".strip())
        )
    came_of_it = [_scored(one) for one in evals(folder)]
    came_of_it += _judged(place, folder.name)
    came_of_it += [Link("report", "", str(path.relative_to(place.root))) for path in _reports(place, folder.name)]
    facts = {
        "name": folder.name,
        "kind": run.kind,
        "state": state_now(folder, run),
        "version": run.version,
        "base": run.base,
        "seeds": list(run.seeds),
        "metrics": dict(run.metrics),
    }
    return Trace("run", folder.name, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def of_evaluation(place: Place, folder: EvalFolder) -> Trace:
    run = folder.run
    told = [f"{folder.name}: suite {run.settings.get('suite', '-')}, {run.state}, {_exam(folder)}"]
    exam = run.settings.get("exam") or {}
    came_from = [Link("run", folder.of.name, f"the model, from {run.base}")]
    asked = next((one for one in place.versions if one.id == exam.get("version_id")), None)
    if asked is not None:
        came_from.append(
            Link("version", asked.name, f"the exam: {_exam(folder)}, sha256 {str(exam.get('sha256'))[:16]}")
        )
    came_of_it = []
    for row in folder.metrics().to_pylist():
        if row["slice"] == "all":
            address = f"{folder.name}:{row['split']}:{row['metric']}"
            came_of_it.append(Link("number", address, f"{number(row['value'])}, {row['n']:,} items"))
    came_of_it += _judged(place, folder.of.name)
    facts = {"name": folder.name, "settings": dict(run.settings), "state": run.state}
    return Trace("evaluation", folder.name, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def of_patch(place: Place, name: str) -> Trace:
    entries = [entry for entry in place.patches if entry.id == name]
    first = entries[0]
    ops = Counter(entry.op for entry in entries)
    told = [f"{name} by {first.fields['author']}: {', '.join(f'{op} {count:,} rows' for op, count in ops.items())}"]
    told += [f"  {first.fields['reason']}"] if first.fields["reason"] else []
    tags = list(dict.fromkeys(tag for entry in entries for tag in entry.fields.get("tags") or ()))
    came_from = [Link("file", "", f"{first.file}, lines {first.line} to {entries[-1].line}")]
    came_from += [Link("tag", tag, _tag(place, tag)) for tag in tags]
    came_of_it = []
    for version in reversed(place.versions):
        steps = [one for one in place.tables(version).table("patches").to_pylist() if one["patch"] == name]
        if steps:
            came_of_it.append(Link("version", version.name, f"applied to {sum(one['units'] for one in steps):,} units"))
    if not came_of_it:
        came_of_it.append(Link("version", "", "no version yet; the next curate build applies it"))
    came_of_it += [row_link(place, str(UUID(bytes=entry.row_id)), None) for entry in entries]
    facts = {
        "id": name,
        "author": first.fields["author"],
        "reason": first.fields["reason"],
        "ops": dict(ops),
        "tags": tags,
    }
    return Trace("patch", name, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def _data(place: Place, run: Run) -> Link:
    assert run.version is not None
    version = place.version_of(run)
    if version is None:
        return Link("version", "", f"{run.version['name']} ({str(run.version['id'])[:8]}), which is not in this store")
    return Link("version", version.name, "the data")


def _exam(folder: EvalFolder) -> str:
    exam = folder.run.settings.get("exam") or {}
    return f"{exam.get('split', '-')} of {exam.get('version') or '-'}, {exam.get('items', 0):,} items"


def _scored(one: EvalFolder) -> Link:
    table = [row for row in one.metrics().to_pylist() if row["slice"] == "all"]
    scores = ", ".join(f"{row['metric']} {number(row['value'])}" for row in table[:3])
    return Link("evaluation", one.name, f"{one.run.state}, {scores}" if scores else str(one.run.state))


def _judged(place: Place, run: str) -> list[Link]:
    """Tags that hold on its outputs, and the patches made from them."""
    from curation.store.tags import tags

    if place.journal is None:
        return []
    held = tags(place.journal, run)
    by = Counter(one.kind for one in held)
    told = ", ".join(f"{count:,} by {'people' if kind == 'person' else f'{kind}s'}" for kind, count in by.items())
    links = [Link("tags", "", f"{len(held):,} tags hold on its outputs: {told}")] if held else []
    return links + [patch_link(entry) for entry in by_tags(place, [one.id for one in held])]


def _reports(place: Place, run: str) -> list[Path]:
    folder = place.root / "reports"
    return sorted(folder.glob(f"*{run}.html")) if folder.is_dir() else []


def _tag(place: Place, tag: str) -> str:
    found = next(iter(place.events(beginning=tag)), None)
    return f"{found.tag} by {found.author} on {found.prediction_id}" if found else "is not in this journal"
