"""Read-only SQL over a version, fenced in: it reads the store's segments and touches nothing else.

DuckDB's own settings are not fence enough. A path that may be read may also be written, and a COPY inside a
common table expression passes for a SELECT, so `allowed_paths` would let a query overwrite a segment. Here all
of DuckDB's file access is off except for one file system of ours, which knows the version's segments by name and
opens them for reading only.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from io import SEEK_CUR, SEEK_SET, FileIO
from os import fstat
from pathlib import Path
from threading import Lock, local
from typing import Any, Final

import duckdb
from duckdb import DuckDBPyConnection, StatementType
from fsspec.spec import AbstractFileSystem

from curation.errors import ConfigError, StoreError
from curation.records import canonical
from curation.store.catalog import OFFLINE
from curation.store.database import Store
from curation.store.segments import verify_segment
from curation.store.versions import Segment, VersionInfo
from curation.tables import STORED

_PROTOCOL: Final = "segment"
_NEVER: Final = datetime.fromtimestamp(0, UTC)  # segments never change
_FENCE: Final[dict[str, Any]] = {
    **OFFLINE,
    "allow_community_extensions": False,
    "python_enable_replacements": False,  # no reaching for variables of this program
    "temp_directory": "",  # nothing spills to disk
}


def query(store: Store, sql: str, version: str | None = None) -> Any:
    """The result of one SELECT as an Arrow table (UUIDs as text).

    Views of the version (default: the latest): rows, members, ledger, flags, edges, quarantine, sources, and what else
    it stores; where one names a unit, its line in the source stands beside it.
    Views of all versions: versions, all_members.
    """
    chosen = store.resolve(version or "latest")
    versions = store.versions()
    readable = {s.file: s for v in versions for name, s in v.segments.items() if v == chosen or name == "members"}
    _refuse_others_than_select(sql)
    segments = _Segments(store.segments_path, readable)
    con = duckdb.connect(":memory:", config=_FENCE)
    con.register_filesystem(segments)
    try:
        _create_views(con, chosen, versions)
        con.execute(f"set allowed_directories = ['{_PROTOCOL}://']")
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
        return con.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        if segments.problem:
            raise segments.problem from error
        raise ConfigError(f"sql: {_message(error)}") from error
    finally:
        con.unregister_filesystem(_PROTOCOL)
        con.close()
        segments.close()


class ThreadPlacedFile(FileIO):
    """A file to read in which every thread has a place of its own.

    DuckDB reads one handle from several threads at once, even with `threads` at 1, each time by a seek and then a
    read: with a shared place, bytes of elsewhere came back, as wrong results more often than as errors.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._lock = Lock()
        self._place = local()

    def tell(self) -> int:
        return getattr(self._place, "at", 0)

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        base = {SEEK_SET: 0, SEEK_CUR: self.tell()}.get(whence)
        self._place.at = offset + (fstat(self.fileno()).st_size if base is None else base)
        return self.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        with self._lock:
            super().seek(self.tell())
            data = super().read(-1 if size is None else size)
        self._place.at = self.tell() + len(data)
        return data


class _Segments(AbstractFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """The readable segments by file name; there is no other file, and no way to write."""

    protocol = _PROTOCOL
    cachable = False

    def __init__(self, folder: Path, readable: Mapping[str, Segment]) -> None:
        super().__init__()
        self._folder = folder
        self._readable = readable
        self._opened = ExitStack()
        self.problem: StoreError | None = None

    def _name(self, path: str) -> str:
        return str(path).removeprefix(f"{_PROTOCOL}://")

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise PermissionError("the store is read-only")
        segment = self._readable[self._name(path)]
        try:
            verify_segment(self._folder, segment)
        except StoreError as error:
            self.problem = error  # DuckDB passes on no more than its text
            raise
        return self._opened.enter_context(ThreadPlacedFile(self._folder / segment.file))

    def close(self) -> None:
        """DuckDB leaves files open; close them."""
        self._opened.close()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        segment = self._readable.get(self._name(path))
        if segment is None:
            raise FileNotFoundError(f"{path} is no segment of this version")
        return {"name": path, "size": segment.bytes, "type": "file"}

    def modified(self, path: str) -> datetime:
        return _NEVER

    def exists(self, path: str, **_: Any) -> bool:
        return self._name(path) in self._readable

    isfile = exists

    def isdir(self, path: str) -> bool:
        return False

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path] if self.exists(path) else []

    def ls(self, path: str, **_: Any) -> list[str]:
        return []


def _refuse_others_than_select(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise ConfigError(f"sql: {_message(error)}") from error
    if len(statements) != 1:
        raise ConfigError(f"sql: one SELECT at a time, not {len(statements)} statements")
    kind = statements[0].type
    if kind != StatementType.SELECT:
        raise ConfigError(f"sql: only SELECT is allowed, not {kind.name}; the store is read-only")


def _create_views(con: DuckDBPyConnection, chosen: VersionInfo, versions: list[VersionInfo]) -> None:
    for name, segment in chosen.segments.items():
        con.execute(f"create view {name} as {_with_line(name, segment, chosen.segments['ledger'])}")
    con.execute(
        "create table versions (name varchar, id varchar, parent varchar, message varchar, created varchar,"
        " recipe varchar, stats varchar, code varchar)"
    )
    con.executemany("insert into versions values (?, ?, ?, ?, ?, ?, ?, ?)", [_listed(v) for v in versions])
    # One segment may belong to several versions, hence the join by file.
    con.execute("create schema store")
    con.execute("create table store.members_of (version varchar, file varchar)")
    con.executemany(
        "insert into store.members_of values (?, ?)", [[v.name, v.segments["members"].file] for v in versions]
    )
    urls = sorted({_url(v.segments["members"]) for v in versions})
    con.execute(
        "create view all_members as select v.version, m.* exclude (filename)"
        f" from read_parquet({urls}, filename = true) m join store.members_of v on v.file = parse_filename(m.filename)"
    )


def _with_line(name: str, segment: Segment, ledger: Segment) -> str:
    """A segment in its stored order; what names a unit gets its line beside it, which the ledger alone stores."""
    url, columns = _url(segment), STORED[name].names if name in STORED else []
    if "unit" not in columns or "line" in columns:
        return f"from read_parquet('{url}')"
    shown = ", ".join(f"f.{column}" if column != "unit" else "f.unit, l.line" for column in columns)
    return (
        f"select {shown} from read_parquet('{url}', file_row_number = true) f"
        f" left join read_parquet('{_url(ledger)}') l using (source, unit) order by f.file_row_number"
    )


def _url(segment: Segment) -> str:
    """DuckDB takes no parameters in a view; the name is ours, hex and letters."""
    assert segment.file.replace("-", "").replace(".", "").isalnum(), segment.file
    return f"{_PROTOCOL}://{segment.file}"


def _listed(version: VersionInfo) -> list[Any]:
    recipe, stats = (canonical(dict(value)).decode() for value in (version.recipe, version.stats))
    head = [version.name, version.id, version.parent, version.message, version.created]
    return [*head, recipe, stats, version.code]


def _message(error: duckdb.Error) -> str:
    """DuckDB's error on one line, without its drawing of the query."""
    text = str(error).split("\n\nLINE ")[0]
    if "file system operations are disabled" in text:
        return f"files outside the store are out of reach; {text.splitlines()[0]}"
    if "Traceback" in text:  # raised inside our file system
        text = text.strip().splitlines()[-1]
    return " ".join(text.split())
