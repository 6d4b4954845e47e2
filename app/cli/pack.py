"""`curate pack`: a version in one file, to train and evaluate on where there is no store."""

from __future__ import annotations

from argparse import Namespace

from app.cli.arguments import Parser
from app.cli.gc import size
from app.cli.output import emit
from app.cli.place import add_ref, folder, version
from app.cli.render import Cell, page, visible


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "pack",
        "write a version into one file: splits, evaluation items, recipe, manifest",
        examples=["curate pack", "curate pack v3 --to v3.pack"],
    )
    add_ref(command)
    command.add_argument("--to", metavar="FILE", help="where to (default: NAME.pack in this folder)")


def run(args: Namespace) -> int:
    from curation.pack.writing import write_pack

    _, store, chosen = version(args)
    path = folder(args) / (args.to or f"{chosen.name}.pack")
    manifest = write_pack(store, chosen, path)
    rows: list[list[Cell]] = [[file["path"], file["bytes"], file["sha256"][:12]] for file in manifest["files"]]
    splits = " · ".join(f"{split} {count:,}" for split, count in manifest["splits"].items())
    held = f"{chosen.name}, {splits}, {manifest['items']:,} items to evaluate, {size(path.stat().st_size)}"
    emit(
        args,
        {"path": str(path), **manifest},
        page(("member", "bytes", "sha256"), rows, [f"{visible(str(path))}: {held}"]),
    )
    return 0
