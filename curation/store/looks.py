"""Looks at test in the journal: each time a test split was evaluated on, for the versions that share it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from curation.store.journal import Journal


class Look(NamedTuple):
    lineage: str  # id of the first version that had this test split
    version: str  # whose test was looked at
    run: str  # experiment_003/eval-1
    items: int
    time: str  # UTC, ISO 8601


def add_look(journal: Journal, lineage: str, version: str, run: str, items: int) -> None:
    """Append one look; when this returns it is on disk."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with journal.writing() as con:
        con.execute(
            "insert into looks (lineage, version, run, items, time) values (?, ?, ?, ?, ?)",
            (lineage, version, run, items, now),
        )


def looks(journal: Journal, lineage: str) -> list[Look]:
    """All looks at a lineage's test, oldest first."""
    found = journal.read(
        "select lineage, version, run, items, time from looks where lineage = ? order by number", (lineage,)
    )
    return [Look(*row) for row in found]
