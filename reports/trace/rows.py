"""The trace of a row: its source and the patches behind it; its fate in every version, trainings, outputs, tags."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from curation.lookup import Tables, candidate, fate, place_of
from curation.patches import Entry
from curation.runs import Run
from curation.store import VersionInfo
from reports.trace.place import Place, ledger_lines
from reports.trace.told import Link, Trace, begins


def of_row(place: Place, version: VersionInfo, index: int) -> Trace:
    """`index`: the row's line in the ledger of `version`."""
    tables = place.tables(version)
    entry, found = tables.entry(index), candidate(tables, index)
    row_id = found.row_id
    told = [f"{found.where} in {version.name}: {found.fate}", f"  {begins(found.text)}"]
    came_from = [Link("source", "", _source(tables, entry)), *(_born_of(place, tables, entry) if row_id else [])]
    if row_id is None:
        facts = {"where": found.where, "row_id": None, "version": version.name, "fate": found.fate}
        return Trace("row", found.where, tuple(told), tuple(came_from), (), facts)
    came_of_it = [*_fates(place, row_id, version), *_patched(place, row_id), *_trained(place, row_id)]
    outputs = place.outputs("row_id", [row_id])
    for folder, line in outputs:
        came_of_it.append(Link("prediction", line["prediction_id"], f"{folder.name} said {begins(line['output'], 50)}"))
    for event in place.events(predictions=[line["prediction_id"] for _, line in outputs]):
        came_of_it.append(Link("tag", event.id, f"{event.tag} by {event.author} on {event.prediction_id}"))
    facts = {"where": found.where, "row_id": row_id, "version": version.name, "fate": found.fate}
    return Trace("row", row_id, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def row_link(place: Place, row_id: str, version: VersionInfo | None) -> Link:
    """The row behind an item or an entry of a patch."""
    found = place.row_at(row_id, version) or place.row_at(row_id)
    if found is None:
        return Link("row", "", f"row {row_id[:8]}, which no version of this store holds")
    at, entry = found
    return Link("row", row_id, f"{place_of(entry)}, {fate(place.tables(at), entry)}")


def _source(tables: Tables, entry: dict[str, Any]) -> str:
    sources = tables.table("sources").to_pylist()
    source = next(one for one in sources if one["source"] == entry["source"])
    at = f", byte {entry['byte_offset']:,}" if entry["byte_offset"] >= 0 else ""
    return f"{place_of(entry)}{at}; read as {source['format']}, file sha256 {source['sha256'][:16]}"


def _born_of(place: Place, tables: Tables, entry: dict[str, Any]) -> list[Link]:
    """The patches that made the row what it is, and the row it was before."""
    links = []
    for step in tables.table("patches").to_pylist():
        if step["result_row_id"] != entry["row_id"]:
            continue
        links.append(Link("patch", step["patch"], f"{step['op']} by {step['author']}: {step['reason']}"))
        if step["row_id"] and step["row_id"] != entry["row_id"]:
            before = str(UUID(bytes=step["row_id"]))
            links.append(Link("row", before, "what it was before"))
    if entry["matched_row_id"] is not None and entry["matched_row_id"] != entry["row_id"]:
        links.append(Link("row", str(UUID(bytes=entry["matched_row_id"])), f"what it matched in {entry['stage']}"))
    return links


def _fates(place: Place, row_id: str, here: VersionInfo) -> list[Link]:
    """What became of it in the other versions, newest first."""
    links = []
    for version in place.versions:
        if version.id == here.id:
            continue
        tables = place.tables(version)
        lines = ledger_lines(tables, UUID(row_id).bytes)
        if lines:
            links.append(Link("version", version.name, f"{place_of(lines[0])}: {fate(tables, lines[0])}"))
    return links


def _patched(place: Place, row_id: str) -> list[Link]:
    wanted = UUID(row_id).bytes
    named = [entry for entry in place.patches if entry.op != "add" and entry.row_id == wanted]
    return [Link("patch", entry.id, _told(entry)) for entry in named]


def _told(entry: Entry) -> str:
    reason = entry.fields["reason"]
    return f"{entry.op} by {entry.fields['author']}{f': {reason}' if reason else ''}"


def _trained(place: Place, row_id: str) -> list[Link]:
    """The trainings that saw it, with what they made of it where they kept that."""
    links = []
    for folder, run in place.runs:
        version = place.version_of(run)
        if run.kind != "training" or version is None or not _in_train(place, row_id, version):
            continue
        links.append(
            Link("run", folder.name, f"trained on it in {version.name}{_losses(place, folder.name, run, row_id)}")
        )
    return links


def _in_train(place: Place, row_id: str, version: VersionInfo) -> bool:
    lines = ledger_lines(place.tables(version), UUID(row_id).bytes)
    return any(line["verdict"] == "kept" and line["split"] == "train" for line in lines)


def _losses(place: Place, name: str, run: Run, row_id: str) -> str:
    from curation.errors import CurateError
    from curation.row_losses import row_loss

    try:
        history = row_loss(place.runs_at.experiments / name, row_id)
    except CurateError:
        return ""
    if history is None or not history.losses:
        return ""
    place_told = f"{history.rank:,} of {history.rows:,} from the highest"
    return f": loss {history.losses[0]:.2f} -> {history.losses[-1]:.2f}, {place_told}"
