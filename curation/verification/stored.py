"""The tables of one version as plain Python columns."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from curation.store import Store, VersionInfo

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    store: Store
    version: VersionInfo
    _read: dict[str, Columns] = field(default_factory=dict)

    def columns(self, name: str) -> Columns:
        """A table, read once; not for `rows`, which may be large."""
        if name not in self._read:
            table = self.store.table(self.version, name)
            self._read[name] = {column: table[column].to_pylist() for column in table.column_names}
        return self._read[name]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The `rows` table, a record at a time."""
        for batch in self.store.reader(self.version, "rows"):
            yield from batch.to_pylist()

    def setting(self, section: str, key: str, default: Any) -> Any:
        """A setting of the version's recipe."""
        values = self.version.recipe.get(section)
        value = values.get(key) if isinstance(values, Mapping) else None
        return default if value is None else value

    def places(self) -> dict[bytes, str]:
        """Where each member came from, as source:line."""
        ledger = self.columns("ledger")
        lines = zip(ledger["row_id"], ledger["verdict"], ledger["source"], ledger["line"], strict=True)
        return {row_id: f"{source}:{line}" for row_id, verdict, source, line in lines if verdict == "kept"}


def named(row_id: bytes | None) -> str:
    return str(uuid.UUID(bytes=row_id)) if row_id and len(row_id) == 16 else "no row id"
