"""Where a command works: the workspace around the current folder, its store, and the version that is meant."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.arguments import Parser
from curation.errors import ConfigError

if TYPE_CHECKING:
    from curation.store import Store, VersionInfo
    from curation.workspace import Workspace
    from eval.prepare import Where


def folder(args: Namespace) -> Path:
    """The folder that -C names, or the current one."""
    path = Path(args.directory)
    if not path.is_dir():
        raise ConfigError(f"-C {path}: is not a folder; make it first, or name another")
    return path


def workspace(args: Namespace) -> Workspace:
    from curation.workspace import find_workspace

    start = folder(args)
    found = find_workspace(start)
    if found is None:
        raise ConfigError(
            f"{start.resolve()} is not in a workspace; make one with `curate init DIR` or `curate build FILE...`"
        )
    return found


def evaluation_place(args: Namespace) -> Where:
    """Where evaluations are kept and what their files are relative to: the workspace, or else the folder."""
    from curation.runs import run_place
    from curation.workspace import find_workspace
    from eval.prepare import Where

    here = find_workspace(folder(args))
    near = here.root if here else folder(args)
    return Where(here, run_place(here, near), near)


def stored(args: Namespace) -> tuple[Workspace, Store]:
    """The workspace and its store, which holds at least one version."""
    from curation.store import open_store

    here = workspace(args)
    if not here.has_store:
        raise ConfigError(f"{here.root}: nothing was built yet; run `curate build`")
    return here, open_store(here.store_path)


def version(args: Namespace) -> tuple[Workspace, Store, VersionInfo]:
    """The workspace, its store, and the version `args.ref` names (the latest unless said)."""
    here, store = stored(args)
    return here, store, store.resolve(args.ref or "latest")


def add_ref(parser: Parser, *flags: str) -> None:
    """A version argument: a positional REF, or an option if flags are given."""
    text = "a version: v3, the beginning of its id, or latest, what the last build gave (the default)"
    if flags:
        parser.add_argument(*flags, dest="ref", metavar="REF", help=text)
    else:
        parser.add_argument("ref", metavar="REF", nargs="?", help=text)
