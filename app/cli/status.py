"""`curate status`: what there is, what is stale, and the command that mends it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sized
from dataclasses import asdict

from app.cli.arguments import Parser
from app.cli.output import emit
from app.cli.place import workspace
from app.cli.render import LINES, visible


def add_parser(parser: Parser) -> None:
    parser.add_command(
        "status", "what there is in the workspace, what is stale, and what to do next", examples=["curate status"]
    )


def run(args: Namespace) -> int:
    from curation.runs import run_place
    from curation.store import open_store
    from eval.folder import all_finished
    from reports.tables.training import runs
    from reports.todo import damage, failing_gates, todo, unbuilt

    here = workspace(args)
    store = open_store(here.store_path) if here.has_store else None
    built = [version.name for version in store.versions() if not version.is_fold] if store else []
    place = run_place(here)
    table = runs(place)
    done, damaged = all_finished(place.experiments)
    said = [*damage(damaged), *(unbuilt(here, store) if store else [])]
    latest = store.latest() if store else None
    said += todo(built, table, done, place.journal, latest.name if latest else None)
    said += failing_gates(place, store, here.root) if done else []
    counts = " · ".join(_counted(*one) for one in ((built, "version"), (table, "run"), (done, "evaluation")))
    data = {"versions": len(built), "runs": len(table), "evaluations": len(done), "todo": [asdict(one) for one in said]}
    lines = [visible(f"{here.root}: {counts}"), *(visible(f"{one.what}: {one.command}") for one in said)]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"... {len(lines) - LINES + 1:,} more; curate status --json"]
    emit(args, data, lines if said else [*lines, "nothing is waiting"])
    return 0


def _counted(found: Sized, what: str) -> str:
    return f"{len(found):,} {what}{'s' * (len(found) != 1)}"
