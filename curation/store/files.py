"""Durable files: fsync before rename, atomic replacement, and disk troubles said in one line."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from curation.errors import DiskError

TEMP_PREFIX: Final = ".tmp-"  # whatever begins so belongs to an unfinished write

_REASONS: Final = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EFBIG: "the file would exceed the allowed file size; raise the limit (ulimit -f) and try again",
    errno.EROFS: "the disk is read-only",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away, or name another place",
    errno.EEXIST: "a file stands where a folder is needed; move it away, or name another place",
    errno.ENOENT: "a folder is missing and cannot be made; name another place",
    errno.EACCES: "permission denied; check who owns the folder",
    errno.EPERM: "permission denied; check who owns the folder",
}


def disk_reason(error: OSError) -> str:
    """What went wrong with a file, and what to do where we know."""
    known = _REASONS.get(error.errno or 0)
    return known or error.strerror or str(error).splitlines()[0]


@contextmanager
def disk_errors(where: Path, outcome: str) -> Iterator[None]:
    """Turn OSError into a one-line DiskError: `where: reason; outcome`."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{where}: {disk_reason(error)}; {outcome}") from error


def sync_file(path: Path) -> None:
    """Wait until the file's content is on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


sync_folder = sync_file  # a folder's names are made durable the same way


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file so that a reader sees the old content or the new, never half of it, whoever else writes it."""
    with _beside(path, content) as temp:
        os.replace(temp, path)
    sync_folder(path.parent)


def create_file(path: Path, content: bytes) -> bool:
    """Write a small file that is not there yet, whole or not at all; False if somebody else was first."""
    try:
        with _beside(path, content) as temp:
            os.link(temp, path)  # unlike a rename, it never replaces what is there
    except FileExistsError:
        return False
    sync_folder(path.parent)
    return True


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """The content on disk under a name of this thread's own, which is gone afterwards: a full disk leaves nothing."""
    temp = path.with_name(f"{TEMP_PREFIX}{os.getpid()}-{threading.get_native_id()}-{path.name}")
    try:
        with temp.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temp
    finally:
        temp.unlink(missing_ok=True)
