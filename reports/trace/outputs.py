"""The traces of an output and of a tag on it: the run, the item and its row; what was judged, and patched for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from curation.patches import Entry
from curation.store.tags import Tag
from eval.folder import EvalFolder
from reports.cells import number
from reports.trace.place import Place
from reports.trace.rows import row_link
from reports.trace.told import Link, Trace, begins


def of_prediction(place: Place, found: Sequence[tuple[EvalFolder, dict[str, Any]]]) -> Trace:
    """`found`: every evaluation that stored this output, the same one."""
    folder, line = found[-1]
    name = line["prediction_id"]
    told = [f"output of {folder.name} for item {line['item_id']} ({line['split']})", f"  said {begins(line['output'])}"]
    told.append(f"  gold {begins(line['reference'])}")
    scores = ", ".join(f"{metric} {number(value)}" for metric, value in _scores(folder, line["item_id"]).items())
    told += [f"  {scores}"] if scores else []
    if line["clean"] is False:
        told.append("  training touched this item: it is not in the clean scores")
    came_from = [Link("evaluation", one.name, f"suite {one.run.settings.get('suite', '-')}") for one, _ in found]
    came_from += [Link("run", folder.of.name, f"the model, from {folder.run.base}")]
    came_from.append(row_link(place, line["row_id"], place.version_of(folder.run)))
    events = place.events(predictions=[name])
    came_of_it = [Link("tag", event.id, _event(event)) for event in events]
    came_of_it += [patch_link(entry) for entry in by_tags(place, [event.id for event in events])]
    if line["item_id"] in _spent(place):
        came_of_it.append(Link("item", "", "spent: a patch was made from it, and clean scores leave it out"))
    facts = {key: line[key] for key in ("prediction_id", "item_id", "row_id", "split", "output", "reference")}
    facts |= {"evaluations": [one.name for one, _ in found], "scores": _scores(folder, line["item_id"])}
    return Trace("prediction", name, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def of_tag(place: Place, event: Tag) -> Trace:
    found = place.outputs("prediction_id", [event.prediction_id])
    told = [f"{_event(event)}, {event.time[:19]}"]
    told += [f"  note {begins(event.note)}"] if event.note else []
    if event.taxonomy:
        told.append(f"  under taxonomy {event.taxonomy}")
    came_from = [
        Link("prediction", event.prediction_id, f"of {one.name}: {begins(line['output'], 50)}")
        for one, line in found[-1:]
    ]
    if not found:
        came_from.append(Link("prediction", "", f"{event.prediction_id} of {event.run}, whose answers are not here"))
    if event.undoes:
        came_from.append(Link("tag", event.undoes, "the judgement that it takes back"))
    came_of_it = [
        Link("tag", one.id, f"taken back by {one.author}, {one.time[:19]}") for one in place.events(undoing=event.id)
    ]
    came_of_it += [patch_link(entry) for entry in by_tags(place, [event.id])]
    facts = {
        key: getattr(event, key)
        for key in ("id", "prediction_id", "run", "tag", "value", "author", "kind", "rule", "note", "undoes", "time")
    }
    return Trace("tag", event.id, tuple(told), tuple(came_from), tuple(came_of_it), facts)


def by_tags(place: Place, ids: Sequence[str]) -> list[Entry]:
    """The first entry of each patch that was made from one of these tag events."""
    wanted = set(ids)
    found: dict[str, Entry] = {}
    for entry in place.patches:
        if wanted & set(entry.fields.get("tags") or ()):
            found.setdefault(entry.id, entry)
    return list(found.values())


def patch_link(entry: Entry) -> Link:
    reason = entry.fields["reason"]
    return Link("patch", entry.id, f"{entry.op} by {entry.fields['author']}{f': {reason}' if reason else ''}")


def _event(event: Tag) -> str:
    what = f"takes back {event.tag}" if event.undoes else f"{event.tag}{f' = {event.value}' if event.value else ''}"
    return f"{what} by {event.author} ({event.rule or event.kind})"


def _scores(folder: EvalFolder, item: str) -> dict[str, float | None]:
    table = folder.item_metrics(["item_id", "metric", "value"])
    rows = table.filter(pc.equal(table["item_id"], item)).to_pylist()
    return {row["metric"]: row["value"] for row in rows}


def _spent(place: Place) -> frozenset[str]:
    from curation.patches.spent import spent_items

    return spent_items(place.root)
