"""`curate train`: QLoRA on a version or a pack, checked before it starts; every training is a folder with run.json."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.arguments import Parser, whole_number
from app.cli.extras import TRAINING, require
from app.cli.output import emit
from app.cli.place import folder
from app.cli.progress import progress
from app.cli.render import next_commands, seconds, visible
from app.cli.runs_show import step_chosen
from app.cli.train_check import check, chosen_config
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.runs import Run, RunPlace
    from curation.source import Source
    from curation.workspace import Workspace
    from train.config import TrainingConfig
    from train.run import Choose, TrainingResult

_NEW_RUN = "latest"  # what --resume without a run goes on with


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "train",
        "train an adapter on a version or a pack, after checking what would spoil it",
        examples=[
            "curate train --set base_model=models/qwen2.5-0.5b --check",
            "curate train configs/training.yaml --version v3 --seeds 3",
            "curate train v3.pack --set base_model=models/qwen2.5-0.5b",
            "curate train --resume",
        ],
    )
    command.add_argument(
        "config", metavar="CONFIG", nargs="?", help="a YAML file (default: configs/training.yaml), or a pack"
    )
    command.add_argument("--version", metavar="REF", help="a version or a pack, instead of the config's version")
    command.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a key of the config; repeatable"
    )
    command.add_argument("--seeds", metavar="N", type=whole_number, default=1, help="train N times, with N seeds")
    command.add_argument(
        "--resume", metavar="RUN", nargs="?", const=_NEW_RUN, help="go on with a stopped run (default: the latest)"
    )
    command.add_argument("--check", action="store_true", help="only say what the training would do and what is wrong")


def run(args: Namespace) -> int:
    require(TRAINING, "train")
    from curation.runs import run_place
    from curation.workspace import find_workspace

    here = find_workspace(folder(args))
    near = here.root if here else folder(args)
    place = run_place(here, near)
    if args.resume:
        return _report(args, [_resumed(args, here, place, near)])
    config, near = _config(args)
    if args.check:
        return _check(args, config, here, near)
    return _report(args, _trained(args, config, here, place, near))


def _config(args: Namespace) -> tuple[TrainingConfig, Path]:
    pack = args.config if args.config and args.config.endswith(".pack") else None
    if pack:
        args.config = None
    config, near = chosen_config(args)
    chosen = str(folder(args).resolve() / pack) if pack else args.version
    return (replace(config, version=chosen) if chosen else config), near


def _check(args: Namespace, config: TrainingConfig, here: Workspace | None, near: Path) -> int:
    from curation.source import open_source
    from train.preflight import prepare
    from train.watch import TrainLog

    source = open_source(config.version, here, near)
    _choose(config, source, here, near)  # says what is wrong with it
    with TrainLog():
        return check(args, config, prepare(config, source, near), source.name)


def _trained(
    args: Namespace, config: TrainingConfig, here: Workspace | None, place: RunPlace, near: Path
) -> list[TrainingResult]:
    from curation.source import open_source

    source = open_source(config.version, here, near)
    choose = _choose(config, source, here, near)
    seeds = range(config.seed, config.seed + args.seeds)
    return [_one(replace(config, seed=seed), source, place, near, None, choose) for seed in seeds]


def _resumed(args: Namespace, here: Workspace | None, place: RunPlace, near: Path) -> TrainingResult:
    from curation.runs import read_run, resolve_run
    from curation.source import open_source
    from train.config import training_config

    if args.config or args.version or args.set or args.seeds > 1 or args.check:
        raise ConfigError("--resume goes on with the run's own config and version; leave out all else")
    run_folder = resolve_run(place.experiments, args.resume)
    earlier = read_run(run_folder)
    if earlier.state == "done" or earlier.config is None:
        raise ConfigError(f"{earlier.name}: is {earlier.state}; only a training that stopped can go on")
    config = training_config(dict(earlier.config))
    ref = config.version if earlier.version and earlier.version.get("source") == "pack" else _version_id(earlier)
    source = open_source(ref, here, near)
    return _one(config, source, place, near, run_folder, _choose(config, source, here, near))


def _version_id(run: Run) -> str:
    if run.version is None:
        raise ConfigError(f"{run.name}: does not say which version it is of; train anew")
    return str(run.version["id"])


def _choose(config: TrainingConfig, source: Source, here: Workspace | None, near: Path) -> Choose | None:
    """Chooses among checkpoints by the metric that the config's `select` names; checked before anything is trained."""
    if not config.by_metric:
        return None
    from eval.measuring import Trust
    from eval.selection import open_selection
    from eval.suite import load_suite

    trust = Trust(here.root if here else None)
    return open_selection(config.select, load_suite(None, near), source, near, trust)


def _one(
    config: TrainingConfig, source: Source, place: RunPlace, near: Path, resume: Path | None, choose: Choose | None
) -> TrainingResult:
    from curation.progress import Silent
    from reports.results import write_results
    from train.run import train

    told = progress() if _is_main() else None
    try:
        result = train(config, source, place, near=near, progress=told or Silent(), resume=resume, choose=choose)
    except BaseException:
        if told:
            told.stop()
        raise
    if _is_main():
        write_results(result.folder)
    return result


def _report(args: Namespace, results: list[TrainingResult]) -> int:
    if not _is_main():
        return 0
    lines = [_line(result) for result in results]
    name = results[-1].folder.name
    lines.append(next_commands(f"curate eval {name}", f'curate generate {name} --prompt "..."'))
    runs = [{"folder": str(result.folder), **result.run.as_json()} for result in results]
    emit(args, {"runs": runs}, lines)
    return 0


def _line(result: TrainingResult) -> str:
    told = result.run.metrics
    losses = f"loss {told['train_loss']:.4f} on train"
    if "validation_loss" in told:
        losses += f", {told['validation_loss']:.4f} on validation"
    spent = seconds(told["seconds"])
    chosen = f"; {step_chosen(result.run)}" if step_chosen(result.run) else ""
    return f"{visible(str(result.folder))}: {int(told['trained_tokens']):,} trained tokens, {losses}, {spent}{chosen}"


def _is_main() -> bool:
    """Of several processes (accelerate launch, torchrun) one speaks."""
    return os.environ.get("RANK", "0") == "0"
