"""`curate patch`: write down reviewed changes to rows, look at them, take them back."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.patch_list import count_of_rows, drop_patch, list_patches, show_patch
from app.cli.person import person
from app.cli.place import folder, stored, workspace
from app.cli.render import next_commands, quote, visible
from curation.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from curation.patches.propose import Author, Target
    from curation.patches.spent import Spent
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
            "curate patch add --row raw/a.jsonl:17 --answer 'Hold it for five seconds.' --reason 'too short' --as ana",
            "curate patch add --relabel topic=pins --where \"answer like '%pin%'\" --reason 'topic was missing'",
            "curate patch add --add new.jsonl --reason 'asked for by the desk'",
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
    command.add_argument(
        "--row",
        metavar="ROW",
        action="append",
        help="add: one row, by FILE:LINE or the beginning of its id; may be given several times",
    )
    command.add_argument("--reason", metavar="TEXT", help="add: why (needed)")
    command.add_argument("--as", dest="author", metavar="NAME", help="add: who (default: the user's login name)")
    command.add_argument("--tags", metavar="ID,ID", help="add: the tag events behind it")
    command.add_argument("--spend", action="store_true", help="add: allow --tags of test items; they are spent by it")
    command.add_argument("--yes", action="store_true", help="do it without asking")


def run(args: Namespace) -> int:
    if args.action not in _ACTIONS:
        raise ConfigError(f'"{args.action}" is not something patch does{did_you_mean(args.action, _ACTIONS)}')
    if args.action in ("show", "drop") and not args.patch:
        raise ConfigError(f"{args.action}: name a patch, for instance: curate patch {args.action} p-001")
    if args.action in ("add", "list") and args.patch:
        raise ConfigError(f'"{args.patch}" is one argument too many; see curate patch --help')
    return {"add": _add, "list": list_patches, "show": show_patch, "drop": drop_patch}[args.action](args)


# ---- add


def _add(args: Namespace) -> int:
    from curation.patches.files import write_patch
    from curation.patches.propose import added_entries
    from curation.patches.spent import spend
    from curation.patches.waiting import first_applied, refuse_changed

    op = _operation(args)
    author = _author(args)
    if op == "add":
        root, used = workspace(args), first_applied(workspace(args))
        made = added_entries(folder(args) / args.add, author, {})
        targets: list[Target] = []
    else:
        root, store = stored(args)
        version, used = store.resolve("latest"), first_applied(root)
        targets = _targets(args, root.root, store, version)
        refuse_changed(root.root, targets, used)
        made = _changes(args, op, targets, author, version)
    test = _cleared(args, root, author)
    preview = _preview(args, op, targets, len(made))
    if args.where:
        _confirm(args, preview)
    if test:  # before the patch is: a crash between must not leave it counted
        spend(root.root, test)
    path = write_patch(root.root, made, used)
    data = {"patch": path.stem, "op": op, "rows": len(made), "file": f"patches/{path.name}"}
    written = f"{path.stem}  written to patches/{path.name}: {op} {count_of_rows(len(made))}"
    emit(args, data, [written, next_commands("curate build")])
    return 0


def _cleared(args: Namespace, root: Workspace, author: Author) -> list[Spent]:
    """The test items behind the tags, to be marked spent; LeakError unless that was asked for, DataError for a tag
    on which people do not agree."""
    from curation.runs import run_place
    from eval.review.proposals import cleared
    from eval.taxonomy import load_taxonomy

    test, warnings = cleared(run_place(root), load_taxonomy(root.root), author, allow_test=args.spend)
    for warning in warnings:
        print(f"curate patch: {visible(warning)}", file=sys.stderr)
    return test


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
        raise ConfigError("add: name the rows, either --row ROW or --where SQL")
    if chosen[0] in ("--answer", "--edit") and (args.where or len(args.row) > 1):
        raise ConfigError(f"add: {chosen[0]} changes one row; name it with --row ROW")
    return {"--drop": "drop", "--relabel": "relabel"}.get(chosen[0], "edit")


def _author(args: Namespace) -> Author:
    from datetime import UTC, datetime

    from curation.patches.propose import Author

    if not (args.reason or "").strip():
        raise ConfigError("add: say why with --reason TEXT; it stays with every entry")
    tags = tuple(tag.strip() for tag in (args.tags or "").split(",") if tag.strip())
    return Author(person(args), datetime.now(UTC).isoformat(timespec="seconds"), args.reason, tags)


def _targets(args: Namespace, root: Path, store: Store, version: VersionInfo) -> list[Target]:
    from curation.patches.propose import duplicates_of, rows_named, rows_where

    targets = rows_named(store, version, args.row, root) if args.row else rows_where(store, version, args.where)
    more = duplicates_of(store, version, targets) if args.drop else []
    if more and not args.duplicates and not args.json:
        what = f"{count_of_rows(len(more))} left out of {version.name} as duplicates of them may take their place"
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

    head = f"{op} {count_of_rows(count)}" + (f" where {visible(args.where)}" if args.where else "")
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
