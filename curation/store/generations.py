"""Generations: publishing a catalogue so that a crash at any point leaves the one before in force."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from curation.errors import StoreError
from curation.store.catalog import Catalog, edit_catalog, read_catalog
from curation.store.files import TEMP_PREFIX, file_sha256, replace_file, sync_file, sync_folder

CURRENT: Final = "CURRENT"
SEGMENTS: Final = "segments"
_NAME: Final = re.compile(r"catalog-(\d{6,})\.duckdb")
_OPEN_TRIES: Final = 100  # a reader that is overtaken by two commits between two system calls looks again


@dataclass(frozen=True, slots=True)
class Generation:
    """A published catalogue, as CURRENT names it: `catalog-000007.duckdb SHA256`, or `... SHA256 VERSION`."""

    root: Path
    number: int
    sha256: str | None = None  # None where a person wrote the name by hand to go back
    back: str | None = None  # id of the earlier version that the last build came back to

    @property
    def path(self) -> Path:
        return self.root / _file_name(self.number)


def _file_name(number: int) -> str:
    return f"catalog-{number:06d}.duckdb"


def generation_numbers(root: Path) -> list[int]:
    return sorted(int(found[1]) for name in os.listdir(root) if (found := _NAME.fullmatch(name)))


def current_generation(root: Path) -> Generation:
    path = root / CURRENT
    try:
        words = path.read_text("utf-8").split()
    except FileNotFoundError:
        raise StoreError(f"{path}: is missing; {_way_back(root, None)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); {_way_back(root, None)}") from None
    found = _NAME.fullmatch(words[0]) if words else None
    if not found:
        raise StoreError(f"{path}: names no catalogue; {_way_back(root, None)}")
    return Generation(root, int(found[1]), *words[1:3])


def read_generation(generation: Generation) -> Catalog:
    """The catalogue of a generation, its bytes checked first; FileNotFoundError if it is gone."""
    digest = file_sha256(generation.path)
    if generation.sha256 not in (None, digest):
        raise StoreError(f"{generation.path}: damaged (it has changed since); {_way_back(generation.root, generation)}")
    return read_catalog(generation.path)


def read_current(root: Path) -> tuple[Generation, Catalog]:
    """What CURRENT names now. Never blocked by a writer, and never blocks one."""
    generation = current_generation(root)
    for _ in range(_OPEN_TRIES):
        try:
            return generation, read_generation(generation)
        except (FileNotFoundError, StoreError) as error:
            newer = current_generation(root)
            if newer == generation:
                if isinstance(error, StoreError):
                    raise
                break
            generation = newer
    raise StoreError(f"{generation.path}: is missing, though CURRENT names it; {_way_back(root, generation)}")


def start_generations(root: Path) -> None:
    """Publish the empty generation 0; the caller holds the writer lock."""
    if (root / CURRENT).exists():
        return
    if set(generation_numbers(root)) - {0}:
        current_generation(root)  # raises, naming what to do: this store held versions once
    _publish_file(Generation(root, 0), lambda con: None)


def commit(current: Generation, change: Callable[[DuckDBPyConnection], None]) -> None:
    """Publish the next generation: the current one plus `change`; the caller holds the writer lock."""
    _publish_file(replace(current, number=current.number + 1), change, copied_from=current.path)


def come_back(current: Generation, version_id: str | None) -> None:
    """Make an earlier version `latest`, or with None the newest again; the caller holds the writer lock."""
    _name_current(replace(current, sha256=current.sha256 or file_sha256(current.path), back=version_id))


def _publish_file(
    generation: Generation, change: Callable[[DuckDBPyConnection], None], copied_from: Path | None = None
) -> None:
    root, final = generation.root, generation.path
    _remove_temporary(root)  # a .wal that a killed writer left would be replayed into our copy
    temp = root / (TEMP_PREFIX + final.name)
    if copied_from:
        shutil.copyfile(copied_from, temp)
    edit_catalog(temp, change)
    sync_file(temp)
    digest = file_sha256(temp)
    sync_folder(root / SEGMENTS)
    os.replace(temp, final)
    sync_folder(root)
    _name_current(replace(generation, sha256=digest))


def _name_current(generation: Generation) -> None:
    words = [generation.path.name, str(generation.sha256), *([generation.back] if generation.back else [])]
    replace_file(generation.root / CURRENT, f"{' '.join(words)}\n".encode())


def sweep(current: Generation, catalog: Catalog) -> None:
    """Remove what no reader can need. The caller holds the writer lock."""
    for path, _ in leavings(current, catalog):
        path.unlink()


def leavings(current: Generation, catalog: Catalog) -> list[tuple[Path, str]]:
    """Files that no reader can need, and why: leavings of killed writers, generations before the previous one,
    segments of no version.

    The caller holds the writer lock, and `current` is what CURRENT names, whatever has failed before.
    """
    root = current.root
    found = [(path, "unfinished write") for path in _temporary(root)]
    numbers = generation_numbers(root)
    keep = {current.number, max((n for n in numbers if n < current.number), default=current.number)}
    found += [(root / _file_name(number), "old catalogue") for number in sorted(set(numbers) - keep)]
    if catalog.outdated:
        return found  # its segments are not known before it is migrated
    spare = sorted(set(os.listdir(root / SEGMENTS)) - catalog.segment_files())
    return found + [(root / SEGMENTS / name, "in no version") for name in spare if _is_segment(name)]


def _is_segment(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(TEMP_PREFIX)


def _remove_temporary(root: Path) -> None:
    for path in _temporary(root):
        path.unlink()


def _temporary(root: Path) -> list[Path]:
    folders = (root, root / SEGMENTS)
    return [folder / name for folder in folders for name in sorted(os.listdir(folder)) if name.startswith(TEMP_PREFIX)]


def _way_back(root: Path, broken: Generation | None) -> str:
    """What a person can do about a lost catalogue: a backup, or the newest generation that is still there."""
    others = [n for n in generation_numbers(root) if broken is None or n != broken.number]
    if not others:
        return "restore the store from a backup"
    return f"restore it from a backup, or write {_file_name(others[-1])} into {root / CURRENT} to use that generation"
