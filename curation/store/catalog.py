"""The catalogue: a small DuckDB file that says which versions exist and which segments hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from os import strerror
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
from duckdb import DuckDBPyConnection

from curation.errors import DiskError, StoreError
from curation.records import canonical
from curation.store.files import disk_reason
from curation.store.migrations import MIGRATIONS, applied, migrate, refuse_newer
from curation.store.versions import DroppedVersion, Segment, VersionInfo

# One thread halves the time to open; nothing is ever downloaded.
OFFLINE: Final[dict[str, Any]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The content of one catalogue file."""

    versions: tuple[VersionInfo, ...]
    outdated: bool  # its schema is older than this code's; the next writer migrates it
    dropped: tuple[DroppedVersion, ...] = ()
    last_number: int = 0  # the highest ever given to a version

    @property
    def ever(self) -> tuple[VersionInfo | DroppedVersion, ...]:
        """Every version, also those that are gone."""
        return (*self.versions, *self.dropped)

    def segment_files(self) -> set[str]:
        return {segment.file for version in self.versions for segment in version.segments.values()}


def read_catalog(path: Path) -> Catalog:
    """Open read-only, read everything (it is small), close."""
    try:
        with duckdb.connect(str(path), read_only=True, config=OFFLINE) as con:
            number = applied(con)
            refuse_newer(path, number)
            if number < len(MIGRATIONS):
                return Catalog((), outdated=True)
            return Catalog(_versions(con), False, *_dropped(con))
    except duckdb.Error as error:
        raise StoreError(f"{path}: cannot be read ({_one_line(error)}); restore it from a backup") from error


def edit_catalog(path: Path, change: Callable[[DuckDBPyConnection], None]) -> None:
    """Migrate and change a private copy; it is checkpointed and closed, without a .wal beside it, when this returns."""
    try:
        with duckdb.connect(str(path), config=OFFLINE) as con:
            migrate(con)
            con.begin()
            change(con)
            con.commit()
            con.execute("checkpoint")
    except duckdb.Error as error:
        known = next((number for number in (ENOSPC, EFBIG, EDQUOT) if strerror(number) in str(error)), None)
        reason = disk_reason(OSError(known, "")) if known else _one_line(error)
        told = f"{path.parent}: {reason}; nothing was published"
        raise (DiskError(told) if known else StoreError(told)) from error
    wal = path.with_name(path.name + ".wal")
    assert not wal.exists(), f"{wal} left behind by a checkpointed catalogue"


def insert_version(con: DuckDBPyConnection, number: int, version: VersionInfo) -> None:
    con.execute(
        "insert into versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            number,
            version.name,
            version.id,
            version.parent,
            version.message,
            version.created,
            canonical(dict(version.recipe)).decode(),
            canonical(dict(version.stats)).decode(),
            version.code,
        ],
    )
    con.executemany(
        "insert into version_segments values (?, ?, ?, ?, ?, ?)",
        [[number, name, s.file, s.rows, s.bytes, s.sha256] for name, s in version.segments.items()],
    )


def restate_version(con: DuckDBPyConnection, version: VersionInfo) -> None:
    told = [canonical(dict(version.recipe)).decode(), canonical(dict(version.stats)).decode(), version.id]
    con.execute("update versions set recipe = ?, stats = ? where id = ?", told)


def drop_versions(con: DuckDBPyConnection, names: Sequence[str]) -> None:
    for name in names:
        con.execute("insert into dropped select number, name, id, parent from versions where name = ?", [name])
        con.execute(
            "delete from version_segments where version in (select number from versions where name = ?)", [name]
        )
        con.execute("delete from versions where name = ?", [name])


def _dropped(con: DuckDBPyConnection) -> tuple[tuple[DroppedVersion, ...], int]:
    """What was dropped, and the highest number ever given."""
    gone = con.execute("select name, id, parent from dropped order by number").fetchall()
    ((last,),) = con.execute(
        "select coalesce(max(number), 0) from (select number from versions union all select number from dropped)"
    ).fetchall()
    return tuple(DroppedVersion(*row) for row in gone), int(last)


def _versions(con: DuckDBPyConnection) -> tuple[VersionInfo, ...]:
    segments: dict[int, dict[str, Segment]] = {}
    for number, name, *rest in con.execute(
        "select version, name, file, rows, bytes, sha256 from version_segments order by version, name"
    ).fetchall():
        segments.setdefault(number, {})[name] = Segment(*rest)
    rows = con.execute(
        "select number, name, id, parent, message, created, recipe, stats, code from versions order by number"
    ).fetchall()
    return tuple(_version(row, segments[row[0]]) for row in rows)


def _version(row: tuple[Any, ...], segments: dict[str, Segment]) -> VersionInfo:
    _, name, version_id, parent, message, created, recipe, stats, code = row
    return VersionInfo(
        name, version_id, parent, message, created, orjson.loads(recipe), orjson.loads(stats), code, segments
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
