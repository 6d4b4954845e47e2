"""`curate folds`: trains and evaluates every fold of a version, and compares the pooled answers; for small sets."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser, whole_number
from app.cli.extras import TRAINING, require
from app.cli.output import emit
from app.cli.place import evaluation_place, folder, stored
from app.cli.render import visible
from app.cli.steps import Steps
from app.cli.train_check import chosen_config
from curation.errors import ConfigError, RegressionError, StoreBusyError

if TYPE_CHECKING:
    from pathlib import Path

    from curation.store import VersionInfo
    from eval.compare.sides import Part
    from eval.suite import Suite
    from train.config import TrainingConfig

_FOLDS: Final = 5


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "folds",
        "train and evaluate every fold of a small set, and compare the pooled answers",
        examples=[
            "curate folds",
            "curate folds configs/training.yaml --version v2 --folds 4 --seeds 2 --suite support",
        ],
        description="Makes the folds, then trains and evaluates each in a process of its own, and compares base and "
        "folds: each item's answer is from the fold that did not train on it. What was trained and evaluated before, "
        "by the same config and suite, is not done again; a training that stopped goes on.",
    )
    command.add_argument("config", metavar="CONFIG", nargs="?", help="a YAML file (default: configs/training.yaml)")
    command.add_argument("--version", dest="ref", metavar="REF", help="folds of this version (default: latest)")
    command.add_argument("--folds", metavar="K", type=_several, default=_FOLDS, help=f"how many (default: {_FOLDS})")
    command.add_argument("--seeds", metavar="N", type=whole_number, default=1, help="train each N times, with N seeds")
    command.add_argument("--suite", metavar="S", help="suites/S.yaml of the workspace, or a file")
    command.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a key of the config; repeatable"
    )
    command.add_argument("--gate", action="store_true", help="exit with code 5 unless no loss is shown (docs)")


def _several(text: str) -> int:
    return whole_number(text, 2)


def run(args: Namespace) -> int:
    require(TRAINING, "eval")
    from curation.folds import make_folds
    from eval.measuring import Trust, check_metrics
    from eval.suite import load_suite

    here, store = stored(args)
    where = evaluation_place(args)
    suite = load_suite(args.suite, where.near)
    _refuse_other_exams(suite)
    check_metrics(suite, Trust(here.root))
    config, _ = chosen_config(args)
    version = store.resolve(args.ref or "latest")
    folds = make_folds(store, version, args.folds)
    job = _Job(args, Steps(here.root, "folds"), where.place.experiments, suite)
    seeds = [replace(config, seed=config.seed + number) for number in range(args.seeds)]
    done = [job.fold(fold, replace(one, version=fold.name)) for one in seeds for fold in folds]
    notes = _other_runs(where.place.experiments, version.name, {one["run"] for one in done})
    words = ["compare", "base", version.name, "--pooled", "--suite", suite.name, *["--gate"] * args.gate]
    allowed = (0, RegressionError.exit_code)
    data: dict[str, Any] = {"version": version.name, "folds": done, "notes": notes}
    lines: list[str] = []
    if args.json:
        data["compare"] = job.steps.told(*words, allowed=allowed)
    else:
        lines = job.steps.lines(*words, allowed=allowed)
    emit(args, data, [visible(_summary(version.name, args, done)), *notes, *lines])
    return job.steps.code


def _other_runs(experiments: Path, version: str, runs: set[str]) -> list[str]:
    """A comparison takes the folds that were trained last, which may be others."""
    from eval.compare.sides import chosen

    side = chosen(experiments, ["base", version], pooled=True)[1]
    taken = {part.name for model in side.models for part in model.parts}
    if runs <= taken:
        return []
    return [f"note: compared are the folds trained last, {', '.join(sorted(taken))}, not those of this config"]


def _refuse_other_exams(suite: Suite) -> None:
    if suite.split != "validation":
        asked = suite.split or suite.file
        raise ConfigError(
            f"suite {suite.name}: asks {asked}; of folds each has its own exam, validation: name a suite that asks that"
        )


@dataclass(frozen=True, slots=True)
class _Job:
    args: Namespace
    steps: Steps
    experiments: Path
    suite: Suite

    def fold(self, fold: VersionInfo, config: TrainingConfig) -> dict[str, Any]:
        """Train and evaluate one fold with one seed, as far as that was not done; what was done, for machines."""
        from eval.compare.folds import evaluated, trained

        part, known = trained(self.experiments, fold.id, config), True
        if part is None or part.run.state != "done":
            known = False
            self._train(fold, config, part)
            part = trained(self.experiments, fold.id, config)
            assert part is not None, f"{fold.name} was trained and is not found"
        if not evaluated(self.experiments, part, self.suite, fold.id):
            known = False
            self.steps.call("eval", part.name, *self._suite())
        return {"fold": fold.name, "seed": config.seed, "run": part.name, "known": known}

    def _train(self, fold: VersionInfo, config: TrainingConfig, part: Part | None) -> None:
        from curation.runs import state_now

        if part is None:
            changes = [word for change in (*self.args.set, f"seed={config.seed}") for word in ("--set", change)]
            path = [str((folder(self.args) / self.args.config).resolve())] if self.args.config else []
            self.steps.call("train", *path, "--version", fold.name, *changes)
        elif state_now(part.folder, part.run) == "running":
            raise StoreBusyError(f"{part.name}: is at work on {fold.name}; wait for its end, see curate runs")
        else:
            self.steps.call("train", "--resume", part.name)

    def _suite(self) -> list[str]:
        return ["--suite", self.args.suite] if self.args.suite else []


def _summary(version: str, args: Namespace, done: list[dict[str, Any]]) -> str:
    known = sum(one["known"] for one in done)
    seeds = f" with {args.seeds} seeds" if args.seeds > 1 else ""
    before = f" ({known} of {len(done)} trainings were there before)" if known else ""
    return f"{version}: {args.folds} folds trained and evaluated{seeds}{before}"
