"""`curate patch`: write down reviewed changes to rows, look at them, take them back."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder, stored, workspace
from app.cli.render import clip, next_commands, page, quote, visible
from curation.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from curation.patches.entry import Entry
    from curation.patches.propose import Author, Target
    from curation.store import Store, VersionInfo
    from curation.workspace import Workspace

_ACTIONS: Final = ("add", "list", "show", "drop")
_SHOWN: Final = 5


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "patch",
        "change rows for good: drop, edit, add, relabel, each with author and reason",
        examples=[
            "curate patch add --drop --where \"source = 'raw/old.jsonl'\" --reason 'wrong prices'",
            "curate patch add --row 7f3a9c21 --answer 'Hold it for five seconds.' --as ana",
            "curate patch add --relabel topic=pins --where \"answer like '%pin%'\"",
            "curate patch add --add new.jsonl",
            "curate patch list",
            "curate patch show p-001",
            "curate patch drop p-001",
        ],
        description="Writes JSONL files under patches/; the next build applies each entry exactly once. A condition "
        "may name source, line, split, cluster, row_id, answer, meta (JSON), record (JSON); only kept rows count.",
    )
    command.add_argument("action", metavar="add|list|show|drop", help="what to do")
    command.add_argument("patch", metavar="PATCH", nargs="?", help="for show and drop: a patch such as p-014")
    command.add_argument("--drop", action="store_true", help="add: drop the rows")
    command.add_argument("--relabel", metavar="FIELD=VALUE", help="add: set a field of meta; FIELD=null takes it out")
    command.add_argument("--answer", metavar="TEXT", help="add: give the row another answer")
    command.add_argument("--edit", metavar="FILE.json", help="add: give the row the messages in this file")
    command.add_argument("--add", metavar="FILE.jsonl", help="add: new rows, in any format that a build reads")
    command.add_argument("--where", metavar="SQL", help="add: the rows of the latest version that meet a condition")
    command.add_argument("--duplicates", action="store_true", help="add --drop: also the duplicates of the rows")
    command.add_argument("--row", metavar="ID", help="add: one row by the beginning of its id")
    command.add_argument("--reason", metavar="TEXT", help="add: why")
    command.add_argument("--as", dest="author", metavar="NAME", help="add: who (default: the user's login name)")
    command.add_argument("--tags", metavar="ID,ID", help="add: the tag events behind it")
    command.add_argument("--yes", action="store_true", help="do it without asking")


def run(args: Namespace) -> int:
    if args.action not in _ACTIONS:
        raise ConfigError(f'"{args.action}" is not something patch does{did_you_mean(args.action, _ACTIONS)}')
    if args.action in ("show", "drop") and not args.patch:
        raise ConfigError(f"{args.action}: name a patch, for instance: curate patch {args.action} p-001")
    if args.action in ("add", "list") and args.patch:
        raise ConfigError(f'"{args.patch}" is one argument too many; see curate patch --help')
    return {"add": _add, "list": _list, "show": _show, "drop": _drop}[args.action](args)


# ---- add


def _add(args: Namespace) -> int:
    from curation.patches.files import write_patch
    from curation.patches.propose import added_entries

    op = _operation(args)
    author = _author(args)
    if op == "add":
        root, used = workspace(args), _applied(workspace(args))
        made = added_entries(folder(args) / args.add, author, {})
        targets: list[Target] = []
    else:
        root, store = stored(args)
        version, used = store.resolve("latest"), _applied(root)
        targets = _targets(args, store, version)
        made = _changes(args, op, targets, author, version)
    preview = _preview(args, op, targets, len(made))
    if args.where:
        _confirm(args, preview)
    path = write_patch(root.root, made, used)
    data = {"patch": path.stem, "op": op, "rows": len(made), "file": f"patches/{path.name}"}
    written = f"{path.stem}  written to patches/{path.name}: {op} {_rows(len(made))}"
    emit(args, data, [written, next_commands("curate build", f"curate patch show {path.stem}")])
    return 0


def _operation(args: Namespace) -> str:
    """drop, relabel, edit or add; what does not go together is refused."""
    asked = {"--drop": args.drop, "--relabel": args.relabel, "--answer": args.answer is not None}
    asked |= {"--edit": args.edit, "--add": args.add}
    chosen = [option for option, value in asked.items() if value]
    if len(chosen) != 1:
        said = f"not {' and '.join(chosen)}" if chosen else "none was given"
        raise ConfigError(f"add: say one of {', '.join(asked)}; {said}")
    rows = [option for option, value in (("--where", args.where), ("--row", args.row)) if value]
    if chosen == ["--add"]:
        if rows:
            raise ConfigError(f"add: --add brings new rows, so {rows[0]} has no say; leave it out")
        return "add"
    if len(rows) != 1:
        raise ConfigError("add: name the rows, either --row ID or --where SQL")
    if chosen[0] in ("--answer", "--edit") and args.where:
        raise ConfigError(f"add: {chosen[0]} changes one row; name it with --row ID")
    return {"--drop": "drop", "--relabel": "relabel"}.get(chosen[0], "edit")


def _author(args: Namespace) -> Author:
    from datetime import UTC, datetime

    from curation.patches.propose import Author

    tags = tuple(tag.strip() for tag in (args.tags or "").split(",") if tag.strip())
    name = args.author or _login()
    return Author(name, datetime.now(UTC).isoformat(timespec="seconds"), args.reason or "", tags)


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ConfigError("add: your name is not known here; say it with --as NAME") from None


def _targets(args: Namespace, store: Store, version: VersionInfo) -> list[Target]:
    from curation.patches.propose import duplicates_of, row_named, rows_where

    targets = [row_named(store, version, args.row)] if args.row else rows_where(store, version, args.where)
    more = duplicates_of(store, version, targets) if args.drop else []
    if more and not args.duplicates and not args.json:
        what = f"{_rows(len(more))} left out of {version.name} as duplicates of them may take their place"
        print(f"curate patch: {what}; drop these too with --duplicates", file=sys.stderr)
    return [*targets, *more] if args.duplicates else targets


def _changes(
    args: Namespace, op: str, targets: Sequence[Target], author: Author, version: VersionInfo
) -> list[dict[str, Any]]:
    from curation.patches.propose import entries, last_answer, relabelled, whole_record

    change: dict[str, Any] = {}
    if args.relabel:
        change = relabelled(args.relabel)
    elif args.edit:
        change = whole_record(folder(args) / args.edit)
    elif args.answer is not None:
        change = last_answer(targets[0], args.answer)
    scope = {"version": version.id, **({"where": args.where} if args.where else {})}
    return entries(op, targets, change, author, scope)


def _preview(args: Namespace, op: str, targets: Sequence[Target], count: int) -> list[str]:
    """What would be written: how many rows, of which sources, and the first of them."""
    import orjson

    head = f"{op} {_rows(count)}" + (f" where {visible(args.where)}" if args.where else "")
    sources = Counter(target.source for target in targets).most_common()
    split = Counter(target.split or "not kept" for target in targets)
    lines = [head, "by split: " + " · ".join(f"{name} {n:,}" for name, n in sorted(split.items()))]
    lines += [f"  {n:,} of {visible(name)}" for name, n in sources[:_SHOWN]]
    lines += [f"  ... and {len(sources) - _SHOWN:,} more sources"] * (len(sources) > _SHOWN)
    for target in targets[:_SHOWN]:
        messages = orjson.loads(target.converted)["messages"]
        asked = next((m["content"] or "" for m in messages if m["role"] == "user"), messages[0]["content"] or "")
        lines.append(f"{visible(target.place)}  {quote(asked)}")
    return lines


def _confirm(args: Namespace, preview: Sequence[str]) -> None:
    """Ask on a terminal; elsewhere --yes is needed, as nobody is there to answer."""
    if args.yes:
        if not args.json:
            print("\n".join(preview))
        return
    if args.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        if not args.json:
            print("\n".join(preview), flush=True)
        raise ConfigError("nothing was written; look at the rows, then say it again with --yes")
    print("\n".join(preview), flush=True)
    print("write this patch? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was written")


# ---- list, show, drop


def _list(args: Namespace) -> int:
    from curation.patches.files import load_patches

    here = workspace(args)
    applied = _applied(here)
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


def _show(args: Namespace) -> int:
    here = workspace(args)
    found = _found(here, args.patch)
    described = _described(args.patch, found, _applied(here))
    first = found[0].fields
    head = [
        f"{args.patch}  {described['op']} {_rows(described['rows'])}   {visible(found[0].file)}",
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


def _drop(args: Namespace) -> int:
    from curation.patches.files import set_aside

    here = workspace(args)
    described = _described(args.patch, _found(here, args.patch), _applied(here))
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


def _applied(here: Workspace) -> dict[str, str]:
    """Patch -> the first version that applied it."""
    from curation.store import open_store

    if not here.store_path.exists():
        return {}
    first: dict[str, str] = {}
    for version in open_store(here.store_path).versions():
        for patch in version.stats.get("patches", ()):
            first.setdefault(patch["id"], version.name)
    return first


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


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
