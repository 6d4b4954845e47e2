"""The patch files of a workspace: read in order, numbered, written whole or not at all, set aside when taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError, DataError, did_you_mean
from curation.patches.entry import Entry, parse_entry
from curation.records import canonical
from curation.store.files import create_file, disk_errors, disk_reason, sync_folder

FOLDER: Final = "patches"
ASIDE: Final = "dropped"  # below FOLDER: patches that were taken back; their numbers are not used again
_ID: Final = re.compile(r"p-(\d{3,})")


def load_patches(root: Path) -> tuple[Entry, ...]:
    """Every entry of the workspace at `root`, by file name (p-999 before p-1000), then line."""
    entries: list[Entry] = []
    home: dict[str, str] = {}
    for path in _files(root / FOLDER):
        name = f"{FOLDER}/{path.name}"
        for entry in _entries(path, name):
            other = home.setdefault(entry.id, name)
            if other != name:
                raise DataError(f"{entry.where}: {entry.id} is the id of {other} already; give it another")
            entries.append(entry)
    return tuple(entries)


def next_id(root: Path, used: Iterable[str] = ()) -> str:
    """The next free number: above every patch that is there, was set aside, or is in `used`."""
    names = [path.stem for path in (*_files(root / FOLDER), *_files(root / FOLDER / ASIDE))]
    ids = [*names, *used, *(entry.id for entry in load_patches(root))]
    numbers = [int(found[1]) for name in ids if (found := _ID.fullmatch(name))]
    return f"p-{max(numbers, default=0) + 1:03d}"


def write_patch(root: Path, entries: Sequence[Mapping[str, Any]], used: Iterable[str] = ()) -> Path:
    """Write entries, whose id is still to be given, as the next patch. Two writers at once get two numbers."""
    folder = root / FOLDER
    used = list(used)
    with disk_errors(folder, "no patch was written"):
        folder.mkdir(exist_ok=True)
        while True:
            name = next_id(root, used)
            lines = [canonical({"id": name, **entry}) for entry in entries]
            for number, line in enumerate(lines, 1):
                parse_entry(f"{FOLDER}/{name}.jsonl", number, line)
            if create_file(folder / f"{name}.jsonl", b"\n".join(lines) + b"\n"):
                return folder / f"{name}.jsonl"


def set_aside(root: Path, name: str) -> Path:
    """Take a patch back: move its file to patches/dropped, where no build reads it."""
    path = patch_path(root, name)
    aside = root / FOLDER / ASIDE / path.name
    with disk_errors(aside, "the patch stays in force"):
        aside.parent.mkdir(exist_ok=True)
        if aside.exists():
            raise ConfigError(f"{FOLDER}/{ASIDE}/{path.name}: is there already; move it away")
        path.rename(aside)
        sync_folder(path.parent)
    return aside


def patch_path(root: Path, name: str) -> Path:
    """The file that holds the patch of this id."""
    files = {entry.id: root / entry.file for entry in load_patches(root)}
    if name not in files:
        hint = did_you_mean(name, files) if files else "; there is no patch"
        raise ConfigError(f'patch "{name}" is not known{hint}')
    return files[name]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # .tmp-... belongs to an unfinished write, and a hidden file to an editor
    found = [path for path in folder.iterdir() if path.suffix == ".jsonl" and not path.name.startswith(".")]
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """p-999 before p-1000."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]


def _entries(path: Path, name: str) -> Iterator[Entry]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({disk_reason(error)}); repair it, or move it away") from None
    offset = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield parse_entry(name, number, line, offset)
        offset += len(line) + 1
