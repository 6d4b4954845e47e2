"""The store: publish a version, find versions, read their tables. Readers and the writer never block each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curation.errors import ConfigError, StoreError
from curation.licences import of_version, put_right
from curation.store import versions as naming
from curation.store.catalog import Catalog, insert_version, restate_version
from curation.store.files import disk_errors
from curation.store.generations import (
    CURRENT,
    SEGMENTS,
    Generation,
    come_back,
    commit,
    current_generation,
    generation_numbers,
    read_current,
    start_generations,
    sweep,
)
from curation.store.locking import WriterLock
from curation.store.segments import read_batches, read_rows_at, read_segment, segment_problem, write_segment
from curation.store.versions import VersionInfo
from curation.tables import STORED, empty

_BATCH_ROWS: Final = 8_192


class Store:
    """An open store folder. It holds no file open; every call sees what is published at that moment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: WriterLock | None = None
        self._read: tuple[Generation, Catalog] | None = None

    @classmethod
    def create(cls, path: Path) -> Store:
        """Make a store at `path`, or open the one that is there."""
        store = cls(Path(path))
        if not (store.root / CURRENT).exists():
            with disk_errors(store.root, "no store was made"):
                store.segments_path.mkdir(parents=True, exist_ok=True)
                with store.writer():
                    start_generations(store.root)
        return open_store(store.root)

    @property
    def segments_path(self) -> Path:
        return self.root / SEGMENTS

    # ---- reading

    def versions(self) -> list[VersionInfo]:
        """All versions, oldest first."""
        return list(self._catalog().versions)

    def resolve(self, ref: str) -> VersionInfo:
        """The version meant by `latest`, a name, or an id prefix."""
        generation, catalog = self._current()
        return naming.resolve(catalog.versions, ref, catalog.dropped, generation.back)

    def latest(self) -> VersionInfo | None:
        """What the last build gave, be it a version that was there already; None in an empty store."""
        generation, catalog = self._current()
        return naming.latest(catalog.versions, generation.back)

    def newest(self) -> VersionInfo | None:
        """The version built last of all, the parent of the next build; None in an empty store."""
        return naming.newest(self._catalog().versions)

    def lineage(self, version: VersionInfo) -> list[VersionInfo]:
        """The version, its parent, and so on; dropped ones are passed over."""
        catalog = self._catalog()
        known = {known.id: known for known in catalog.versions}
        parents = {v.id: v.parent for v in catalog.ever}
        found, at = [], version.id
        seen: set[str] = set()
        while at in parents and at not in seen:
            seen.add(at)
            found += [known[at]] if at in known else []
            at = parents[at] or ""
        return found

    def table(self, version: str | VersionInfo, name: str, columns: Sequence[str] | None = None) -> Any:
        """A table of curation.tables.STORED as published: same rows, same order, ids as binary(16).

        Empty for a table that is younger than the version.
        """
        segment = self._version(version).segments.get(name)
        if segment is None:
            younger = empty(STORED[name])
            return younger.select(columns) if columns else younger
        return read_segment(self.segments_path, segment, columns)

    def reader(self, version: str | VersionInfo, name: str) -> Any:
        """The same as a RecordBatchReader, for versions that do not fit into memory."""
        segment = self._version(version).segments[name]
        return pa.RecordBatchReader.from_batches(STORED[name], read_batches(self.segments_path, segment, _BATCH_ROWS))

    def rows(self, version: str | VersionInfo, row_ids: Sequence[bytes] | None = None) -> Any:
        """The `rows` table, or of it the rows with these ids (in stored order; unknown ids are left out)."""
        segment = self._version(version).segments["rows"]
        if row_ids is None:
            return read_segment(self.segments_path, segment)
        import pyarrow.compute as pc

        stored = read_segment(self.segments_path, segment, ["row_id"]).column("row_id")
        found = pc.is_in(stored, value_set=pa.array(row_ids, pa.binary(16)))
        places = pc.indices_nonzero(found).to_pylist()
        return read_rows_at(self.segments_path, segment, places) if places else empty(STORED["rows"])

    def check(self) -> list[str]:
        """Every problem of the files on disk, one line each; empty if all bytes are the published ones."""
        self._read = None
        try:
            catalog = self._catalog()
        except StoreError as error:
            return [str(error)]
        segments = {s.file: s for version in catalog.versions for s in version.segments.values()}
        problems = (segment_problem(self.segments_path, segments[file]) for file in sorted(segments))
        return [problem for problem in problems if problem]

    # ---- writing

    @contextmanager
    def writer(self, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the writer lock, e.g. for a whole build; StoreBusyError after `wait_s` seconds. Nests."""
        if self._lock:
            yield
            return
        lock = WriterLock(self.root / "writer.lock")
        with disk_errors(self.root, "nothing was published"):
            lock.acquire(wait_s)
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None
            lock.release()

    def publish(
        self,
        version_id: str,
        tables: Mapping[str, Any],
        *,
        parent: str | None,
        message: str,
        recipe: Mapping[str, Any],
        stats: Mapping[str, Any],
        created: str,
        name: str = "",
    ) -> VersionInfo:
        """Publish a version under `name` or else the next free one, all or nothing; a known id publishes nothing,
        but from then on that version is `latest`.

        `version_id` is lower-case hex. A table that is not given is stored empty.
        """
        assert set(tables) <= set(STORED), f"unknown tables: {sorted(set(tables) - set(STORED))}"
        draft = VersionInfo(name, version_id, parent, message, created, recipe, stats, metadata.version("curate"), {})
        with self.writer(), disk_errors(self.root, "nothing was published"):
            sweep(*self._current())
            known = [version for version in self._catalog().versions if version.id == version_id]
            if known:
                self._repair(known[0], tables)
                self._come_back(known[0])
                return self._restated(known[0], draft)
            try:
                return self._publish(draft, tables)
            finally:
                with suppress(OSError, StoreError):  # what was published stays so, what failed keeps its own error
                    sweep(*self._current())

    def _publish(self, draft: VersionInfo, tables: Mapping[str, Any]) -> VersionInfo:
        generation, catalog = self._current()
        taken = [known.name for known in catalog.ever]
        number, name = catalog.last_number + 1, draft.name or naming.next_name(taken)
        assert name not in taken, f"a second {name}"
        segments = {
            table: write_segment(self.segments_path, table, tables.get(table, empty(schema)))
            for table, schema in STORED.items()
        }
        version = replace(draft, name=name, segments=segments)
        if not version.is_fold:
            generation = replace(generation, back=None)
        commit(generation, lambda con: insert_version(con, number, version))
        return replace(version, new=True)

    def _come_back(self, version: VersionInfo) -> None:
        if version.is_fold or version == self.latest():
            return
        come_back(self._current()[0], None if version == self.newest() else version.id)

    def _restated(self, version: VersionInfo, draft: VersionInfo) -> VersionInfo:
        """A version's rows never change; what its recipe says of their licences may be put right."""
        if put_right(of_version(version.stats), of_version(draft.stats)) == []:
            return version
        stats = {**version.stats, "licences": draft.stats["licences"]}
        right = replace(version, recipe={**version.recipe, "sources": draft.recipe["sources"]}, stats=stats)
        commit(self._current()[0], lambda con: restate_version(con, right))
        return right

    def _repair(self, version: VersionInfo, tables: Mapping[str, Any]) -> None:
        """Building a version again brings back segments that were lost or damaged."""
        for name, segment in version.segments.items():
            if segment_problem(self.segments_path, segment):
                write_segment(self.segments_path, name, tables.get(name, empty(STORED[name])))

    # ---- the catalogue in force

    def _version(self, version: str | VersionInfo) -> VersionInfo:
        return version if isinstance(version, VersionInfo) else self.resolve(version)

    def _catalog(self) -> Catalog:
        return self._current()[1]

    def _current(self) -> tuple[Generation, Catalog]:
        """What CURRENT names. A published catalogue never changes, so it is read once a generation."""
        if self._read and self._read[0] == current_generation(self.root):
            return self._read
        self._read = read_current(self.root)
        if self._read[1].outdated:
            with self.writer(), disk_errors(self.root, "the store could not be brought up to date"):
                commit(self._read[0], lambda con: None)
            self._read = read_current(self.root)
        return self._read


def open_store(path: Path) -> Store:
    """The store at `path`: the store folder itself, or a workspace that holds one."""
    path = Path(path)
    for root in (path, path / "store"):
        if (root / CURRENT).exists() or ((root / SEGMENTS).is_dir() and generation_numbers(root)):
            store = Store(root)
            store.versions()
            return store
    raise ConfigError(f"{path}: no store here; run `curate build` first")
