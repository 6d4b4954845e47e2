"""`curate loop`: the whole loop on the sample data: build, train, evaluate, tag, patch, and all of it again."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

from app.cli.arguments import Parser, whole_number
from app.cli.demo import copy_sample
from app.cli.extras import TRAINING, require
from app.cli.loop_findings import Seed, culprit, halves, lines_of, review_counts, shifts, verdict
from app.cli.loop_steps import Steps
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import visible
from curation.errors import ConfigError

REVIEWS: Final = "data/reviews.jsonl"  # of the workspace: what a person said of answers of earlier runs on v1
REVIEWER: Final = "reviewed earlier"  # as whom it is stored
# Longer and faster than the sample's own training, after which two seeds of a version may lie nine points apart on the
# exam: too far for two seeds a side to tell a change of the data from chance.
STEPS: Final = 640
LEARNING_RATE: Final = "3e-3"


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "loop",
        "the whole loop on the sample data: what better data did, on one page",
        examples=["curate loop", "curate loop DIR --steps 50", "curate loop clean --no-defects --seed 8"],
        description="Builds v1, trains two seeds side by side, evaluates, tags by rules and from a file of reviews, "
        "drops the source that the tags point to, builds v2, trains two seeds, evaluates, compares, reports. Every "
        "step is a command of its own, and shown. Where no source stands out it compares the seeds with each other.",
    )
    command.add_argument(
        "folder", metavar="DIR", nargs="?", default="loop", help="the workspace to make (default: loop)"
    )
    command.add_argument(
        "--steps", metavar="N", type=whole_number, help=f"training steps, for a quick look (default: {STEPS})"
    )
    command.add_argument("--seeds", metavar="N", type=whole_number, default=2, help="trainings a version (default: 2)")
    command.add_argument(
        "--seed", metavar="N", type=whole_number, help="other sample data, and trainings from seed N on"
    )
    command.add_argument("--no-defects", action="store_true", help="sample data in which nothing is wrong")


def run(args: Namespace) -> int:
    require((*TRAINING, "altair", "vl_convert"), "app")
    root = (folder(args) / args.folder).resolve()
    if root.exists():
        raise ConfigError(f"{root}: is there already; name another folder, or remove it")
    steps = Steps(root)
    try:
        with _terminable():
            data, lines = _loop(args, steps)
    except KeyboardInterrupt:
        steps.stop()
        raise KeyboardInterrupt(f"interrupted; {visible(str(root))} is not complete, remove it") from None
    except BaseException:
        steps.stop()
        raise
    emit(args, data, lines)
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, SIGTERM ends the loop as Ctrl-C does, so that no command of it is left at work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _loop(args: Namespace, steps: Steps) -> tuple[dict[str, Any], list[str]]:
    """What it found, for machines and for people."""
    began = monotonic()
    root = steps.root
    seeds = _lay(root, args)
    steps.call("demo", str(root), inside=False)
    first = _train_and_ask(steps, seeds)
    before = [seed.run for seed in first]
    found = culprit([seed.tagged for seed in first])
    data: dict[str, Any] = {"workspace": str(root), "seeds": seeds, "before": before, "blamed": found}
    data["reviews"] = review_counts(first)
    if found is None:
        sides = halves(before)
    else:
        steps.note(f"{found['source']} teaches {found['why']}")
        _drop(steps, found)
        data["after"] = [seed.run for seed in _train_and_ask(steps, seeds, again=True)]
        sides = [",".join(before), ",".join(data["after"])]
    if sides:
        data |= _compared(steps, sides)
    data["verdict"] = verdict(data)
    data["seconds"], data["steps"] = round(monotonic() - began, 1), steps.times
    done = f"{data['seconds']:,.0f} s · next: cd {visible(str(args.folder))} · curate app · curate compare --full"
    return data, [f"loop: {visible(str(root))}", *lines_of(data), done]


def _lay(root: Path, args: Namespace) -> list[int]:
    """The sample's workspace, with data drawn anew where other data were asked for; the seeds to train with."""
    from train.config import load_training_config

    copy_sample(root)
    config = root / "configs" / "training.yaml"
    if args.seed is not None or args.no_defects:
        from data.generate import SEED, generate

        generate(root / "data", SEED if args.seed is None else args.seed, not args.no_defects)
    count = args.steps or STEPS
    _change(config, {"max_steps": str(count), "eval_steps": str(count), "learning_rate": LEARNING_RATE})
    first = load_training_config(config).seed if args.seed is None else args.seed
    return [first + number for number in range(args.seeds)]


def _change(config: Path, values: Mapping[str, str]) -> None:
    """Other values for keys that the file has, each without the comment that spoke of the old one."""
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    keys = [line.partition(":")[0] for line in lines]
    changed = [f"{key}: {values[key]}\n" if key in values else line for key, line in zip(keys, lines, strict=True)]
    config.write_text("".join(changed), encoding="utf-8")


def _train_and_ask(steps: Steps, seeds: list[int], *, again: bool = False) -> list[Seed]:
    """Train each seed on the latest version and put it through both suites, as many at once as there are cores."""
    work = {
        f"seed {seed}": partial(_one_seed, seed=seed, first=number == 0, last=number == len(seeds) - 1, again=again)
        for number, seed in enumerate(seeds)
    }
    return steps.together(work)


def _one_seed(steps: Steps, *, seed: int, first: bool, last: bool, again: bool) -> Seed:
    """What needs no training is asked once for all seeds: the base with the first, the baselines with the last."""
    (trained,) = steps.told("train", "--set", f"seed={seed}")["runs"]
    run = Path(trained["folder"]).name
    reviews, tagged = {}, {}
    if not again:  # the patch is made from validation alone
        steps.call("eval", run, "--suite", "look", "--no-base")
        reviews = steps.told("tag", run, "--import", REVIEWS, "--as", REVIEWER)
        tagged = steps.told("autotag", run)
    beside = ([] if first else ["--no-base"]) + (["--baselines"] if last and again else [])
    steps.call("eval", run, "--suite", "exam", "--final", *beside)
    steps.told("autotag", run, "--final")  # the exam's answers: whether the tag shrinks is seen on these
    return Seed(run, reviews, tagged)


def _drop(steps: Steps, found: dict[str, Any]) -> None:
    """The patch that drops the blamed source, with the tags behind it, and the next version."""
    where = "source = '" + found["source"].replace("'", "''") + "'"
    because = ("--reason", found["why"], "--tags", ",".join(found["events"]))
    steps.call("patch", "add", "--drop", "--where", where, *because, "--as", "loop", "--yes")
    steps.call("build")
    steps.call("diff", "v1", "v2")


def _compared(steps: Steps, sides: list[str]) -> dict[str, Any]:
    asked = (*sides, "--suite", "exam")

    def shown(one: Steps) -> dict[str, Any]:
        one.call("compare", *asked)
        return {}

    def reported(one: Steps) -> dict[str, Any]:
        return one.told("report", *asked)

    compared = steps.told("compare", *asked)  # alone: it asks what no command before it did, the unquantised base
    _, report = steps.together({"compare": shown, "report": reported})
    return {"compare": compared, "report": report, "tags": shifts(steps.root, sides)}
