"""What trainings and evaluations read: a version of the store, or a pack, which needs neither store nor database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

from curation.errors import ConfigError, DataError
from curation.licences import Licences, of_version
from curation.pack.reading import open_pack
from curation.pack.rows import record_of

if TYPE_CHECKING:
    from curation.store import Store, VersionInfo
    from curation.workspace import Workspace


_BATCH: Final = 1024  # rows


class Row(NamedTuple):
    row_id: str  # a UUID
    record: Mapping[str, Any]  # canonical: messages, perhaps tools, meta


class ClusteredRow(NamedTuple):
    row_id: str
    record: Mapping[str, Any]
    cluster: int  # rows with the same number hold nearly the same question


@dataclass(frozen=True, slots=True)
class OfferedTemplate:
    """A recipe's template: built in, or a folder's files by name."""

    name: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """A version's splits, in order, as Arrow tables: row_id, cluster, messages, meta, perhaps tools."""

    kind: Literal["store", "pack"]
    place: Path  # the workspace, or the pack
    name: str
    version_id: str
    recipe: Mapping[str, Any]
    tables: Mapping[str, Any]
    licences: Licences = field(default_factory=dict)  # by source of the recipe

    def template(self) -> OfferedTemplate | None:
        """The recipe's template; as it was packed, where this is a pack."""
        if self.kind == "pack":
            with open_pack(self.place) as pack:
                pack.template()  # says so where it renders otherwise than when it was packed
                told = pack.manifest["template"]
                return OfferedTemplate(told["name"], pack.templates()) if told else None
        from curation.templates.chosen import template_files, version_template

        chosen = version_template(None, self.recipe, self.place)
        return OfferedTemplate(chosen.name, template_files(chosen)) if chosen else None

    def dataset(self, split: str) -> Any:
        """A split as a datasets.Dataset over its Arrow table, of which no copy is made; no cache is written."""
        from datasets import Dataset

        return Dataset(self.tables[split], fingerprint=f"{self.version_id}-{split}")  # else all of it is hashed

    def rows(self, split: str) -> Iterator[Row]:
        """Each row of the dataset in order; as many at a time as one batch holds."""
        for batch in self.dataset(split).with_format("arrow").iter(_BATCH):
            yield from (Row(row["row_id"], record_of(row)) for row in batch.to_pylist())

    def stream(self, split: str) -> Iterator[ClusteredRow]:
        """Each row of a split once, by row_id or in order; as many at a time as one batch holds."""
        if isinstance(self.tables, _StoredSplits):
            yield from self.tables.stream(split)
            return
        for batch in self.tables[split].to_batches(_BATCH):
            yield from (ClusteredRow(row["row_id"], record_of(row), row["cluster"]) for row in batch.to_pylist())

    def required(self, split: str) -> Iterator[Row]:
        """The rows of a split; DataError where it has none."""
        if not self.tables[split].num_rows:
            raise DataError(f"{self.name}: its {split} split is empty; change split: in the recipe and build again")
        return self.rows(split)


def open_source(ref: str, workspace: Workspace | None, near: Path = Path()) -> Source:
    """A pack's file, relative to `near`, or else a version of the workspace: v3, the beginning of its id, latest."""
    path = near / ref
    if path.is_file() or ref.endswith(".pack"):
        return _from_pack(path)
    if workspace is None:
        raise ConfigError(f'"{ref}": no such pack, and no workspace here for a version; name a pack, or use -C DIR')
    return _from_store(ref, workspace)


def _from_pack(path: Path) -> Source:
    with open_pack(path) as pack:
        tables = {split: pack.split(split) for split in pack.manifest["splits"]}
        licences = pack.manifest.get("licences") or {}
        return Source("pack", path, pack.name, pack.version_id, pack.recipe(), tables, licences)


def _from_store(ref: str, workspace: Workspace) -> Source:
    from curation.store import open_store

    if not workspace.has_store:
        raise ConfigError(f"{workspace.root}: nothing was built yet; run `curate build`")
    store = open_store(workspace.store_path)
    info = store.resolve(ref)
    splits, licences = _StoredSplits(store, info), of_version(info.stats)
    return Source("store", workspace.root, info.name, info.id, info.recipe, splits, licences)


class _StoredSplits(Mapping[str, Any]):
    """The split tables of a version, which are put together when the first of them is asked for."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        self.store, self.version = store, version

    @cached_property
    def _tables(self) -> dict[str, Any]:
        from curation.records_table import split_tables

        return split_tables(self.store, self.version)

    def stream(self, split: str) -> Iterator[ClusteredRow]:
        import orjson
        import pyarrow.compute as pc

        members = self.store.table(self.version, "members", ["split", "row_id", "cluster"])
        members = members.filter(pc.equal(members["split"], split)).combine_chunks()
        for batch in self.store.reader(self.version, "rows"):
            place = pc.index_in(batch["row_id"], value_set=members["row_id"])
            here = batch.append_column("place", place).filter(place.is_valid())
            clusters = members["cluster"].take(here["place"])
            columns = [column.to_pylist() for column in (here["row_id"], here["record"], clusters)]
            for row_id, record, cluster in zip(*columns, strict=True):
                yield ClusteredRow(str(UUID(bytes=row_id)), orjson.loads(record), cluster)

    def __getitem__(self, split: str) -> Any:
        return self._tables[split]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)
