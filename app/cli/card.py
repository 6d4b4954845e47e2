"""`curate card`: a model card for a run, or a dataset card for an exported version, ready for the hub."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any, Final

from app.cli.arguments import Parser
from app.cli.extras import DRAWING, require
from app.cli.output import emit
from app.cli.place import folder, stored
from app.cli.render import next_commands, visible
from curation.errors import ConfigError

README: Final = "README.md"
_VERSION: Final = re.compile(r"v[1-9][0-9]*(-fold.*)?")
_OURS: Final = "built by Curate"


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "card",
        "write a model card of a run, or a dataset card of a version",
        description="README.md with the head that the Hugging Face hub reads; every number from the store. Conflicts "
        "of licences are named. A dataset card stands beside the export, with entries for LLaMA-Factory and axolotl.",
        examples=["curate card", "curate card 003 --licence llama3.1 --dataset me/data", "curate card v3 --to out"],
    )
    command.add_argument("of", metavar="RUN|VERSION", nargs="?", help="003, latest (the default), or a version: v3")
    command.add_argument("--to", metavar="DIR", help="where to (default: the run's folder; of a version data/splits)")
    command.add_argument(
        "--licence", metavar="L", help="what the card claims: mit, apache-2.0, llama3.1, cc-by-nc-4.0 ..."
    )
    command.add_argument("--data-licence", metavar="L", action="append", help="of the training data; may be repeated")
    command.add_argument("--base", metavar="NAME", help="the base model's name on the hub")
    command.add_argument("--dataset", metavar="NAME", help="the data set's name on the hub")
    command.add_argument("--name", metavar="NAME", help="the title")
    command.add_argument("--force", action="store_true", help=f"replace a {README} that curate did not write")


def run(args: Namespace) -> int:
    require((*DRAWING, "huggingface_hub"), "app")  # a card is made of a report's sections
    return _of_version(args) if args.of and _VERSION.fullmatch(args.of) else _of_run(args)


def _of_run(args: Namespace) -> int:
    from curation.workspace import find_workspace
    from reports.card import Claims, model_card, no_name
    from reports.sections.subject import subject

    here = find_workspace(folder(args))
    of = subject(here, here.root if here else folder(args), [args.of] if args.of is not None else [])
    claims = Claims(args.licence, tuple(args.data_licence or ()), args.base, args.dataset, args.name)
    text, against = model_card(of, claims)
    path = (folder(args) / args.to if args.to else of.folder) / README
    _write(path, {README: text}, args.force)
    missing = [text for text in dict.fromkeys((of.no_evaluation, of.no_version, no_name(of, claims))) if text]
    data = {"run": of.folder.name, "card": str(path), "conflicts": against, "missing": missing}
    lines = [visible(f"licence conflict: {line}") for line in against] + [visible(line) for line in missing]
    emit(args, data, [*lines, visible(str(path)), next_commands(f"curate report {of.folder.name}")])
    return 0


def _of_version(args: Namespace) -> int:
    from curation.library import Version
    from reports.dataset_card import dataset_card, licence_conflicts

    if args.base or args.dataset or args.data_licence:
        raise ConfigError("--base, --dataset and --data-licence are for a run's card; of a version give --licence")
    here, store = stored(args)
    version = Version(store, store.resolve(args.of))
    place = folder(args) / args.to if args.to else here.splits_path
    name = args.name or f"{here.root.resolve().name}-{version.name}"
    files = dataset_card(version, Path(place), licence=args.licence, name=name)
    _write(Path(place) / README, files, args.force)
    against = licence_conflicts(version, args.licence)
    data: dict[str, Any] = {
        "version": version.name,
        "card": str(Path(place) / README),
        "files": sorted(files),
        "conflicts": against,
    }
    told = [visible(f"licence conflict: {line}") for line in against]
    told += [f"{visible(str(place))}: {', '.join(sorted(files))}"]
    emit(args, data, [*told, next_commands(f"curate verify {version.name}")])
    return 0


def _write(path: Path, files: dict[str, str], force: bool) -> None:
    """All of the files, the card last; a README.md of somebody else's stays unless forced."""
    from curation.store.files import disk_errors, replace_file

    if path.is_file() and not force and _OURS not in path.read_text("utf-8", "replace"):
        raise ConfigError(f"{path}: curate did not write it; name another folder with --to, or replace it with --force")
    with disk_errors(path, "the card was not written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, text in sorted(files.items(), key=lambda pair: pair[0] == README):
            replace_file(path.parent / name, text.encode())
