"""The journal: several processes write and read at once, and what was acknowledged survives kill -9."""

from __future__ import annotations

import math
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from curation.errors import DiskError, StoreBusyError, StoreError
from curation.store import journal as journal_module
from curation.store.journal import Journal, open_journal

WRITE = """
import sys
from pathlib import Path
from curation.store.journal import open_journal
journal = open_journal(Path(sys.argv[1]))
for step in range(1, int(sys.argv[3]) + 1):
    journal.metric(sys.argv[2], step, {"loss": 1 / step, "step_again": step})
    print(step, flush=True)
"""

READ = """
import sys
from pathlib import Path
from curation.store.journal import open_journal
journal = open_journal(Path(sys.argv[1]))
steps = reads = 0
while steps < int(sys.argv[2]):
    found = journal.metrics("experiment_001")
    by_name = {name: [m.step for m in found if m.name == name] for name in ("loss", "step_again")}
    # A write is seen whole or not at all, and nothing that was seen goes away.
    assert by_name["loss"] == by_name["step_again"] == list(range(1, len(found) // 2 + 1)), by_name
    assert len(found) // 2 >= steps
    steps, reads = len(found) // 2, reads + 1
print(reads)
"""

LOADED = """
import sys
from curation.runs import read_run
from curation.store.journal import open_journal
print([name for name in ("duckdb", "pyarrow", "torch") if name in sys.modules])
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path / "store" / "journal.sqlite")


def test_metrics_come_back_by_name_and_step(journal: Journal) -> None:
    journal.metric("experiment_001", 10, {"loss": 2.5, "learning_rate": 1e-4})
    journal.metric("experiment_002", 10, {"loss": 9.0})
    journal.metric("experiment_001", 2, {"loss": 3.0})
    found = [(m.name, m.step, m.value) for m in journal.metrics("experiment_001")]
    assert found == [("learning_rate", 10, 1e-4), ("loss", 2, 3.0), ("loss", 10, 2.5)]
    assert [m.step for m in journal.metrics("experiment_001", "loss")] == [2, 10]
    assert journal.metrics("experiment_003") == []


def test_a_step_run_again_after_a_resume_counts_as_measured_last(journal: Journal) -> None:
    for value in (3.0, 2.0):
        journal.metric("experiment_001", 7, {"loss": value})
    assert [m.value for m in journal.metrics("experiment_001")] == [2.0]
    journal.metric("experiment_001", 5, {"loss": 2.5})
    assert journal.latest_metrics("experiment_001")["loss"][:3] == (5, "loss", 2.5)


def test_what_is_not_a_number_stays_so(journal: Journal) -> None:
    """SQLite has no NaN: it keeps null."""
    journal.metric("experiment_001", 1, {"a": math.nan, "b": math.inf, "c": 1e-320})
    values = {m.name: m.value for m in journal.metrics("experiment_001")}
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (math.inf, 1e-320)
    assert math.isnan(journal.latest_metrics("experiment_001")["a"].value)


def test_the_last_status_of_each_run(journal: Journal) -> None:
    journal.status("experiment_001", "running")
    journal.status("experiment_002", "running")
    journal.status("experiment_001", "failed", "the loss is not a number at step 12")
    told = {run: (status.state, status.detail) for run, status in journal.statuses().items()}
    assert told == {
        "experiment_001": ("failed", "the loss is not a number at step 12"),
        "experiment_002": ("running", ""),
    }


@pytest.mark.parametrize("change", ["update metrics set value = 0", "delete from metrics", "delete from statuses"])
def test_what_was_written_cannot_be_changed(journal: Journal, change: str) -> None:
    journal.metric("experiment_001", 1, {"loss": 1.0})
    journal.status("experiment_001", "running")
    con = sqlite3.connect(journal.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        con.execute(change)
    con.close()
    assert [m.value for m in journal.metrics("experiment_001")] == [1.0]


def test_it_is_a_wal_that_waits_for_the_disk(journal: Journal) -> None:
    con = journal._connection()
    assert con.execute("pragma journal_mode").fetchone() == ("wal",)
    assert con.execute("pragma synchronous").fetchone() == (2,)


def test_four_readers_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    # All five begin at once, so that they also make the file at once.
    processes = [start(READ, path, 60) for _ in range(4)]
    processes.append(start(WRITE, path, "experiment_001", 60))
    for process in processes:
        told, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
        assert told


def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for turn in range(3):
        run = f"experiment_{turn + 1:03}"
        with start(WRITE, path, run, 100_000) as writer:
            assert writer.stdout
            for _ in range(15):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            acknowledged = 15 + len(writer.stdout.read().splitlines())
        journal = open_journal(path)
        found = [m.step for m in journal.metrics(run, "loss")]
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= acknowledged
        assert len(journal.metrics(run, "step_again")) == len(found)
        journal.close()


def test_threads_share_a_journal(journal: Journal) -> None:
    def write(run: str) -> None:
        for step in range(20):
            journal.metric(run, step, {"loss": float(step)})
        journal.close()

    threads = [threading.Thread(target=write, args=(f"experiment_{i:03}",)) for i in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(journal.metrics(f"experiment_{i:03}")) for i in (1, 2, 3)] == [20, 20, 20]


def test_migrations_are_applied_once_and_in_order(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.metric("experiment_001", 1, {"loss": 1.0})

    def more(con: sqlite3.Connection) -> None:
        con.execute("create table more (id integer primary key)")

    monkeypatch.setattr(journal_module, "MIGRATIONS", [*journal_module.MIGRATIONS, more])
    for _ in range(2):  # a table made twice would be an error
        later = open_journal(journal.path)
        assert later._version() == len(journal_module.MIGRATIONS)
        assert [m.value for m in later.metrics("experiment_001")] == [1.0]
        later.close()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="made by a newer curate"):
        open_journal(journal.path)


def test_a_migration_that_fails_leaves_what_was(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(con: sqlite3.Connection) -> None:
        con.execute("create table half (id integer primary key)")
        con.execute("create table half (id integer primary key)")

    monkeypatch.setattr(journal_module, "MIGRATIONS", [*journal_module.MIGRATIONS, half])
    with pytest.raises(StoreError):
        open_journal(journal.path)
    assert journal._version() == len(journal_module.MIGRATIONS) - 1
    assert journal.read("select name from sqlite_master where name = 'half'") == []


def test_a_damaged_journal_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError) as caught:
        open_journal(path)
    assert str(caught.value) == (f"{path}: is damaged (file is not a database); move it away and runs start a new one")


def test_a_writer_that_does_not_let_go_is_named_as_busy(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("begin immediate")
    monkeypatch.setattr(journal_module, "_WAIT_S", 0.05)
    impatient = Journal(journal.path)
    assert impatient.metrics("experiment_001") == []  # reading goes on
    with pytest.raises(StoreBusyError, match="another process is writing to it"):
        impatient.status("experiment_001", "running")
    impatient.close()
    other.execute("rollback")
    other.close()


def test_a_journal_on_a_read_only_disk_is_read_and_a_write_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store # 1" / "journal.sqlite"
    with open_journal(path) as journal:
        journal.metric("run", 1, {"loss": 0.5})
    assert [one.name for one in path.parent.iterdir() if one.name.endswith(("-wal", "-shm"))] == []
    monkeypatch.setattr("curation.store.journal.os.access", lambda place, how: False)
    with open_journal(path) as journal:
        assert [one.value for one in journal.metrics("run")] == [0.5]
        with pytest.raises(DiskError, match=r"journal\.sqlite: may not be written; check the disk"):
            journal.metric("run", 2, {"loss": 0.4})
    assert sorted(one.name for one in path.parent.iterdir()) == ["journal.sqlite", "journal.sqlite.lock"]
    path.with_name("journal.sqlite-wal").write_bytes(b"not folded in")
    assert "immutable" not in journal_module.address(path)
    path.with_name("journal.sqlite-wal").unlink()
    assert "immutable" in journal_module.address(path)
    monkeypatch.undo()
    with open_journal(path) as journal:  # somebody who may write
        journal.metric("run", 3, {"loss": 0.3})
        monkeypatch.setattr("curation.store.journal.os.access", lambda place, how: False)
        journal.read("pragma wal_checkpoint(truncate)")  # all is folded in, and the file empty
        assert "immutable" not in journal_module.address(path)


def test_neither_duckdb_nor_arrow_is_needed() -> None:
    """A GPU machine may have neither."""
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
