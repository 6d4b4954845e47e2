"""`curate loop`: the whole loop on the sample data: build, train, evaluate, tag, patch, and all of it again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser, whole_number
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import visible
from app.cli.steps import Steps
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.workspace import Workspace

# Faults of form, which wrong facts in the data do not cause: the control for the tag that is to shrink.
_FORM: Final = ("cut off", "empty", "format violation", "refusal", "repetition loop", "template leakage")
_SURE: Final = 0.05  # adjusted p under which a source stands out


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "loop",
        "the whole loop on the sample data: what better data did, on one page",
        examples=["curate loop", "curate loop DIR --steps 50"],
        description="Builds v1, trains two seeds, evaluates, tags by rules, drops the source that the tags point to, "
        "builds v2, trains two seeds, evaluates, compares, reports. Each step is a command of its own, and shown.",
    )
    command.add_argument(
        "folder", metavar="DIR", nargs="?", default="loop", help="the workspace to make (default: loop)"
    )
    command.add_argument(
        "--steps", metavar="N", type=whole_number, help="training steps, for a quick look (default: 500)"
    )
    command.add_argument("--seeds", metavar="N", type=whole_number, default=2, help="trainings a version (default: 2)")


def run(args: Namespace) -> int:
    from curation.workspace import open_workspace

    began = monotonic()
    root = (folder(args) / args.folder).resolve()
    if root.exists():
        raise ConfigError(f"{root}: is there already; name another folder, or remove it")
    steps = Steps(root, "loop")
    steps.call("demo", str(root), inside=False)
    if args.steps:
        _shorten(root / "configs" / "training.yaml", args.steps)
    here = open_workspace(root)
    before = _train_and_ask(steps, here, args.seeds)
    tagged = steps.told("autotag", before[0])
    found = _culprit(tagged)
    data: dict[str, Any] = {"workspace": str(root), "before": before, "blamed": found}
    lines = [f"loop: {visible(str(root))}"]
    if found is None:
        lines.append("no source stands out among the neighbours of what the rules tagged: nothing was changed")
    else:
        tag, source, why = found["tag"], found["source"], found["why"]
        steps.note(f"{tag}: its neighbours come from {source} ({why})")
        where = "source = '" + source.replace("'", "''") + "'"
        steps.call("patch", "add", "--drop", "--where", where, "--reason", why, "--as", "loop", "--yes")
        steps.call("build")
        steps.call("diff", "v1", "v2")
        after = _train_and_ask(steps, here, args.seeds)
        steps.told("autotag", after[0])
        sides = [",".join(before), ",".join(after)]
        steps.call("compare", *sides, "--suite", "exam")
        compared = steps.told("compare", *sides, "--suite", "exam")
        steps.call("report", *sides, "--suite", "exam")
        data |= {"after": after, "tags": _changes(here, before[0], after[0], tag), "compare": compared}
        lines += _lines(data)
    data["seconds"] = round(monotonic() - began, 1)
    lines += [
        "this measures recall of trained facts in new wordings by a model of 2 million parameters, and nothing else",
        f"{data['seconds']:,.0f} s · next: cd {visible(str(args.folder))} · curate app · curate compare --full",
    ]
    emit(args, data, lines)
    return 0


def _shorten(config: Path, steps: int) -> None:
    """So many steps, looked at once, at their end."""
    keys = ("max_steps:", "eval_steps:")
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [f"{line.split(':')[0]}: {steps}\n" if line.startswith(keys) else line for line in lines]
    config.write_text("".join(changed), encoding="utf-8")


def _train_and_ask(steps: Steps, here: Workspace, seeds: int) -> list[str]:
    """Train so many seeds on the latest version and put them through both suites; the names of the runs."""
    from curation.runs import list_runs, read_run, run_place

    experiments = run_place(here).experiments
    known = {path.name for path in list_runs(experiments)}
    steps.call("train", "--seeds", str(seeds))
    runs = [p.name for p in list_runs(experiments) if p.name not in known and read_run(p).kind == "training"]
    for run in runs:
        steps.call("eval", run, "--suite", "exam", "--final")
        steps.call("eval", run, "--suite", "look")
    return runs


def _culprit(told: dict[str, Any]) -> dict[str, str] | None:
    """The most frequent tag whose neighbours point at one source, and that source; None where no source stands out."""
    rows = [
        (-tag["found"], source["p_adjusted"], name, source)
        for name, tag in told["tags"].items()
        for source in tag["sources"][:1]
        if source["p_adjusted"] <= _SURE
    ]
    if not rows:
        return None
    _, _, name, source = min(rows, key=lambda row: row[:3])
    why = (
        f"{source['near']} of {source['n']} '{name}' near it, {source['rest_near']} of {source['rest_n']} of the others"
    )
    return {"tag": name, "source": source["source"], "why": why}


def _changes(here: Workspace, before: str, after: str, tag: str) -> list[dict[str, Any]]:
    """The targeted tag and every other rule's, on the validation items of one run a side."""
    from dataclasses import asdict

    from curation.runs import run_place
    from curation.store.journal import open_journal
    from curation.store.tags import tags
    from eval.folder import latest_eval
    from eval.review.rates import change, deserved, judged
    from eval.tags import RULES

    place = run_place(here)
    sides: list[dict[str, set[str]]] = []
    with open_journal(place.journal) as journal:
        for run in (before, after):
            folder = latest_eval(place.experiments / run)
            assert folder is not None, f"{run} was evaluated"
            table = folder.predictions(["prediction_id", "item_id"])
            found = deserved(judged(tags(journal, run, kinds=("rule",))))
            pairs = zip(table["prediction_id"].to_pylist(), table["item_id"].to_pylist(), strict=True)
            sides.append({item: found.get(prediction, set()) for prediction, item in pairs})
    names = [tag, *sorted({rule.tag for rule in RULES if rule.on} - {tag})]
    return [asdict(change(name, *sides)) for name in names]


def _lines(data: dict[str, Any]) -> list[str]:
    target, *others = data["tags"]
    lines = [f"dropped: {visible(data['blamed']['source'])}, because {visible(data['blamed']['why'])}", _moved(target)]
    control = max((row for row in others if row["tag"] in _FORM), key=lambda row: int(row["before"]), default=None)
    return [*lines, f"control: {_moved(control)}"] if control else lines


def _moved(row: dict[str, Any]) -> str:
    return f"{row['tag']}: {row['before']} -> {row['after']} of {row['n']} validation outputs (p {row['p']:.2g})"
