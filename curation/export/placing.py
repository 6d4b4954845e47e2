"""Putting a finished export in its place: built beside it, moved in file by file, the manifest last."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import ConfigError, StoreBusyError
from curation.export.manifest import MANIFEST, Manifest, read_manifest
from curation.store.files import sync_file, sync_folder


def staging_path(destination: Path) -> Path:
    return destination.parent / f".{destination.name}.partial"


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """An empty folder on the destination's disk that no other export uses; gone afterwards."""
    folder = staging_path(destination)
    lock = _own(folder, destination)
    try:
        _clear(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def refuse_foreign(destination: Path, names: list[str]) -> None:
    """Never overwrite a file that no export of ours has written."""
    if destination.exists() and not destination.is_dir():
        raise ConfigError(f"{destination}: is a file; name a folder to export into")
    ours = (destination / MANIFEST).exists() or staging_path(destination).exists()
    foreign = [name for name in names if (destination / name).exists()]
    if foreign and not ours:
        raise ConfigError(
            f"{destination / foreign[0]}: exists, and no manifest says that an export wrote it;"
            " move it away, or name another folder"
        )


def place(staged: Path, destination: Path, manifest: Manifest) -> None:
    """Move the staged files in. Until the last move the manifest there does not match, which check_export reports."""
    new = [file.path for file in manifest.files]
    for name in new:
        sync_file(staged / name)
    destination.mkdir(parents=True, exist_ok=True)
    for name in set(_written_before(destination)) - set(new):
        (destination / name).unlink(missing_ok=True)
    for name in [*new, MANIFEST]:
        target = destination / name
        target.parent.mkdir(exist_ok=True)
        os.replace(staged / name, target)
        sync_folder(target.parent)


def _written_before(destination: Path) -> list[str]:
    try:
        manifest = read_manifest(destination)
    except ConfigError:  # unreadable: it will be replaced, and what it listed stays
        return []
    return [file.path for file in manifest.files] if manifest else []


def _own(folder: Path, destination: Path) -> int:
    """Lock the staging folder itself: a killed export leaves the folder, but not the lock."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # the export before removed it this moment
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise StoreBusyError(f"{destination}: another export is writing there; wait for it to finish") from None
        if _same(fd, folder):
            return fd
        os.close(fd)


def _same(fd: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), folder.stat())
    except FileNotFoundError:
        return False


def _clear(folder: Path) -> None:
    for entry in list(folder.iterdir()):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
