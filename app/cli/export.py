"""`curate export`: a version as files to train on."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import add_ref, folder, version
from app.cli.render import Cell, next_commands, page, visible
from app.cli.template import TEMPLATE_HELP, chosen_template
from curation.errors import ConfigError

FORMATS: Final = ("messages", "alpaca", "sharegpt", "prompt_completion", "text")
TEXT: Final = "text"
CONTAINERS: Final = ("jsonl", "parquet", "datasets")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "export",
        "write a version's splits as files, with a manifest of their sha256",
        examples=[
            "curate export",
            "curate export v2 --to out --format alpaca",
            "curate export --template llama2 --skip-refused",
            "curate export --ledger ledger.csv",
        ],
    )
    add_ref(command)
    command.add_argument("--to", metavar="DIR", help="where to (default: data/splits of the workspace)")
    command.add_argument(
        "--format", choices=FORMATS, metavar="FORMAT", help=f"{', '.join(FORMATS)} (default: the version's)"
    )
    command.add_argument(
        "--container",
        choices=CONTAINERS,
        metavar="KIND",
        help=f"{', '.join(CONTAINERS)} (default: the version's)",
    )
    command.add_argument("--template", metavar="NAME", help=f"export as text, rendered with this: {TEMPLATE_HELP}")
    command.add_argument("--skip-refused", action="store_true", help="leave out rows that the format cannot express")
    command.add_argument(
        "--ledger", metavar="FILE", help="write the verdict on every unit to this file instead: .parquet, or .csv"
    )


def run(args: Namespace) -> int:
    from curation.export import export, export_ledger, is_ledger, refuse_file, refuse_folder, written_names
    from curation.reading.reach import refuse_to_write

    here, store, chosen = version(args)
    if args.ledger:
        path = folder(args) / args.ledger
        refuse_file(path, "ledger", is_ledger, here, chosen.recipe)
        export_ledger(store, chosen, path)
        units = store.table(chosen, "ledger").num_rows
        emit(
            args,
            {"version": chosen.name, "ledger": str(path), "units": units},
            [f"{visible(str(path))}: the verdict on each of {units:,} units of {chosen.name}"],
        )
        return 0
    settings = chosen.recipe.get("export") or {}
    destination = folder(args) / args.to if args.to else here.splits_path
    layout = args.format or (TEXT if args.template else settings.get("format", "messages"))
    if args.template and layout != TEXT:
        raise ConfigError(f"--template is for --format text, not for {layout}; leave one out")
    container = args.container or settings.get("container", "jsonl")
    refuse_to_write(here, chosen.recipe, [Path(destination) / name for name in written_names(container)])
    refuse_folder(Path(destination).parent, here)
    manifest = export(
        store,
        chosen,
        Path(destination),
        format=layout,
        container=container,
        template=chosen_template(args, here, chosen) if layout == TEXT else None,
        skip_refused=args.skip_refused,
    )
    rows: list[list[Cell]] = [
        [file.split, file.path, file.rows, file.bytes, file.sha256[:12]] for file in manifest.files
    ]
    under = f" under {visible(manifest.template['name'])}" if manifest.template else ""
    left_out = sum((manifest.skipped or {}).values())
    after = [
        *[f"left out: {left_out:,} {'row' if left_out == 1 else 'rows'} that {layout} cannot express"] * bool(left_out),
        f"{manifest.version} as {manifest.format}{under} {manifest.container} in {visible(str(destination))}",
        next_commands(f"curate verify {manifest.version}"),
    ]
    data = {"destination": str(destination), **asdict(manifest)}
    emit(args, data, page(("split", "file", "rows", "bytes", "sha256"), rows, after))
    return 0
