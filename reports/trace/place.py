"""What a trace walks over: store, runs, evaluations, patches and tags of one workspace, each read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.compute as pc

from curation.lookup import Tables
from curation.patches import Entry, load_patches
from curation.runs import Run, RunPlace, readable_runs, run_place
from curation.store import Store, VersionInfo, open_store
from curation.store.journal import Journal, open_journal
from curation.store.tags import Tag, events_of
from curation.workspace import Workspace
from eval.folder import EvalFolder, evals


class Place:
    """A workspace, or a folder of runs without one."""

    def __init__(self, workspace: Workspace | None, near: Path) -> None:
        self.root = workspace.root if workspace else near
        self.workspace = workspace
        self.runs_at: RunPlace = run_place(workspace, near)
        self._tables: dict[str, Tables] = {}

    @cached_property
    def store(self) -> Store | None:
        return open_store(self.workspace.store_path) if self.workspace and self.workspace.has_store else None

    @cached_property
    def versions(self) -> list[VersionInfo]:
        """Newest first, the latest before all."""
        if self.store is None:
            return []
        latest = self.store.latest()
        rest = [one for one in reversed(self.store.versions()) if latest is None or one.id != latest.id]
        return [latest, *rest] if latest else rest

    def tables(self, version: VersionInfo) -> Tables:
        assert self.store is not None
        if version.id not in self._tables:
            self._tables[version.id] = Tables(self.store, version)
        return self._tables[version.id]

    @cached_property
    def runs(self) -> list[tuple[Path, Run]]:
        """Oldest first; those that are damaged are left to `curate runs`."""
        return readable_runs(self.runs_at.experiments)

    @cached_property
    def evaluations(self) -> list[EvalFolder]:
        return [one for folder, _ in self.runs for one in evals(folder)]

    @cached_property
    def journal(self) -> Journal | None:
        return open_journal(self.runs_at.journal) if self.runs_at.journal.is_file() else None

    def events(self, beginning: str = "", predictions: Sequence[str] = (), undoing: str = "") -> list[Tag]:
        """Tag events by the beginning of their id, by the predictions they judge, or by the event they take back."""
        if self.journal is None:
            return []
        return events_of(self.journal, beginning=beginning, predictions=predictions, undoing=undoing)

    @cached_property
    def patches(self) -> tuple[Entry, ...]:
        return load_patches(self.root)

    def outputs(self, column: str, values: Sequence[str]) -> list[tuple[EvalFolder, dict[str, Any]]]:
        """Stored outputs whose `column` is one of `values`, of every evaluation."""
        found = []
        names = ["prediction_id", "item_id", "row_id", "split", "output", "reference", "clean"]
        for one in self.evaluations:
            table = one.predictions(names)
            hit = table.filter(pc.is_in(table[column].combine_chunks(), value_set=_strings(values)))
            found += [(one, row) for row in hit.to_pylist()]
        return found

    def version_of(self, run: Run) -> VersionInfo | None:
        """The version that a run was trained on, where this store has it."""
        told = (run.version or {}).get("id")
        return next((one for one in self.versions if one.id == told), None)

    def row_at(self, row_id: str, version: VersionInfo | None = None) -> tuple[VersionInfo, dict[str, Any]] | None:
        """The line of the ledger that holds a row: of that version, or of the newest that has it."""
        wanted = _bytes(row_id)
        for one in [version] if version else self.versions:
            entries = ledger_lines(self.tables(one), wanted) if wanted is not None else []
            if entries:
                return one, entries[0]
        return None


def ledger_lines(tables: Tables, row_id: bytes) -> list[dict[str, Any]]:
    """The lines of the ledger with this row, the kept ones first."""
    ledger = tables.ledger
    lines: list[dict[str, Any]] = ledger.filter(pc.equal(ledger["row_id"], row_id)).to_pylist()
    return sorted(lines, key=lambda line: line["verdict"] != "kept")


def _bytes(row_id: str) -> bytes | None:
    try:
        return UUID(row_id).bytes
    except ValueError:  # of an item that came from a file of its own
        return None


def _strings(values: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(list(values), pa.string())
