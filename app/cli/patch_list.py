"""`curate patch list | show | drop`: the patches of a workspace, and which version applied them first."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import clip, next_commands, page, quote, visible
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.patches.entry import Entry
    from curation.workspace import Workspace


def list_patches(args: Namespace) -> int:
    from curation.patches.files import load_patches
    from curation.patches.waiting import first_applied

    here = workspace(args)
    applied = first_applied(here)
    patches = [_described(name, found, applied) for name, found in _by_patch(load_patches(here.root)).items()]
    headers = ("patch", "op", "rows", "reason", "by", "tags", "first applied in")
    keys = ("patch", "op", "rows", "reason", "author", "tags", "applied")
    rows = [[clip(p[k], 60) if k == "reason" else p[k] for k in keys] for p in patches]
    waiting = [p["patch"] for p in patches if p["applied"] is None]
    count = f"{len(patches)} patch{'es' if len(patches) != 1 else ''}"
    said = f"{count}, {len(waiting)} not built yet" if patches else "no patches"
    follow = f"curate patch show {patches[-1]['patch']}" if patches else "curate patch add --help"
    tail = [said, next_commands(*(["curate build"] if waiting else []), follow)]
    emit(args, {"patches": patches}, page(headers, rows, tail))
    return 0


def show_patch(args: Namespace) -> int:
    from curation.patches.waiting import first_applied

    here = workspace(args)
    found = _found(here, args.patch)
    described = _described(args.patch, found, first_applied(here))
    first = found[0].fields
    head = [
        f"{args.patch}  {described['op']} {count_of_rows(described['rows'])}   {visible(found[0].file)}",
        f"by {visible(described['author'])}, {first['time']}" + _because(first),
        f"applied in {described['applied']}" if described["applied"] else "not built yet",
    ]
    head += [f"where {visible(described['where'])}"] if described["where"] else []
    head += [f"tags {visible(', '.join(first['tags']))}"] if first.get("tags") else []
    rows = [[entry.line, entry.op, _place(entry), _text(entry)] for entry in found]
    tail = [next_commands("curate build" if not described["applied"] else "curate patch list")]
    data = {**described, "entries": [dict(entry.fields) for entry in found]}
    emit(args, data, [*head, *page(("line", "op", "row", "change"), rows, tail, reserved=len(head))])
    return 0


def drop_patch(args: Namespace) -> int:
    from curation.patches.files import set_aside
    from curation.patches.waiting import first_applied

    here = workspace(args)
    described = _described(args.patch, _found(here, args.patch), first_applied(here))
    if described["applied"] and not args.yes:
        raise ConfigError(
            f"{args.patch} is part of {described['applied']}; that version stays as it is, but the next build brings "
            f"the rows back as they were: say so with --yes"
        )
    aside = set_aside(here.root, args.patch).relative_to(here.root).as_posix()
    undone = "; the next build undoes it" if described["applied"] else ""
    emit(
        args,
        {"patch": args.patch, "file": aside},
        [f"{args.patch}  moved to {aside}{undone}", next_commands("curate build", "curate patch list")],
    )
    return 0


def _by_patch(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    patches: dict[str, list[Entry]] = {}
    for entry in found:
        patches.setdefault(entry.id, []).append(entry)
    return patches


def _found(here: Workspace, name: str) -> list[Entry]:
    from curation.patches.files import load_patches, patch_path

    patch_path(here.root, name)  # says it well if there is none
    return _by_patch(load_patches(here.root))[name]


def _described(name: str, found: Sequence[Entry], applied: dict[str, str]) -> dict[str, Any]:
    authors = dict.fromkeys(entry.fields["author"] for entry in found)
    where = dict.fromkeys(entry.fields["where"] for entry in found if "where" in entry.fields)
    reasons = dict.fromkeys(entry.fields["reason"] for entry in found if entry.fields["reason"])
    return {
        "patch": name,
        "op": ", ".join(dict.fromkeys(entry.op for entry in found)),
        "rows": len(found),
        "reason": "; ".join(reasons) or " or ".join(where),
        "author": ", ".join(authors),
        "tags": len({tag for entry in found for tag in entry.fields.get("tags", ())}),
        "where": " or ".join(where) or None,
        "applied": applied.get(name),
    }


def _because(fields: Any) -> str:
    return f": {visible(fields['reason'])}" if fields["reason"] else ""


def _place(entry: Entry) -> str:
    at = entry.fields.get("at")
    place = f"{at['source']}:{at['line']} " if at else ""
    return f"{place}{entry.row_id.hex()[:8]}"


def _text(entry: Entry) -> str:
    """What an entry changes, on one short line."""
    fields = entry.fields
    if entry.op == "relabel":
        return clip(", ".join(f"{name}={value}" for name, value in fields["meta"].items()), 60)
    messages = fields.get("messages") or fields.get("record", {}).get("messages") or fields.get("turns") or []
    return quote(messages[-1]["content"] or "", 50) if messages else ""


def count_of_rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
