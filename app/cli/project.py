"""`curate project`: a run as a project folder of its own, with splits, config, results, model card and notebook."""

from __future__ import annotations

from argparse import Namespace

from app.cli.arguments import Parser
from app.cli.extras import DRAWING, require
from app.cli.output import emit
from app.cli.place import folder, workspace
from app.cli.render import LINES, next_commands, visible


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "project",
        "write a run as a folder to hand on: splits, config, results, card, notebook",
        description="DIR gets data/splits/*.jsonl, configs/training.yaml, experiments/experiment_NNN with results.csv, "
        "README.md (the model card) and notebooks/example_prompts.ipynb.",
        examples=["curate project ../handover", "curate project out 003 004"],
    )
    command.add_argument("to", metavar="DIR", help="an empty or new folder, or one that this command wrote before")
    command.add_argument("runs", metavar="RUN", nargs="*", help="trainings of one version (default: the last one)")
    command.add_argument("--licence", metavar="L", help="what the model card claims")
    command.add_argument("--data-licence", metavar="L", action="append", help="of the training data; may be repeated")


def run(args: Namespace) -> int:
    require((*DRAWING, "huggingface_hub"), "app")  # for the card
    from app.cli.progress import progress
    from reports.card import Claims
    from reports.sections.subject import subject
    from reports.tree import write_tree

    here, told = workspace(args), progress()
    target = folder(args) / args.to
    try:
        told.stage("reading")
        subjects = [subject(here, here.root, [ref]) for ref in args.runs or ["latest"]]
        told.stage("writing")
        files = write_tree(target, subjects, Claims(args.licence, tuple(args.data_licence or ())))
    finally:
        told.stop()
    names = [path.relative_to(target).as_posix() for path in files]
    missing = [of.no_evaluation for of in subjects if of.no_evaluation]
    missing += [
        f"{of.folder.name} holds no adapter, without which the notebook cannot ask it; restore it, or train again"
        for of in subjects
        if not (of.folder / "adapter").is_dir()
    ]
    data = {"project": str(target), "runs": [of.folder.name for of in subjects], "files": names, "missing": missing}
    wanted = [name for name in names if name.count("/") <= 2 and "/adapter/" not in name]
    lines = [*map(visible, missing), *map(visible, wanted)]
    shown = lines if len(lines) <= LINES - 2 else [*lines[: LINES - 3], f"... and {len(lines) - LINES + 3} more"]
    emit(args, data, [*shown, visible(str(target)), next_commands("jupyter lab notebooks/example_prompts.ipynb")])
    return 0
