"""Damaged and full disks: one line that names the file and what to do, and nothing half-published."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from curation.errors import CurateError, StoreError
from curation.store import Store, open_store
from curation.store.sql import query
from tests.store_samples import publish_number, whole


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "store")
    publish_number(store, 1)
    publish_number(store, 2)
    return store


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def the_only_line(call: Callable[[], object]) -> str:
    with pytest.raises(CurateError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_current_is_missing(store: Store) -> None:
    (store.root / "CURRENT").unlink()
    line = the_only_line(lambda: open_store(store.root))
    assert line.startswith(f"{store.root}/CURRENT: is missing; ")
    assert "write catalog-000002.duckdb into" in line
    (store.root / "CURRENT").write_text("catalog-000002.duckdb")
    assert [v.name for v in open_store(store.root).versions()] == ["v1", "v2"]


@pytest.mark.parametrize("content", [b"", b"catalog", b"\xff\xfe", b"../../etc/passwd"])
def test_current_names_nothing(store: Store, content: bytes) -> None:
    (store.root / "CURRENT").write_bytes(content)
    assert f"{store.root}/CURRENT: " in the_only_line(lambda: open_store(store.root))


def test_the_catalogue_is_missing_and_the_one_before_serves(store: Store) -> None:
    (store.root / "catalog-000002.duckdb").unlink()
    line = the_only_line(lambda: open_store(store.root))
    assert line.startswith(f"{store.root}/catalog-000002.duckdb: is missing, though CURRENT names it; ")
    assert "write catalog-000001.duckdb into" in line
    assert store.check() == [line]
    (store.root / "CURRENT").write_text("catalog-000001.duckdb")
    assert publish_number(open_store(store.root), 2).name == "v2"


@pytest.mark.parametrize("at", [0, 9, 4096, 300_000, -1])
def test_a_flipped_bit_in_the_catalogue(store: Store, at: int) -> None:
    flip(store.root / "catalog-000002.duckdb", at)
    line = the_only_line(lambda: open_store(store.root))
    assert line.startswith(f"{store.root}/catalog-000002.duckdb: damaged")
    assert store.check() == [line]


def test_a_catalogue_that_is_no_database(store: Store) -> None:
    (store.root / "catalog-000002.duckdb").write_bytes(b"hello")
    (store.root / "CURRENT").write_text("catalog-000002.duckdb")  # no hash to compare with
    assert "catalog-000002.duckdb: cannot be read (" in the_only_line(lambda: open_store(store.root))


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "flipped footer", "flipped data"])
def test_a_damaged_segment(store: Store, damage: str) -> None:
    path = store.segments_path / store.resolve("v2").segments["rows"].file
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            os.truncate(path, 900)
        case "empty":
            os.truncate(path, 0)
        case "flipped footer":
            flip(path, -200)
        case "flipped data":
            flip(path, 60)
    line = the_only_line(lambda: store.table("v2", "rows"))
    assert line.startswith(f"{path}: "), line
    assert "restore it from a backup" in line
    assert store.check() == [line]
    assert whole(store, store.resolve("v1"))
    publish_number(store, 2)  # building it again repairs it
    assert store.check() == []
    assert whole(store, store.resolve("v2"))


def test_sql_over_a_damaged_segment(store: Store) -> None:
    path = store.segments_path / store.resolve("v2").segments["rows"].file
    os.truncate(path, 900)
    line = the_only_line(lambda: query(store, "select count(record) from rows"))
    assert line.startswith(f"{path}: damaged (is 900 bytes instead of ")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if not mount or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    """Fill the disk more and more: wherever it runs out, the last version stays, and freeing space is enough."""
    store = Store.create(small_disk / "store")
    publish_number(store, 1)
    ballast = small_disk / "ballast"
    failures = 0
    before = sorted(p.name for p in store.root.glob("*.duckdb"))
    for free in range(0, 3_000_000, 150_000):
        status = os.statvfs(small_disk)
        ballast.write_bytes(b"x" * max(0, status.f_bavail * status.f_frsize - free))
        with suppress(StoreError):
            publish_number(store, 2)
        ballast.unlink()
        assert not list(store.root.rglob(".tmp-*"))
        assert store.check() == []
        if len(store.versions()) == 2:
            break
        assert sorted(p.name for p in store.root.glob("*.duckdb")) == before
        failures += 1
    assert failures > 5
    assert publish_number(store, 2).name == "v2"
    assert whole(store, store.resolve("v2"))


def test_a_full_disk_is_said_in_one_line(small_disk: Path) -> None:
    store = Store.create(small_disk / "store")
    for free in (0, 200_000):
        status = os.statvfs(small_disk)
        (small_disk / "ballast").write_bytes(b"x" * (status.f_bavail * status.f_frsize - free))
        line = the_only_line(lambda: publish_number(store, 1))
        assert line == f"{store.root}: the disk is full; free some space and try again; nothing was published"
        (small_disk / "ballast").unlink()


def test_a_full_disk_at_creation(small_disk: Path) -> None:
    for free in (0, 50_000, 150_000):
        ballast = small_disk / "ballast"
        status = os.statvfs(small_disk)
        ballast.write_bytes(b"x" * max(0, status.f_bavail * status.f_frsize - free))
        assert "the disk is full" in the_only_line(lambda: Store.create(small_disk / "store"))
        ballast.unlink()
    assert publish_number(Store.create(small_disk / "store"), 1).name == "v1"


LIMITED = """
import sys
from pathlib import Path
from curation.errors import StoreError
from curation.store import Store
from tests.store_samples import publish_number
try:
    publish_number(Store(Path(sys.argv[1])), 3)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 3_000, 400_000])
def test_a_file_size_limit(store: Store, limit: int) -> None:
    """What `ulimit -f` or a quota does: writes fail with another error number, or by DuckDB's own words."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(store.root)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    if limit:  # with 0 the line itself goes to a pipe, which has no limit
        assert "file size" in done.stdout or "File too large" in done.stdout, done
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"{store.root}")
    assert store.check() == []
    assert not list(store.root.rglob(".tmp-*"))
    assert [v.name for v in store.versions()] == ["v1", "v2"]
    assert publish_number(store, 3).name == "v3"
