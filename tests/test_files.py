"""A small file is replaced whole or not at all, whoever else replaces it."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from curation.store.files import create_file, replace_file


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """As two reports of one run at once."""
    path, failed = tmp_path / "report.html", list[Exception]()
    contents = [str(number).encode() * 200_000 for number in range(4)]

    def write(content: bytes) -> None:
        try:
            for _ in range(12):
                replace_file(path, content)
                assert path.read_bytes() in contents
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert failed == []
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "README.md"
    replace_file(path, b"old")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("curation.store.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new" * 100)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"README.md": b"old"}


def test_of_several_who_make_one_file_one_does(tmp_path: Path) -> None:
    """As two reviewers whose patches get the same number."""
    contents = [str(number).encode() * 200_000 for number in range(4)]
    with ThreadPoolExecutor(len(contents)) as pool:
        for number in range(12):
            path = tmp_path / f"p-{number:03}.jsonl"
            made = list(pool.map(partial(create_file, path), contents))
            assert sorted(made) == [False, False, False, True]
            assert path.read_bytes() == contents[made.index(True)]
    assert len(list(tmp_path.iterdir())) == 12
