"""`curate pack`: a version in one file, to train and evaluate on where there is no store."""

from __future__ import annotations

from argparse import Namespace

from app.cli.arguments import Parser
from app.cli.gc import size
from app.cli.output import emit
from app.cli.place import add_ref, folder, version
from app.cli.render import Cell, page, visible
from app.cli.template import TEMPLATE_HELP, chosen_template


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "pack",
        "write a version into one file: splits, evaluation items, recipe, template, manifest",
        examples=["curate pack", "curate pack v3 --to v3.pack --template llama2"],
    )
    add_ref(command)
    command.add_argument("--to", metavar="FILE", help="where to (default: NAME.pack in this folder)")
    command.add_argument("--template", metavar="NAME", help=TEMPLATE_HELP)


def run(args: Namespace) -> int:
    from curation.export import refuse_file
    from curation.pack.reading import is_pack
    from curation.pack.writing import packed_template, write_pack

    here, store, chosen = version(args)
    template = chosen_template(args, here, chosen)
    path = folder(args) / (args.to or f"{chosen.name}.pack")
    refuse_file(path, "pack", is_pack, here, chosen.recipe)
    manifest = write_pack(store, chosen, path, packed_template(template) if template else None)
    rows: list[list[Cell]] = [[file["path"], file["bytes"], file["sha256"][:12]] for file in manifest["files"]]
    splits = " · ".join(f"{split} {count:,}" for split, count in manifest["splits"].items())
    along = f", template {visible(template.name)}" if template else ""
    held = f"{chosen.name}, {splits}, {manifest['items']:,} items to evaluate{along}, {size(path.stat().st_size)}"
    emit(
        args,
        {"path": str(path), **manifest},
        page(("member", "bytes", "sha256"), rows, [f"{visible(str(path))}: {held}"]),
    )
    return 0
