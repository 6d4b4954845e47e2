"""`curate import-run FOLDER --base NAME`: take in a run made elsewhere, or a peft folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from app.cli.arguments import Parser
from app.cli.extras import TRAINING, require
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import next_commands, visible
from app.cli.runs import place


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "import-run",
        "take in a run made elsewhere, or a LoRA adapter that peft, Unsloth or axolotl wrote",
        examples=[
            "curate import-run ../other/experiments/experiment_004",
            "curate import-run outputs/checkpoint-500 --base models/llama-3.1-8b --template llama3",
        ],
        description="Copies the adapter to a new experiments/experiment_NNN. What the folder does not tell is marked "
        "as unknown; an adapter for another base model, or one in a pickle, is refused.",
    )
    command.add_argument("folder", metavar="FOLDER", help="a run's folder, or one with adapter_config.json")
    command.add_argument("--base", metavar="NAME", help="the base model's folder or its name on the hub")
    command.add_argument("--revision", metavar="REF", help="of a base on the hub: branch, tag or commit")
    command.add_argument(
        "--template", metavar="T", help="llama2, llama3, chatml, alpaca, guanaco, plain, a folder, a .jinja file"
    )


def run(args: Namespace) -> int:
    require(TRAINING, "train")
    from curation.workspace import find_workspace
    from reports.results import write_results
    from train.imported import ImportRequest, import_run

    start = folder(args)
    home = find_workspace(start)
    request = ImportRequest(start / Path(args.folder), start, args.base, args.template, args.revision)
    made = import_run(request, place(args).experiments, home.root if home else None)
    write_results(made.folder)
    template = made.run.template
    assert template is not None  # import_run settles on one
    lines = [
        f"{made.run.name}  {visible(made.run.origin)}",
        f"base {visible(made.run.base)} · template {visible(template['name'])} {template['sha256'][:8]}",
        *map(visible, made.notes),
        next_commands(f"curate generate {made.run.name} --prompt '...'", f"curate runs show {made.run.name}"),
    ]
    emit(args, {**made.run.as_json(), "folder": str(made.folder), "notes": list(made.notes)}, lines)
    return 0
