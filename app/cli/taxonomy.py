"""`curate taxonomy`: what reviewers may say, and its history."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.person import person
from app.cli.place import workspace
from app.cli.render import Cell, page, visible
from curation.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from curation.workspace import Workspace
    from eval.taxonomy import Taxonomy

_ACTIONS: Final = ("show", "history", "init", "add", "merge", "split", "rename")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "taxonomy",
        "show or change the tags that reviewers give, with history",
        examples=[
            "curate taxonomy",
            "curate taxonomy add 'wrong unit' --definition 'The number is right, its unit is not.'",
            "curate taxonomy merge 'made up' 'wrong fact' --into unsupported",
            "curate taxonomy split tone --into rude stiff",
            "curate taxonomy rename 'bad form' layout",
            "curate taxonomy history",
        ],
    )
    command.add_argument("action", metavar="ACTION", nargs="?", help=f"one of {', '.join(_ACTIONS)}")
    command.add_argument("names", metavar="TAG", nargs="*", help="the tags it is about")
    command.add_argument("--into", metavar="TAG", nargs="+", default=[], help="merge, split: the tags it becomes")
    command.add_argument("--definition", metavar="TEXT", help="add: when the tag applies")
    command.add_argument("--hotkey", metavar="KEY", help="add: the key that gives it")
    command.add_argument("--reason", metavar="TEXT", default="", help="why")
    command.add_argument("--as", dest="author", metavar="NAME", help="who (default: the user's login name)")


def run(args: Namespace) -> int:
    from eval.taxonomy import FILE, edit_taxonomy, load_taxonomy

    action = args.action or "show"
    if action not in _ACTIONS:
        raise ConfigError(f'"{action}" is not something taxonomy does{did_you_mean(action, _ACTIONS)}')
    here = workspace(args)
    said = []
    if action in ("show", "history"):
        if args.names:
            raise ConfigError(f'{action} takes no tag, and "{args.names[0]}" was given')
        taxonomy = load_taxonomy(here.root)
    else:
        taxonomy = edit_taxonomy(here.root, here.store_path, _change(args, action, here.root / FILE))
        said = [f"{visible(str(here.root / FILE))}: {taxonomy.name}, {len(taxonomy.tags)} tags"]
    given = _given(here, taxonomy)
    keys = {name: key for key, name in taxonomy.hotkeys().items()}
    rows: list[list[Cell]] = [
        [visible(name), keys.get(name, ""), visible(tag.parent or ""), given[name], visible(tag.definition)]
        for name, tag in taxonomy.tags.items()
    ]
    data = {
        "version": taxonomy.version,
        "tags": {
            name: {"definition": tag.definition, "parent": tag.parent, "hotkey": keys.get(name), "given": given[name]}
            for name, tag in taxonomy.tags.items()
        },
        "rubrics": {name: list(rubric.levels) for name, rubric in taxonomy.rubrics.items()},
        "history": [
            {"version": c.version, "change": c.change, "from": c.before, "to": c.after, "by": c.by, "reason": c.reason}
            for c in taxonomy.history
        ],
    }
    if action == "history":
        emit(args, data, _history(taxonomy))
        return 0
    emit(args, data, page(("tag", "key", "kind of", "given", "definition"), rows, said))
    return 0


def _history(taxonomy: Taxonomy) -> list[str]:
    """What became of each name, newest first."""
    rows: list[list[Cell]] = [
        [
            f"v{one.version}",
            one.change,
            visible(", ".join(one.before)),
            visible(", ".join(one.after)),
            visible(one.by),
            visible(one.reason),
        ]
        for one in reversed(taxonomy.history)
    ]
    return page(("since", "change", "from", "to", "by", "why"), rows, [] if rows else ["no change so far"])


def _change(args: Namespace, action: str, file: Path) -> Callable[[Taxonomy], Taxonomy]:
    """What the command does to the taxonomy that it finds, once nobody else changes it."""
    author = "" if action == "init" else person(args)

    def init(found: Taxonomy) -> Taxonomy:
        if file.exists():
            raise ConfigError(f"{file}: exists already; edit it, or change it with curate taxonomy")
        return found

    return init if action == "init" else lambda old: _changed(args, action, old, author)


def _changed(args: Namespace, action: str, old: Taxonomy, author: str) -> Taxonomy:
    from eval.taxonomy import TagDefinition, add, merge, rename, split

    why = {"by": author, "reason": args.reason}
    names: list[str] = args.names
    if action == "add" and len(names) == 1 and args.definition:
        return add(old, names[0], TagDefinition(args.definition, hotkey=args.hotkey), **why)
    if action == "rename" and len(names) == 2:
        return rename(old, names[0], names[1], **why)
    if action == "merge" and names and len(args.into) == 1:
        return merge(old, names, args.into[0], **why)
    if action == "split" and len(names) == 1 and args.into:
        return split(old, names[0], args.into, **why)
    wanted = {
        "add": "add TAG --definition TEXT",
        "rename": "rename OLD NEW",
        "merge": "merge TAG TAG --into TAG",
        "split": "split TAG --into TAG TAG",
    }
    raise ConfigError(f"write it as: curate taxonomy {wanted[action]}")


def _given(here: Workspace, taxonomy: Taxonomy) -> Counter[str]:
    """How often people gave each tag so far, by its present name."""
    from curation.store.journal import open_journal
    from curation.store.tags import tags

    path = here.store_path / "journal.sqlite"
    if not path.exists():
        return Counter()
    with open_journal(path) as journal:
        return Counter(taxonomy.present(tag.tag, tag.taxonomy) for tag in tags(journal, kinds=("person",)))
