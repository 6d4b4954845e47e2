"""Queries read segments from several threads at once; each must get the bytes it asked for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from curation.store.sql import ThreadPlacedFile


def test_each_thread_reads_where_it_went(tmp_path: Path) -> None:
    """All threads go somewhere before any of them reads."""
    (tmp_path / "data").write_bytes(bytes(range(200)))
    threads = 8
    gone = Barrier(threads)

    def read(at: int) -> bytes:
        file.seek(at)
        gone.wait()
        return file.read(3)

    with ThreadPlacedFile(tmp_path / "data") as file, ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(read, range(0, 20 * threads, 20)))
    assert found == [bytes(range(at, at + 3)) for at in range(0, 20 * threads, 20)]


def test_it_reads_like_any_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"0123456789")
    with ThreadPlacedFile(tmp_path / "data") as file:
        assert (file.read(2), file.tell(), file.read(2)) == (b"01", 2, b"23")
        assert file.seek(-3, os.SEEK_END) == 7
        assert file.seek(1, os.SEEK_CUR) == 8
        assert (file.read(), file.read(), file.read(5)) == (b"89", b"", b"")
