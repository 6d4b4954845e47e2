"""The journal: what many processes write in small pieces, in one SQLite file (WAL), appended to and never changed."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from curation.errors import DiskError, StoreBusyError, StoreError
from curation.store.files import disk_errors
from curation.store.locking import WriterLock

_WAIT_S: Final = 30.0  # for another process's write, of which each takes milliseconds


class Metric(NamedTuple):
    """One measured value of a run; NaN is kept as NaN."""

    step: int
    name: str
    value: float
    time: str  # UTC, ISO 8601


class Status(NamedTuple):
    """What a run said of itself last."""

    state: str
    detail: str
    time: str


def _metrics_and_statuses(con: sqlite3.Connection) -> None:
    con.execute(
        "create table metrics (id integer primary key, run text not null, step integer not null, name text not null,"
        " value real, time text not null)"  # value: SQLite keeps NaN as null
    )
    con.execute("create index metrics_of_run on metrics (run, name, step)")
    con.execute(
        "create table statuses (id integer primary key, run text not null, state text not null, detail text not null,"
        " time text not null)"
    )
    for table in ("metrics", "statuses"):
        _forbid_changes(con, table)


def _tags_and_draws(con: sqlite3.Connection) -> None:
    con.execute(
        "create table tags (number integer primary key, id text not null unique, prediction_id text not null,"
        " run text not null, tag text not null, value text not null, taxonomy text not null, author text not null,"
        " kind text not null, rule text not null, span_start integer, span_end integer, confidence real,"
        " note text not null, undoes text not null, time text not null)"
    )
    con.execute("create index tags_of_run on tags (run, prediction_id)")
    con.execute(
        "create table draws (number integer primary key, prediction_id text not null, run text not null,"
        " author text not null, queue text not null, probability real, time text not null)"
    )
    con.execute("create index draws_of_author on draws (author, prediction_id)")
    for table in ("tags", "draws"):
        _forbid_changes(con, table)


def _looks(con: sqlite3.Connection) -> None:
    con.execute(
        "create table looks (number integer primary key, lineage text not null, version text not null,"
        " run text not null, items integer not null, time text not null)"
    )
    con.execute("create index looks_of_lineage on looks (lineage)")
    _forbid_changes(con, "looks")


def _forbid_changes(con: sqlite3.Connection, table: str) -> None:
    """An event that was written stays: what follows it is another event."""
    for change in ("update", "delete"):
        con.execute(
            f"create trigger {table}_no_{change} before {change} on {table}"
            f" begin select raise(abort, '{table} is append-only'); end"
        )


# Numbered steps, each applied once in a transaction and never edited later; the file's user_version counts them.
MIGRATIONS: Final[list[Callable[[sqlite3.Connection], None]]] = [_metrics_and_statuses, _tags_and_draws, _looks]


def open_journal(path: Path) -> Journal:
    """Open the journal, made or brought up to date where it has to be; StoreError where that cannot be done."""
    with disk_errors(path, "the journal cannot be written"):
        path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(path)
    journal.prepare()
    return journal


def address(path: Path, mode: str = "rwc") -> str:
    """The journal's, for sqlite3.connect(uri=True).

    Where nobody may write (a read-only disk) SQLite cannot make the two files beside it that WAL needs; then it reads
    the journal as it lies, unless one of them says that somebody has it open, or that something is to be folded in.
    """
    wal, shm = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))
    used = shm.exists() or (wal.exists() and wal.stat().st_size > 0)
    still = path.exists() and not os.access(path.parent, os.W_OK) and not used
    return f"{path.absolute().as_uri()}?{'immutable=1' if still else f'mode={mode}'}"


class Journal:
    """What a method has returned from is on disk. Threads may share a journal; each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the calling thread's connection; the next call opens one again."""
        con = self._threads.__dict__.pop("con", None)
        if con is not None:
            con.close()

    # ---- metrics

    def metric(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Append what was measured at a step; a step measured again counts as measured last."""
        now = _now()
        rows = [(run, step, name, float(value), now) for name, value in values.items()]
        with self.writing() as con:
            con.executemany("insert into metrics (run, step, name, value, time) values (?, ?, ?, ?, ?)", rows)

    def metrics(self, run: str, name: str | None = None) -> list[Metric]:
        """What a run measured, by name and step; all names unless one is given."""
        found = self.read(
            "select step, name, value, time from metrics where id in"
            " (select max(id) from metrics where run = ? and (? is null or name = ?) group by name, step)"
            " order by name, step",
            (run, name, name),
        )
        return [Metric(step, key, math.nan if value is None else value, time) for step, key, value, time in found]

    def latest_metrics(self, run: str) -> dict[str, Metric]:
        """The newest value of every name."""
        found = self.read(
            "select step, name, value, time from metrics where id in"
            " (select max(id) from metrics where run = ? group by name)",
            (run,),
        )
        return {key: Metric(step, key, math.nan if value is None else value, at) for step, key, value, at in found}

    # ---- statuses

    def status(self, run: str, state: str, detail: str = "") -> None:
        """Append what a run says of itself: running, evaluating, done, ..."""
        with self.writing() as con:
            con.execute(
                "insert into statuses (run, state, detail, time) values (?, ?, ?, ?)", (run, state, detail, _now())
            )

    def statuses(self) -> dict[str, Status]:
        """The last status of every run."""
        found = self.read(
            "select run, state, detail, time from statuses where id in (select max(id) from statuses group by run)"
            " order by run"
        )
        return {run: Status(*told) for run, *told in found}

    # ---- the file

    def prepare(self) -> None:
        """Make the file, or apply the migrations it has not seen; StoreError for one of a newer curate."""
        with self._errors():
            if not self.path.exists() or self._version() < len(MIGRATIONS):
                # SQLite does not wait while two processes make one file a WAL at once; a lock of our own does.
                lock = WriterLock(self.path.with_name(f"{self.path.name}.lock"))
                lock.acquire(_WAIT_S)
                try:
                    self._migrate()
                finally:
                    lock.release()
            known = self._version()
        if known > len(MIGRATIONS):
            raise StoreError(
                f"{self.path}: made by a newer curate (its schema is number {known}, this one knows "
                f"{len(MIGRATIONS)}); upgrade curate"
            )

    def _migrate(self) -> None:
        con = self._connection()
        con.execute("pragma journal_mode = wal")
        for number in range(self._version() + 1, len(MIGRATIONS) + 1):
            with _transaction(con):
                MIGRATIONS[number - 1](con)
                con.execute(f"pragma user_version = {number}")

    def _version(self) -> int:
        return int(self._connection().execute("pragma user_version").fetchone()[0])

    def _connection(self) -> sqlite3.Connection:
        con: sqlite3.Connection | None = getattr(self._threads, "con", None)
        if con is None:
            con = sqlite3.connect(address(self.path), uri=True, timeout=_WAIT_S, isolation_level=None)
            con.execute("pragma synchronous = full")  # with WAL the usual setting may lose what was said to be written
            self._threads.con = con
        return con

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection within one transaction, on disk when the block ends."""
        with self._errors(), _transaction(self._connection()) as con:
            yield con

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """The rows of one query; for the modules of the store, which alone write SQL."""
        with self._errors():
            return self._connection().execute(query, values).fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """SQLite's complaints in one line of ours."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a bug: our own rules were broken
        except sqlite3.Error as error:
            self.close()
            text = str(error)
            if "locked" in text or "busy" in text:
                raise StoreBusyError(f"{self.path}: another process is writing to it; try again in a moment") from error
            kind = DiskError if "full" in text or "readonly" in text else StoreError
            raise kind(f"{self.path}: {_reason(text)}") from error


@contextmanager
def _transaction(con: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    con.execute("begin immediate")
    try:
        yield con
        con.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            con.execute("rollback")
        raise


def _reason(text: str) -> str:
    if "malformed" in text or "not a database" in text:
        return f"is damaged ({text}); move it away and runs start a new one"
    if "readonly" in text:
        return "may not be written; check the disk and who may write there, or copy the workspace"
    if "full" in text:
        return "the disk is full; free some space and try again"
    return f"cannot be used ({text}); check the disk and who may write there"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
