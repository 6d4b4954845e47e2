"""The writer lock: one writer at a time, and a busy store names who holds it."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from curation.errors import StoreBusyError

_POLL_S: Final = 0.05
_NAME_TRIES: Final = 10  # between taking the lock and writing the name lies a moment; look again


class WriterLock:
    """flock on a file; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def acquire(self, wait_s: float = 0.0) -> None:
        """Take the lock within `wait_s` seconds, or raise StoreBusyError naming the holder."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + wait_s
        try:
            while not _try_lock(fd):
                if time.monotonic() >= deadline:
                    raise StoreBusyError(f"{self.path.parent}: {_holder(fd)}; wait for it to finish, or stop it")
                time.sleep(_POLL_S)
            _write_name(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; the name goes first, so that it never outlives the hold."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; looking takes it for a moment, shared with others who look."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder(path: Path) -> str | None:
    """Who holds the lock now: process, command and since when; None where nobody does."""
    if not is_locked(path):
        return None
    fd = os.open(path, os.O_RDONLY)
    try:
        return _holder(fd)
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_name(fd: int) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    program = " ".join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n{started}\n{' '.join(program.split())[:200]}\n".encode(), 0)


def _holder(fd: int) -> str:
    for _ in range(_NAME_TRIES):
        lines = os.pread(fd, 4096, 0).decode("utf-8", "replace").splitlines()
        if len(lines) == 3:
            return f"process {lines[0]} is writing to it ({lines[2]}, since {lines[1]})"
        time.sleep(_POLL_S / _NAME_TRIES)
    return "another process is writing to it"
