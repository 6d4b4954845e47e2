"""Whether a build would read a file that is put somewhere: what we write must never become a source."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.config_file import load_config
from curation.errors import ConfigError
from curation.reading.sources import container_of, located

if TYPE_CHECKING:
    from curation.workspace import Workspace


def refuse_to_feed(place: Workspace, recipe: Mapping[str, Any], files: Iterable[Path]) -> None:
    """ConfigError if the workspace's recipe, or `recipe` of the version that is written, reads one of the files."""
    paths = [source["path"] for source in recipe.get("sources", ())]
    with suppress(ConfigError):  # a broken recipe is told by a build; it keeps nobody from their version
        paths += [source["path"] for source in load_config(place.recipe_path, "recipe.schema.json")["sources"]]
    for file in files:
        if source := read_as(paths, place.root, file):
            raise ConfigError(
                f"{file}: the recipe reads {source} as a source, so the next build would read this too; write elsewhere"
            )


def read_as(paths: Iterable[str], root: Path, file: Path) -> str | None:
    """The first of a recipe's source paths, relative to `root`, by which a build would read the file; else None."""
    root, file = root.resolve(), file.resolve()
    return next((path for path in paths if not path.startswith("hf:") and _reads(path, root, file)), None)


def _reads(path: str, root: Path, file: Path) -> bool:
    source = located(path, root)
    if source.exists() or not glob.has_magic(path):
        source = source.resolve()
        return file == source or (file.is_relative_to(source) and _walked(file, source))
    tops = [file, *file.parents]
    return any(_matches(source.parts, top.parts) and _walked(file, top) for top in tops)


def _walked(file: Path, top: Path) -> bool:
    """Whether a walk from `top` comes by the file, and takes it."""
    inside = file.relative_to(top).parts
    return container_of(file) is not None and not any(part.startswith(".") for part in inside)


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """As glob matches: ** stands for any folders, and no wildcard for a name that begins with a dot."""
    if not pattern:
        return not parts
    if pattern[0] == "**" and _matches(pattern[1:], parts):
        return True
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    if pattern[0] == "**":
        return _matches(pattern, parts[1:])
    return fnmatchcase(parts[0], pattern[0]) and _matches(pattern[1:], parts[1:])
