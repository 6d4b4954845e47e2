"""`curate runs show RUN`: settings off their default, the loss curve, and the rows that cost most."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from app.cli.curve import curve
from app.cli.output import emit
from app.cli.render import LINES, Screen, clip, next_commands, seconds, visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curation.row_losses import RowLoss
    from curation.runs import Run, RunPlace
    from curation.store.journal import Metric

_LOSSES: Final[tuple[str, ...]] = ("train_loss", "validation_loss")
_ROWS: Final = 4
_MANY: Final = 100
_CHECKPOINTS: Final = 6


def show_run(args: Namespace, here: RunPlace) -> int:
    from curation.row_losses import memorised, read_row_losses
    from curation.runs import read_run, resolve_run, state_now

    path = resolve_run(here.experiments, args.run or "latest")
    run = read_run(path)
    state = state_now(path, run)
    metrics, rows = _metrics(path, run, here), read_row_losses(path)
    known = memorised(rows)
    changed = _changed(run)
    data = {
        **run.as_json(),
        "folder": str(path),
        "state": state,
        "changed_settings": changed,
        "series": _series(metrics),
        "highest_loss": [asdict(row) for row in rows[:_MANY]],
        "memorised": [asdict(row) for row in known[:_MANY]],
        "memorised_count": len(known),
    }
    screen = Screen.here()
    head = [*_head(path, run, state, metrics), *_settings(changed, screen)]
    tail = [*_costly(rows, known), _next(path, run, state, rows)]
    losses = {name: points for name, points in _series(metrics).items() if name in _LOSSES}
    ordered = {name: losses[name] for name in _LOSSES if name in losses}
    room = LINES - len(head) - len(tail) - 2
    emit(args, data, [*head, *curve(ordered, room, screen), *tail])
    return 0


def _metrics(path: Path, run: Run, here: RunPlace) -> list[Metric]:
    """From the journal, which knows the runs beside it alone."""
    from curation.store.journal import open_journal

    if not here.journal.is_file() or path.resolve().parent != here.experiments.resolve():
        return []
    return open_journal(here.journal).metrics(run.name)


def _series(metrics: Sequence[Metric]) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for metric in metrics:
        series.setdefault(metric.name, []).append((metric.step, metric.value))
    return series


def _changed(run: Run) -> dict[str, Any]:
    from reports.results import changed_settings

    return changed_settings(run.config or {})


def _head(path: Path, run: Run, state: str, metrics: Sequence[Metric]) -> list[str]:
    version = f" · {run.version['name']}" if run.version else ""
    counts = "".join(f" {name} {count:,}" for name, count in (run.version or {}).get("rows", {}).items() if count)
    took = run.metrics.get("seconds")
    parts = [f"{path.name}  {state}{version}{counts}", *([seconds(took)] if took is not None else [])]
    if state in ("interrupted", "running") and metrics:
        parts.append(f"at step {max(metric.step for metric in metrics):,}")
    template = f" · template {visible(run.template['name'])} {run.template['sha256'][:8]}" if run.template else ""
    base = f"base {visible(run.base)}{template}{_made_by(run)}"
    return [" · ".join(parts), base, *(line for line in (visible(run.detail), step_chosen(run)) if line)]


def step_chosen(run: Run) -> str:
    """Which checkpoint is the result and what the others reached; nothing where it is simply the last."""
    by = str((run.config or {}).get("select", "last"))
    values = [(entry["step"], entry.get("metrics", {}).get(by)) for entry in run.checkpoints]
    if by == "last" or run.selected_step is None or not any(step == run.selected_step for step, _ in values):
        return ""
    reached = ", ".join(f"{step} {value:.4f}" for step, value in values[:_CHECKPOINTS] if value is not None)
    more = f" and {len(values) - _CHECKPOINTS} more" if len(values) > _CHECKPOINTS else ""
    return f"step {run.selected_step} is the result, by {visible(by)}: {reached}{more}"


def _made_by(run: Run) -> str:
    if run.provenance == "curate":
        return ""
    told = "imported" if run.provenance == "imported" else "provenance unknown"
    return f" · {told} ({visible(run.origin)})" if run.origin else f" · {told}"


def _settings(changed: dict[str, Any], screen: Screen) -> list[str]:
    told = " · ".join(f"{key} {value}" for key, value in changed.items())
    return [clip(visible(f"off their default: {told}"), screen.width or 150)] if changed else []


def _costly(rows: Sequence[RowLoss], known: Sequence[RowLoss]) -> list[str]:
    told = []
    if rows:
        worst = " · ".join(f"{row.row_id[:8]} {row.last:.2f}" for row in rows[:_ROWS])
        told.append(f"highest loss at the last visit, of {len(rows):,} rows: {worst}")
    if known:
        longest = " · ".join(f"{row.row_id[:8]} {row.last:.2f} ({row.tokens:,} tokens)" for row in known[:_ROWS])
        told.append(f"known by heart (loss up to .1): {len(known):,} rows, the longest {longest}")
    return told


def _next(path: Path, run: Run, state: str, rows: Sequence[RowLoss]) -> str:
    commands = [f"curate train --resume {path.name}"] if state == "interrupted" else []
    version = run.version["name"] if run.version else "latest"
    commands += [f"curate why {rows[0].row_id[:8]} --version {version}"] if rows else []
    if run.kind == "predictions":  # there is no model to ask
        commands += [f"curate autotag {path.name}", f"curate tag {path.name} --as NAME"]
    elif state == "done":
        commands.append(f"curate generate {path.name} --prompt '...'")
    return next_commands(*(commands or ["curate runs"]))
