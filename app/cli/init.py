"""`curate init`: make a folder a workspace."""

from __future__ import annotations

from argparse import Namespace

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import next_commands, visible


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "init",
        "make a folder a workspace, with a recipe that shows every default",
        examples=["curate init support-bot", "curate init . --source 'raw/*.jsonl'"],
    )
    command.add_argument("folder", metavar="DIR", nargs="?", default=".", help="the folder to make (default: this one)")
    command.add_argument(
        "--source", metavar="PATH", action="append", default=[], help="a file, folder, or glob the recipe reads"
    )


def run(args: Namespace) -> int:
    from curation.workspace import init_workspace

    root = folder(args) / args.folder
    made = init_workspace(root, [str(folder(args) / source) for source in args.source])
    sources = [source.path for source in made.load_recipe().sources]
    go = "curate build" if root.resolve() == folder(args).resolve() else f"curate build -C {args.folder}"
    first = [] if args.source else [f"put your files into {visible(str(root / sources[0]))}"]
    emit(
        args,
        {"workspace": str(made.root), "recipe": str(made.recipe_path), "sources": sources},
        [
            f"made a workspace in {visible(str(made.root))}: curate.yaml, recipe.yaml (every default in it, commented)",
            next_commands(*first, go),
        ],
    )
    return 0
