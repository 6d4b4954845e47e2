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

FORMATS: Final = ("messages", "alpaca", "sharegpt", "prompt_completion")
CONTAINERS: Final = ("jsonl", "parquet", "datasets")


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "export",
        "write a version's splits as files, with a manifest of their sha256",
        examples=[
            "curate export",
            "curate export v2 --to out --format alpaca",
            "curate export --ledger ledger.parquet",
        ],
    )
    add_ref(command)
    command.add_argument("--to", metavar="DIR", help="where to (default: data/splits of the workspace)")
    command.add_argument(
        "--format", choices=FORMATS, metavar="FORMAT", help=f"{', '.join(FORMATS)} (default: the recipe's)"
    )
    command.add_argument(
        "--container", choices=CONTAINERS, metavar="KIND", help=f"{', '.join(CONTAINERS)} (default: the recipe's)"
    )
    command.add_argument(
        "--ledger", metavar="FILE.parquet", help="write the verdict on every unit to this file instead"
    )


def run(args: Namespace) -> int:
    from curation.export import export, export_ledger

    here, store, chosen = version(args)
    if args.ledger:
        path = folder(args) / args.ledger
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
    manifest = export(
        store,
        chosen,
        Path(destination),
        format=args.format or settings.get("format", "messages"),
        container=args.container or settings.get("container", "jsonl"),
    )
    rows: list[list[Cell]] = [
        [file.split, file.path, file.rows, file.bytes, file.sha256[:12]] for file in manifest.files
    ]
    after = [
        f"{manifest.version} as {manifest.format} {manifest.container} in {visible(str(destination))}",
        next_commands(f"curate verify {manifest.version}"),
    ]
    data = {"destination": str(destination), **asdict(manifest)}
    emit(args, data, page(("split", "file", "rows", "bytes", "sha256"), rows, after))
    return 0
