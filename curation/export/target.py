"""The one file that a pack or a ledger is written to: only one of its own kind is ever replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from curation.errors import ConfigError
from curation.reading.reach import refuse_to_write
from curation.workspace import Workspace


def refuse_file(
    path: Path, kind: str, is_kind: Callable[[Path], bool], place: Workspace | None, recipe: Mapping[str, Any]
) -> None:
    """ConfigError unless `path` is new or a `kind` ("pack", "ledger") of before, in a folder that is there.

    Folders are made inside the workspace only.
    """
    if place:
        refuse_to_write(place, recipe, [path])
    if path.is_dir():
        return  # each writer says what a file of its kind may be called
    if (path.exists() or path.is_symlink()) and not path.is_file():
        raise ConfigError(f"{path}: is not a regular file; name another")
    if path.exists() and not is_kind(path):
        raise ConfigError(f"{path}: exists, and is not a {kind}; move it away, or name another file")
    refuse_folder(path.parent, place)


def refuse_folder(folder: Path, place: Workspace | None) -> None:
    """ConfigError for a folder that is not there and would be made outside the workspace."""
    if not folder.exists() and not (place and folder.resolve().is_relative_to(place.root.resolve())):
        raise ConfigError(f"{folder}: no such folder; make it first, or name another")
