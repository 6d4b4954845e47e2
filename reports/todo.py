"""What is stale in a workspace, each with the command that mends it; for `curate status` and the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curation.errors import CurateError, StoreError
from curation.runs import RunPlace, read_run
from curation.store import Store
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.unbuilt import unbuilt as waiting
from curation.workspace import Workspace
from eval.folder import EvalFolder


@dataclass(frozen=True, slots=True)
class Todo:
    what: str
    command: str


def todo(
    versions: Sequence[str], runs: pd.DataFrame, done: Sequence[EvalFolder], journal: Path, latest: str | None = None
) -> list[Todo]:
    """`versions` by name, oldest first; `runs` as reports.tables.training.runs gives them; finished evaluations.

    latest: the version that the last build gave, if that is not the newest one.
    """
    if not versions and not done:
        return [Todo("nothing was built yet", "curate build")]
    trained = runs[(runs["kind"] == "training") & (runs["state"] == "done")]
    said = _untrained(versions, latest or versions[-1], trained) if versions else []
    stopped = runs[runs["state"].isin(["interrupted", "failed"]) & (runs["kind"] == "training")]
    said += [
        Todo(
            f"{name} was {'stopped' if state == 'interrupted' else 'not finished: it failed'}",
            f"curate train --resume {name}",
        )
        for name, state in stopped[["run", "state"]].itertuples(index=False)
    ]
    evaluated = {one.of.name for one in done}
    missing = [name for name in trained["run"] if name not in evaluated]
    said += [Todo(f"{name} was not evaluated", f"curate eval {name}") for name in missing[-3:]]
    return [*said, *_unseen(done, journal)]


def unbuilt(here: Workspace, store: Store) -> list[Todo]:
    """What the last build has not read: patches, settings, files."""
    try:
        return [Todo(what, "curate build") for what in waiting(here, store)]
    except CurateError as error:
        return [Todo(f"the next build would stop: {error}", "curate doctor")]


def _untrained(versions: Sequence[str], latest: str, trained: pd.DataFrame) -> list[Todo]:
    if trained.empty:
        return [Todo(f"{latest} has no run", "curate train --check")]
    last = trained.iloc[-1]["version"]
    if last not in versions or last == latest:
        return []
    if versions.index(last) > versions.index(latest):
        return [Todo(f"the last build came back to {latest}, and the last run is of {last}", "curate train")]
    return [Todo(f"{latest} is newer than the last run, which is of {last}", "curate train")]


def damage(damaged: Iterable[str]) -> list[Todo]:
    """Of runs and evaluations that nothing else here counts, for they cannot be read."""
    return [Todo(f"{name} is damaged and left out", "curate doctor") for name in damaged]


def failing_gates(place: RunPlace, store: Store | None, root: Path) -> list[Todo]:
    """Gates that the last run does not pass against its base, from stored answers; none where they cannot be compared.

    Apart from `todo`, since it takes a part of a comparison.
    """
    from eval.compare.comparison import Settings, gates  # half a second, and `todo` does without
    from eval.compare.sides import chosen
    from eval.review.scores import scores_of

    try:
        sides = chosen(place.experiments, [])
        found = gates(place.experiments, sides, store, Settings(people=scores_of(place, root)))
    except StoreError as error:
        return [Todo(f"the gates of the last run cannot be told: {error}", "curate doctor")]
    except CurateError:  # no base, not evaluated, or otherwise: `todo` has said what is missing
        return []
    return [
        Todo(
            f"gate {check.name} ({check.rule}) of {sides[1].label}: {check.result}, {check.told}",
            "curate compare --full",
        )
        for check in found
        if not check.passed
    ]


def _unseen(done: Sequence[EvalFolder], journal: Path) -> list[Todo]:
    """Wrong outputs of the newest evaluation that no person has judged; all, where nothing says which are wrong."""
    if not (asked := [one for one in done if read_run(one.of).kind != "base"]):
        return []
    last = asked[-1]
    judged: set[str] = set()
    if journal.exists():
        with open_journal(journal) as opened:
            judged = {tag.prediction_id for tag in tags(opened, kinds=("person",))}
    values = last.item_metrics(["item_id", "metric", "value"]).to_pylist()
    known = [row for row in values if row["metric"] == "exact_match" and row["value"] is not None]
    wrong = {row["item_id"] for row in known if row["value"] == 0}
    rows = last.predictions(["prediction_id", "item_id", "split"]).to_pylist()
    left = [r["item_id"] for r in rows if r["prediction_id"] not in judged and r["split"] != "test"]
    if not known:  # its suite measures no exact match
        return [Todo(f"{len(left):,} outputs of {last.name} were seen by nobody", "curate tag")] if left else []
    count = sum(item in wrong for item in left)
    return [Todo(f"{count:,} wrong outputs of {last.name} were seen by nobody", "curate tag")] if count else []
