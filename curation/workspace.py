"""A workspace: a folder with curate.yaml, a recipe, and a store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curation.config_file import load_config
from curation.errors import ConfigError, CurateError, DiskError

if TYPE_CHECKING:
    from curation.recipe import Recipe

MARKER: Final = "curate.yaml"
_CURATE_YAML: Final = b"""\
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
    def has_store(self) -> bool:
        """Whether anything was published in it, be what names it lost; opening it then says what to do."""
        return (self.store_path / "CURRENT").exists() or any(self.store_path.glob("catalog-*.duckdb"))

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


def init_workspace(root: Path, paths: Sequence[str] = (), start: Path | None = None) -> Workspace:
    """Make `root` a workspace; nothing that exists is overwritten.

    `paths` become the recipe's sources in this order, each once: of equal rows that of the first source stays.
    Without paths the recipe reads data/raw. A workspace whose recipe is missing gets one. `start` is a recipe to
    copy, comments and all; without paths its own sources stay.
    """
    from curation.recipe import commented_recipe, copied_recipe

    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: is a file; name a folder")
    marked = (root / MARKER).exists()
    path = open_workspace(root).recipe_path if marked else root / "recipe.yaml"
    if marked and path.exists():
        raise ConfigError(f"{root}: is a workspace already; edit its recipe.yaml, or name another folder")
    sources = list(dict.fromkeys(_relative(path, root) for path in paths))
    text = copied_recipe(start, sources) if start else commented_recipe(sources or ["data/raw"])
    recipe = text.encode()
    if path.exists() and _content(path) != recipe:
        raise ConfigError(f"{path}: exists already; move it away, or write curate.yaml yourself")
    files = [file for file in ((path, recipe), (root / MARKER, _CURATE_YAML)) if not file[0].exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not sources and start is None:
            (root / "data" / "raw").mkdir(parents=True, exist_ok=True)
        for name, content in files:  # curate.yaml last: with it the folder is a workspace
            _write(name, content)
    except OSError as error:
        _unlink([name for name, _ in files])  # half a workspace would refuse the next try
        reason = f"cannot be made a workspace ({error.strerror})"
        raise DiskError(f"{root}: {reason}; make room or check who owns it, or name another folder") from None
    return open_workspace(root.resolve())


def take_back(workspace: Workspace, *, store_too: bool) -> bool:
    """Undo init_workspace after a first build that published nothing; False where something is to be kept.

    `store_too`: the store was made since.
    """
    from curation.store import open_store

    root, folder = workspace.root, workspace.store_path
    try:
        with open_store(folder).writer() if (folder / "CURRENT").exists() else nullcontext():
            if (folder / "CURRENT").exists() and open_store(folder).versions():
                return False
            _unlink([root / MARKER, root / "recipe.yaml"])
            if store_too and folder.exists():
                shutil.rmtree(folder)
    except (CurateError, OSError):  # damaged, or another build is at work in it
        return False
    return True


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    """All of the file or nothing, also where the process is killed."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _unlink(files: Sequence[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink()


def _relative(path: str, root: Path) -> str:
    """`path` as the recipe names it: relative to the workspace where it lies inside."""
    if path.startswith("hf:"):
        return path
    absolute = Path(os.path.abspath(path))
    try:
        return absolute.relative_to(root.resolve()).as_posix()
    except ValueError:
        return absolute.as_posix()
