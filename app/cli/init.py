"""`curate init`: make a folder a workspace."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import next_commands, visible

if TYPE_CHECKING:
    from curation.workspace import Workspace

_SHOWN: Final = 5


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "init",
        "make a folder a workspace, with a recipe that shows every default",
        examples=[
            "curate init support-bot",
            "curate init . --source 'raw/*.jsonl'",
            "curate init guanaco --recipe configs/guanaco-llama2-1k.yaml",
        ],
    )
    command.add_argument("folder", metavar="DIR", nargs="?", default=".", help="the folder to make (default: this one)")
    command.add_argument(
        "--source",
        metavar="PATH",
        action="append",
        default=[],
        help="a file, folder, or glob the recipe reads; of equal rows that of the first stays",
    )
    command.add_argument("--recipe", metavar="FILE", help="a recipe to start from; --source replaces its sources")


def run(args: Namespace) -> int:
    from curation.formats.detect import NOTHING_FITS
    from curation.formats.known import NAMES
    from curation.workspace import init_workspace

    root = folder(args) / args.folder
    given = folder(args) / args.recipe if args.recipe else None
    made = init_workspace(root, [_path(args, source) for source in args.source], given)
    sources = [source.path for source in made.load_recipe().sources]
    go = "curate build" if root.resolve() == folder(args).resolve() else f"curate build -C {args.folder}"
    local = not args.source and not sources[0].startswith("hf:")
    first = [f"put your files into {visible(str(root / sources[0]))}"] if local else []
    holds = f"a copy of {visible(args.recipe)}" if args.recipe else "every default in it, commented"
    wrong = [] if local and not any((root / sources[0]).glob("*")) else _unreadable(made)
    lines = [f"made a workspace in {visible(str(made.root))}: curate.yaml, recipe.yaml ({holds})"]
    if wrong:
        more = [f"... and {len(wrong) - _SHOWN:,} more (--json)"] * (len(wrong) > _SHOWN)
        lines += [*(f"not ready to build: {visible(line)}" for line in wrong[:_SHOWN]), *more]
        known = any(NOTHING_FITS in line for line in wrong)
        lines += [f"layouts known by themselves: {', '.join(NAMES)}; of any other, `mapping` names the fields"] * known
        first = [f"mend {visible(str(made.recipe_path))} or the files"]
    data = {"workspace": str(made.root), "recipe": str(made.recipe_path), "sources": sources, "unreadable": wrong}
    emit(args, data, [*lines, next_commands(*first, go)])
    return 0


def _unreadable(made: Workspace) -> list[str]:
    """What the build would stop at; it takes pyarrow, which nothing else here does."""
    from curation.layouts import unreadable

    return unreadable(made.load_recipe().sources, made.root)


def _path(args: Namespace, source: str) -> str:
    return source if source.startswith("hf:") else str(folder(args) / source)
