"""Folders that are no safe place for a store: on network and cloud drives file locks cannot be relied on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

_LINUX: Final = Path("/proc/mounts")
# File systems that another machine or a service holds. fuseblk (NTFS on a local disk) is not meant.
_REMOTE: Final = re.compile(
    r"nfs\d*|cifs|smb\w*|afpfs|ncpfs|webdav|davfs2?|9p|drvfs|afs|ceph|lustre|beegfs|gpfs|gcsfuse|s3fs|fuse\..+"
)
# Folder names under which sync clients keep their copies.
_SYNCED: Final = re.compile(
    r"Dropbox( \(.+\))?|OneDrive( - .+)?|Google ?Drive(-.+)?|My Drive|GoogleDrive-.+|iCloud ?Drive|com~apple~CloudDocs|"
    r"CloudStorage|Nextcloud|ownCloud|pCloud ?Drive|Box Sync|MEGAsync",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")  # /proc/mounts writes a space as \040
_MAC_LINE: Final = re.compile(r"^.+ on (.+) \(([^,)]+)")


class Mount(NamedTuple):
    point: str
    kind: str


def unsafe_mount(path: Path) -> str | None:
    """Why `path` is no safe place for a store, or None: one line for people."""
    return unsafe_among(Path(path).resolve(), mounts())


def unsafe_among(path: Path, mounted: Sequence[Mount]) -> str | None:
    """The same, among these mounts; `path` is absolute."""
    inside = [mount for mount in mounted if path.is_relative_to(mount.point)]
    nearest = max(inside, key=lambda mount: len(mount.point), default=None)
    if nearest is not None and _REMOTE.fullmatch(nearest.kind):
        return _warning(path, f"{nearest.point} is a {nearest.kind} mount")
    synced = next((part for part in path.parts if _SYNCED.fullmatch(part)), None)
    return _warning(path, f'"{synced}" is a synchronised folder') if synced else None


def _warning(path: Path, why: str) -> str:
    return (
        f"{path}: {why}, where locks do not hold and the store and its journal can be damaged; "
        "keep the workspace on a local disk, and take versions elsewhere with curate pack"
    )


def mounts() -> list[Mount]:
    """What is mounted here; nothing where the system does not say."""
    if _LINUX.exists():
        return from_proc(_LINUX.read_text("utf-8", "replace"))
    if sys.platform != "darwin":
        return []
    try:
        said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return from_mount(said.stdout)


def from_proc(text: str) -> list[Mount]:
    """Lines of /proc/mounts; of several mounts on one point the last is the one in force."""
    fields = (line.split(" ") for line in text.splitlines())
    found = {_unescaped(field[1]): field[2] for field in fields if len(field) > 2}
    return [Mount(point, kind) for point, kind in found.items()]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), text)


def from_mount(text: str) -> list[Mount]:
    """What macOS's `mount` prints: `//ana@nas/team on /Volumes/team (smbfs, nodev)`."""
    found = {match[1]: match[2] for line in text.splitlines() if (match := _MAC_LINE.match(line))}
    return [Mount(point, kind) for point, kind in found.items()]
