"""`curate gc`: what no version needs, found and removed; versions dropped by name. The names are never given again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import ConfigError
from curation.store.catalog import Catalog, drop_versions
from curation.store.database import Store
from curation.store.files import disk_errors
from curation.store.generations import commit, leavings, read_current
from curation.store.segments import segment_problem
from curation.store.versions import VersionInfo


@dataclass(frozen=True, slots=True)
class Spare:
    """A file that nothing needs."""

    path: Path
    why: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What is, or would be, removed."""

    files: tuple[Spare, ...]
    dropped: tuple[VersionInfo, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def plan(store: Store, drop: Sequence[str] = (), tied: Mapping[str, str] | None = None) -> Collected:
    """What `collect` would remove. Both need the store to themselves: a build's files are in no version yet.

    `tied`: version id -> what still needs it, for instance a run.
    """
    with store.writer():
        generation, catalog = read_current(store.root)
        dropped = _chosen(store, drop, tied or {})
        return Collected(_spare(leavings(generation, _without(catalog, dropped))), dropped)


def collect(store: Store, drop: Sequence[str] = (), tied: Mapping[str, str] | None = None) -> Collected:
    """Drop versions, then remove every file that no version needs.

    The catalogue without the versions is published first, twice: so the generation before the current one, the way
    back from a damaged one, names no file that is gone either. A crash in between leaves files for the next time.
    """
    with store.writer(), disk_errors(store.root, "not everything was removed; run it again"):
        dropped = _chosen(store, drop, tied or {})
        if dropped:
            names = [version.name for version in dropped]
            commit(read_current(store.root)[0], lambda con: drop_versions(con, names))
            commit(read_current(store.root)[0], lambda con: None)
        files = _spare(leavings(*read_current(store.root)))
        for file in files:
            file.path.unlink()
        return Collected(files, dropped)


def _chosen(store: Store, refs: Sequence[str], tied: Mapping[str, str]) -> tuple[VersionInfo, ...]:
    newest, latest = store.newest(), store.latest()
    chosen = {version.name: version for version in map(store.resolve, refs)}
    for version in chosen.values():
        if version.id in tied:
            raise ConfigError(f"{version.name} is needed by {tied[version.id]}; remove that first, or keep the version")
        if _damaged(store, version):
            continue  # no build can go on from it
        if version == newest:
            what = "latest" if newest == latest else "newest"
            raise ConfigError(
                f"{version.name} is the {what} version and is never dropped; the next build goes on from it"
            )
        if version == latest:
            raise ConfigError(f"{version.name} is the latest version, what the recipe builds, and is never dropped")
    return tuple(chosen.values())


def _damaged(store: Store, version: VersionInfo) -> bool:
    return any(segment_problem(store.segments_path, segment) for segment in version.segments.values())


def _without(catalog: Catalog, dropped: Sequence[VersionInfo]) -> Catalog:
    gone = {version.id for version in dropped}
    return replace(catalog, versions=tuple(version for version in catalog.versions if version.id not in gone))


def _spare(files: Sequence[tuple[Path, str]]) -> tuple[Spare, ...]:
    return tuple(Spare(path, why, path.stat().st_size) for path, why in files)
