"""Where exports and packs may not be written: what we write never becomes a source, nor takes a workspace's place."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from curation.config_file import load_config
from curation.errors import ConfigError
from curation.reading.sources import container_of, located
from curation.workspace import MARKER, Workspace


def refuse_to_write(place: Workspace, recipe: Mapping[str, Any], files: Iterable[Path]) -> None:
    """ConfigError for a file that is the workspace's own, or that a build reads or compares with.

    Counted are the workspace's recipe, and `recipe` of the version that is written.
    """
    recipes = [recipe]
    with suppress(ConfigError):  # a broken recipe is told by a build; it keeps nobody from their version
        recipes.append(load_config(place.recipe_path, "recipe.schema.json"))
    paths = [source["path"] for one in recipes for source in one.get("sources", ())]
    sets = [path for one in recipes for path in (one.get("decontaminate") or {}).get("against", ())]
    for file in files:
        _refuse_own(place, file)
        if source := read_as(paths, place.root, file):
            raise ConfigError(
                f"{file}: the recipe reads {source} as a source, so the next build would read this too; write elsewhere"
            )
        if found := read_as(sets, place.root, file):
            raise ConfigError(f"{file}: the recipe compares rows with {found}; write elsewhere")


def _refuse_own(place: Workspace, file: Path) -> None:
    """By its name and by what a link of that name leads to."""
    root = place.root.resolve()
    spelt = (file.parent.resolve() / file.name, file.resolve())
    for path in spelt:
        for name in ("store", "patches"):
            if path.is_relative_to(root / name):
                raise ConfigError(f"{file}: lies in {name}/, which belongs to the workspace; write elsewhere")
        if path in (root / MARKER, place.recipe_path.resolve()):
            raise ConfigError(f"{file}: is the workspace's own; write elsewhere")


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
