"""A workspace: a folder with curate.yaml, a recipe, and a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curation.config_file import load_config
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.recipe import Recipe

MARKER: Final = "curate.yaml"
_CURATE_YAML: Final = """\
# This folder is a Curate workspace; every `curate` command below it finds it.
curate: 1
recipe: recipe.yaml
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    root: Path
    recipe_path: Path

    @property
    def store_path(self) -> Path:
        return self.root / "store"

    @property
    def splits_path(self) -> Path:
        return self.root / "data" / "splits"

    def load_recipe(self) -> Recipe:
        from curation.recipe import load_recipe  # it knows every stage, and the stages' compiler takes half a second

        return load_recipe(self.recipe_path)


def open_workspace(root: Path) -> Workspace:
    settings = load_config(root / MARKER, "workspace.schema.json")
    return Workspace(root, root / settings.get("recipe", "recipe.yaml"))


def find_workspace(start: Path) -> Workspace | None:
    """The workspace that `start` lies in: the nearest folder upwards with a curate.yaml."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return open_workspace(folder)
    return None


def init_workspace(root: Path, paths: Sequence[str] = ()) -> Workspace:
    """Make `root` a workspace; nothing that exists is overwritten.

    `paths` become the recipe's sources, sorted, so that the order of arguments means nothing.
    Without paths the recipe reads data/raw.
    """
    from curation.recipe import commented_recipe

    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: is a file; name a folder")
    if (root / MARKER).exists():
        raise ConfigError(f"{root}: is a workspace already; edit its recipe.yaml, or name another folder")
    if (root / "recipe.yaml").exists():
        raise ConfigError(f"{root / 'recipe.yaml'}: exists already; move it away, or write curate.yaml yourself")
    sources = sorted({_relative(path, root) for path in paths})
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not sources:
            (root / "data" / "raw").mkdir(parents=True, exist_ok=True)
        (root / "recipe.yaml").write_text(commented_recipe(sources or ["data/raw"]), "utf-8")
        (root / MARKER).write_text(_CURATE_YAML, "utf-8")
    except OSError as error:
        for name in (MARKER, "recipe.yaml"):  # half a workspace would refuse the next try
            with suppress(OSError):
                (root / name).unlink()
        reason = f"cannot be made a workspace ({error.strerror})"
        raise ConfigError(f"{root}: {reason}; make room or check who owns it, or name another folder") from None
    return open_workspace(root.resolve())


def _relative(path: str, root: Path) -> str:
    """`path` as the recipe names it: relative to the workspace where it lies inside."""
    if path.startswith("hf:"):
        return path
    absolute = Path(os.path.abspath(path))
    try:
        return absolute.relative_to(root.resolve()).as_posix()
    except ValueError:
        return absolute.as_posix()
