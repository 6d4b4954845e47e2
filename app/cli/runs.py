"""`curate runs`: every training and evaluation, live; `curate runs show RUN`: one of them."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import folder
from app.cli.render import clip, next_commands, page
from app.cli.runs_show import show_run
from curation.errors import ConfigError, CurateError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from curation.runs import Run, RunPlace
    from curation.store.journal import Journal

_ACTIONS: Final = ("show",)
_HEADERS: Final = ("run", "version", "base", "template", "state", "train loss", "validation", "tokens", "seconds")
_SHOWN: Final = ("train_loss", "validation_loss", "trained_tokens", "seconds")
_PROVENANCE: Final = {"imported": "imported", "unknown": "provenance unknown"}
_KIND: Final = {"base": "base model", "predictions": "recorded answers"}  # what else than a training is listed


def add_parser(parser: Parser) -> None:
    command = parser.add_command(
        "runs",
        "list trainings and evaluations, also those at work; show one with its loss curve",
        examples=["curate runs", "curate runs show latest", "curate runs show 003"],
    )
    command.add_argument("action", metavar="show", nargs="?", help="show one run")
    command.add_argument(
        "run", metavar="RUN", nargs="?", help="3, 003, experiment_003, a folder, or latest (the default)"
    )


def run(args: Namespace) -> int:
    here = place(args)
    if args.action is None:
        return _list(args, here)
    if args.action not in _ACTIONS:
        raise ConfigError(f'"{args.action}" is not something runs does{did_you_mean(args.action, _ACTIONS)}')
    return show_run(args, here)


def place(args: Namespace) -> RunPlace:
    """Where the runs of the workspace are, or without one those in the folder."""
    from curation.runs import run_place
    from curation.workspace import find_workspace

    start = folder(args)
    return run_place(find_workspace(start), start)


def _list(args: Namespace, here: RunPlace) -> int:
    from curation.runs import list_runs
    from curation.store.journal import open_journal

    journal = open_journal(here.journal) if here.journal.is_file() else None
    found = [_described(path, journal) for path in list_runs(here.experiments)[::-1]]
    rows = [_row(told) for told in found]
    emit(args, {"runs": found}, page(_HEADERS, rows, _after(found)))
    return 0


def _described(path: Path, journal: Journal | None) -> dict[str, Any]:
    from curation.runs import read_run, state_now

    try:
        run = read_run(path)
    except CurateError as error:  # one damaged file hides no other run
        return {"run": path.name, "state": "damaged", "detail": str(error), "metrics": {}}
    return {
        "run": path.name,
        "kind": run.kind,
        "baseline": run.settings.get("baseline"),
        "version": (run.version or {}).get("name"),
        "base_model": run.base,
        "template": (run.template or {}).get("name"),
        "state": state_now(path, run),
        "detail": run.detail,
        "provenance": run.provenance,
        "started": run.started,
        "ended": run.ended,
        "metrics": measured(run, journal),
    }


def measured(run: Run, journal: Journal | None) -> dict[str, float]:
    """What the run stored at its end; of one that did not come to it, what it measured last."""
    live = journal.latest_metrics(run.name) if journal and run.state != "done" else {}
    return {name: metric.value for name, metric in live.items()} | dict(run.metrics)


def _row(told: dict[str, Any]) -> list[Any]:
    base = clip(str(told.get("base_model", "-")).rstrip("/").split("/")[-1], 30)
    more = _PROVENANCE.get(told.get("provenance", ""), "") or _KIND.get(told.get("kind", ""), "")
    more = "baseline" if told.get("baseline") else more
    state = f"{told['state']}, {more}" if more else told["state"]
    numbers = [_number(name, told["metrics"].get(name)) for name in _SHOWN]
    return [told["run"], told.get("version"), base, told.get("template"), state, *numbers]


def _number(name: str, value: float | None) -> float | int | str | None:
    if value is None or not math.isfinite(value):
        return None if value is None else "not a number"
    return int(value) if name == "trained_tokens" else round(value, 1) if name == "seconds" else value


def _after(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["no run yet", next_commands("curate train --check", "curate train")]
    damaged = [f"damaged: {told['detail']}" for told in found if told["state"] == "damaged"][:1]
    stopped = [told["run"] for told in found if told["state"] == "interrupted"]
    again = [f"curate train --resume {name}" for name in stopped[:1]]
    told = [f"{', '.join(stopped[:3])} did not come to the end"] if stopped else []
    whole = [one for one in found if one["state"] != "damaged"]
    whole.sort(key=lambda one: one["kind"] != "training")  # of the others there is little to show
    return [*damaged, *told, next_commands(*again, *(f"curate runs show {one['run']}" for one in whole[:1]))]
