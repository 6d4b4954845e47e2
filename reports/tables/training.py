"""Tables about trainings: their curves, and how they took each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from curation.runs import RunPlace, readable_runs, state_now
from curation.store.journal import open_journal

CURVES = ("train_loss", "validation_loss", "gradient_norm", "learning_rate", "tokens_per_second")


def runs(place: RunPlace) -> pd.DataFrame:
    """run, kind, state, base, version, started, train_loss, validation_loss, trained_tokens, seconds; oldest first.

    Without the damaged ones.
    """
    columns = ("train_loss", "validation_loss", "trained_tokens", "seconds")
    rows = []
    for folder, run in readable_runs(place.experiments):
        told = (run.name, run.kind, state_now(folder, run), run.base, (run.version or {}).get("name"), run.started)
        rows.append((*told, *(run.metrics.get(name) for name in columns)))
    return pd.DataFrame(rows, columns=["run", "kind", "state", "base", "version", "started", *columns])


def curves(journal: Path, names: Sequence[str], metrics: Sequence[str] = CURVES) -> pd.DataFrame:
    """run, metric, step, value of these runs; empty where no journal is there."""
    rows: list[tuple[str, str, int, float]] = []
    if journal.exists():
        with open_journal(journal) as opened:
            for run in names:
                found = opened.metrics(run)
                rows += [(run, m.name, m.step, m.value) for m in found if m.name in metrics]
    return pd.DataFrame(rows, columns=["run", "metric", "step", "value"])
