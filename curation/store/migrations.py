"""The catalogue's schema as numbered steps; each is applied once, in a transaction, and never edited later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from curation.errors import StoreError


def _versions_and_segments(con: DuckDBPyConnection) -> None:
    """No keys: the one writer looks before it inserts, and their indexes would triple the file."""
    con.execute(
        "create table versions (number integer not null, name varchar not null, id varchar not null,"
        " parent varchar, message varchar not null, created varchar not null, recipe varchar not null,"
        " stats varchar not null, code varchar not null)"
    )
    con.execute(
        "create table version_segments (version integer not null, name varchar not null, file varchar not null,"
        " rows bigint not null, bytes bigint not null, sha256 varchar not null)"
    )


def _dropped_versions(con: DuckDBPyConnection) -> None:
    """Names are never given twice, and a lineage goes on across a version that is gone."""
    con.execute(
        "create table dropped (number integer not null, name varchar not null, id varchar not null, parent varchar)"
    )


MIGRATIONS: Final[list[Callable[[DuckDBPyConnection], None]]] = [_versions_and_segments, _dropped_versions]


def applied(con: DuckDBPyConnection) -> int:
    """How many migrations this catalogue has seen."""
    known = con.execute("select count(*) from duckdb_tables() where table_name = 'migrations'").fetchall()
    if known == [(0,)]:
        return 0
    ((number,),) = con.execute("select coalesce(max(number), 0) from migrations").fetchall()
    return int(number)


def refuse_newer(path: Path, number: int) -> None:
    if number > len(MIGRATIONS):
        raise StoreError(
            f"{path}: made by a newer curate (its schema is number {number}, this one knows {len(MIGRATIONS)});"
            " upgrade curate"
        )


def migrate(con: DuckDBPyConnection) -> None:
    """Apply what the catalogue has not seen yet."""
    con.execute("create table if not exists migrations (number integer not null, applied varchar not null)")
    for number in range(applied(con) + 1, len(MIGRATIONS) + 1):
        con.begin()
        MIGRATIONS[number - 1](con)
        con.execute("insert into migrations values (?, ?)", [number, datetime.now(UTC).isoformat(timespec="seconds")])
        con.commit()
