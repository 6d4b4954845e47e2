"""What changed in a workspace since its last build: patches, the recipe, the files it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from curation.patches.entry import Entry
from curation.patches.files import FOLDER as PATCHES
from curation.patches.files import load_patches
from curation.reading.sources import SourceSpec, files_of, hash_file, source_name
from curation.settings import flat_settings
from curation.store import Store, VersionInfo
from curation.workspace import Workspace

# What a version keeps as it was built: a build with another of these gives the same version (see version_id).
_KEPT: Final = ("export", "template", "tokens")
_NAMED: Final = 2


def unbuilt(here: Workspace, store: Store) -> list[str]:
    """A sentence for each kind of change, each naming some; none where a build would read what the last one read.

    Of the recipe, and of files as long as they were, only those written since are looked into; of patches what they do
    to which row, and the rows they add, not the text of an edit. CurateError where recipe, patches or sources cannot be
    read.
    """
    version = store.latest()
    if version is None:
        return []
    built = datetime.fromisoformat(version.created).timestamp()
    applied = {patch["id"] for patch in version.stats.get("patches", ())}
    entries = load_patches(here.root)
    there = {entry.id for entry in entries}
    edited = _edited(entries, store, version) & applied & there
    settings = _settings(here, version) if _written_since(here.recipe_path, built) else []
    files = [] if "sources" in settings else list(_files(here.root, store, version, built))
    return [
        *_told(sorted(there - applied), "{} not built yet"),
        *_told(sorted(applied - there), f"{{}} taken back, and still in {version.name}"),
        *_told(sorted(edited), "{} changed", version),
        *_told(settings, f"{{}} changed in {here.recipe_path.name}", version),
        *_told(files, "{}", version),
    ]


def _edited(entries: Sequence[Entry], store: Store, version: VersionInfo) -> set[str]:
    """Patches of which one of the two has an entry that the other has not."""
    columns = ["patch", "op", "row_id", "result_row_id"]
    built = {
        (patch, op, added if op == "add" else row)
        for patch, op, row, added in zip(*store.table(version, "patches", columns).to_pydict().values(), strict=True)
    }
    return {patch for patch, *_ in built ^ {(entry.id, entry.op, entry.row_id) for entry in entries}}


def _written_since(path: Path, built: float) -> bool:
    """True of a file that is not there, too: whoever reads it says so."""
    try:
        return path.stat().st_mtime >= built
    except OSError:
        return True


def _told(names: Sequence[str], sentence: str, since: VersionInfo | None = None) -> list[str]:
    if not names:
        return []
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    told = sentence.format(", ".join([*names[:_NAMED], *more]))
    return [f"{told} since {since.name}" if since else told]


def _settings(here: Workspace, version: VersionInfo) -> list[str]:
    """Names of settings that differ; those that no build would take up left out, and those older versions lack."""
    recipes = (version.recipe, here.load_recipe().resolved())
    old, new = (flat_settings(_of_rows(recipe)) for recipe in recipes)
    return [name for name in new if name in old and old[name] != new[name]]


def _of_rows(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Without a source's licence, which may be put right, and without the hash that a build gives to own stages."""
    rest = {key: value for key, value in recipe.items() if key not in _KEPT}
    sources = [{name: said for name, said in source.items() if name != "licence"} for source in recipe["sources"]]
    stages = [{name: said for name, said in stage.items() if name != "trust"} for stage in recipe.get("stages", ())]
    return {**rest, "sources": sources, "stages": stages}


def _files(root: Path, store: Store, version: VersionInfo, built: float) -> Iterator[str]:
    """`raw/b.csv new`: files beside those that the version read; of datasets and the hub nothing is said."""
    read = {row["source"]: row for row in store.table(version, "sources", ["source", "sha256", "bytes"]).to_pylist()}
    root = root.resolve()
    specs = [SourceSpec(source["path"]) for source in version.recipe["sources"]]
    there = {source_name(path, root): path for spec in specs for path in files_of(spec, root, []) if path.is_file()}
    for name, path in there.items():
        if name not in read:
            yield f"{name} new"
        elif _changed(name, path, read[name], built):
            yield f"{name} changed"
    apart = ("hf:", f"{PATCHES}/")  # of a patch that is gone its number is told
    yield from (f"{name} gone" for name in read if not name.startswith(apart) and not (root / name).exists())


def _changed(name: str, path: Path, read: Mapping[str, Any], built: float) -> bool:
    told = path.stat()
    if told.st_size != read["bytes"]:
        return True
    return told.st_mtime >= built and _digest(name, path, told.st_mtime_ns, told.st_size) != read["sha256"]


@lru_cache(maxsize=1024)
def _digest(name: str, path: Path, written: int, size: int) -> str:
    """Kept as long as the file is as it was: a page of the dashboard asks at each click."""
    return hash_file(name, path)[0]
