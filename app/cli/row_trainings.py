"""How trainings took one row: its loss at each visit, for `curate why`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from curation.why import Story
    from curation.workspace import Workspace

_RUNS: Final = 2  # the newest
_VISITS: Final = 4


def trainings(story: Story, version_id: str, here: Workspace) -> list[dict[str, Any]]:
    """The newest runs on this version that kept a history of the row, the newest first."""
    from curation.runs import list_runs, run_place

    found: list[dict[str, Any]] = []
    if story.row is None or story.verdict != "kept":
        return found
    for folder in list_runs(run_place(here).experiments)[::-1]:
        if len(found) < _RUNS and (told := _history(folder, version_id, story.row.row_id)):
            found.append(told)
    return found


def trained_line(told: dict[str, Any]) -> str:
    """One run's history of the row, in one line."""
    losses = [f"{loss:.2f}" for loss in told["losses"]]
    if len(losses) > _VISITS:
        losses = [*losses[: _VISITS - 2], "...", *losses[-2:]]
    heart = ", known by heart" if told["memorised"] else ""
    place = f"number {told['rank']:,} of {told['rows']:,} from the highest"
    return f"trained on in {told['run']}: loss {' -> '.join(losses)} over {told['tokens']:,} tokens{heart}, {place}"


def _history(folder: Path, version_id: str, row_id: str) -> dict[str, Any] | None:
    from curation.errors import CurateError
    from curation.row_losses import MEMORISED, row_loss
    from curation.runs import read_run

    try:
        run = read_run(folder)
        on_it = run.version is not None and run.version["id"] == version_id
        history = row_loss(folder, row_id) if on_it else None
    except CurateError:  # damaged: the row's story goes on without; `curate runs` says so
        return None
    return {"run": folder.name, "memorised": history.last <= MEMORISED, **asdict(history)} if history else None
