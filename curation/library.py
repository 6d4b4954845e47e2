"""The Python surface: build a workspace, open its store, and take versions as tables, data frames or datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import ConfigError, did_you_mean
from curation.splits.config import SPLITS
from curation.store import Store, VersionInfo
from curation.store import open_store as _open_store
from curation.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from curation.diff import VersionDiff
    from curation.export import Manifest
    from curation.templates.chosen import ChosenTemplate


class Version:
    """A published version: its splits as tables, and what is known of how it was made."""

    def __init__(self, store: Store, info: VersionInfo) -> None:
        self._store, self.info = store, info
        self._tables: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def store(self) -> Store:
        return self._store

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.info.recipe

    @property
    def stats(self) -> Mapping[str, Any]:
        """What each stage and source came to, and the account of the split."""
        return self.info.stats

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each split."""
        counts: Mapping[str, int] = self.info.stats["split"]["rows"]
        return {split: counts.get(split, 0) for split in SPLITS}

    def to_arrow(self, split: str | None = None) -> Any:
        """A pyarrow.Table: row_id, cluster, messages, meta (JSON), and tools (JSON) if the version has any.

        Of one split, or of all three with a column `split` in front.
        """
        import pyarrow as pa

        if not self._tables:
            from curation.records_table import split_tables  # with what exports need, which most callers do not

            self._tables = split_tables(self._store, self.info)
        if split is not None:
            if split not in self._tables:
                raise ConfigError(f'split "{split}" is not known{did_you_mean(split, SPLITS)}')
            return self._tables[split]
        named = [t.add_column(0, "split", pa.array([s] * t.num_rows, pa.string())) for s, t in self._tables.items()]
        return pa.concat_tables(named)

    def to_pandas(self, split: str | None = None) -> Any:
        """The same as a pandas.DataFrame."""
        return self.to_arrow(split).to_pandas()

    def to_datasets(self) -> Any:
        """A datasets.DatasetDict of the splits that have rows."""
        from datasets import Dataset, DatasetDict

        tables = ((split, self.to_arrow(split)) for split in SPLITS)
        return DatasetDict({split: Dataset(table) for split, table in tables if table.num_rows})

    def table(self, name: str) -> Any:
        """One of the tables as stored: rows, members, ledger, flags, edges, quarantine, sources."""
        if name not in self.info.segments:
            raise ConfigError(f'table "{name}" is not known{did_you_mean(name, self.info.segments)}')
        return self._store.table(self.info, name)

    def diff(self, other: Version | str) -> VersionDiff:
        """What changed from this version to the other, or to the one that a name or the beginning of an id means."""
        from curation.diff import diff

        return diff(self._store, self.info, other if isinstance(other, str) else other.info)

    def export(
        self,
        folder: str | Path,
        *,
        layout: str | None = None,
        container: str | None = None,
        template: str | Path | None = None,
        skip_refused: bool = False,
    ) -> Manifest:
        """Write the splits as files, by the rules of `curate export`: what is not said is as the recipe says.

        template: of layout "text", built in (llama2, chatml ...), a tokenizer's folder, or a .jinja file.
        skip_refused: leave out rows that the layout cannot express, and count them in the manifest; else a DataError.
        """
        from curation.export import export, refuse_folder, written_names
        from curation.reading.reach import refuse_to_write

        settings = self.recipe.get("export") or {}
        layout = layout or ("text" if template else settings.get("format", "messages"))
        if template and layout != "text":
            raise ConfigError(f'export: template is for layout "text", not for "{layout}"; leave one out')
        container = container or settings.get("container", "jsonl")
        if place := find_workspace(self._store.root):
            refuse_to_write(place, self.recipe, [Path(folder) / name for name in written_names(container)])
        refuse_folder(Path(folder).parent, place)
        return export(
            self._store,
            self.info,
            Path(folder),
            format=layout,
            container=container,
            template=self._template(template) if layout == "text" else None,
            skip_refused=skip_refused,
        )

    def pack(self, path: str | Path, *, template: str | Path | None = None) -> dict[str, Any]:
        """Write the version into one file that curation.open_pack reads without a store; gives its manifest.

        The template named goes along, or else the recipe's, with its files if it is not one of ours.
        """
        from curation.export import refuse_file
        from curation.pack.reading import is_pack
        from curation.pack.writing import packed_template, write_pack

        refuse_file(Path(path), "pack", is_pack, find_workspace(self._store.root), self.recipe)
        chosen = self._template(template)
        return write_pack(self._store, self.info, Path(path), packed_template(chosen) if chosen else None)

    def _template(self, named: str | Path | None) -> ChosenTemplate | None:
        from curation.templates.chosen import version_template

        place = find_workspace(self._store.root)
        return version_template(named, self.recipe, place.root if place else self._store.root)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {count:,}" for split, count in self.rows.items())
        return f"<Version {self.name} {self.info.short_id}: {sizes}>"


class Versions:
    """An open store. What is published later is seen by the next call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<Versions in {self._store.root}: {', '.join(info.name for info in self._store.versions()) or 'none'}>"

    def version(self, ref: str = "latest") -> Version:
        """The version that `latest`, a name such as v3, or the beginning of an id means."""
        return Version(self._store, self._store.resolve(ref))

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        return [Version(self._store, info) for info in self._store.versions()]

    def sql(self, query: str, version: str = "latest") -> Any:
        """The result of one SELECT over the tables of a version, as a pyarrow.Table."""
        from curation.store.sql import query as run

        return run(self._store, query, version)


def open_store(path: str | Path) -> Versions:
    """The store at `path`: a workspace, a folder in one, or the store itself."""
    path = Path(path)
    found = find_workspace(path) if path.is_dir() else None
    return Versions(_open_store(found.store_path if found and found.store_path.is_dir() else path))


def build(
    workspace: str | Path | Workspace,
    *,
    recipe: Mapping[str, Any] | str | Path | None = None,
    message: str | None = None,
    workers: int = 1,
    max_bad: float | None = None,
) -> Version:
    """Build the workspace's recipe, or another one (a file or plain values), and give the version.

    A build that makes nothing new gives the version that is there. Errors are children of CurateError.
    """
    from curation.pipeline import BuildOptions
    from curation.pipeline import build as run
    from curation.recipe import load_recipe, recipe_from

    place = workspace if isinstance(workspace, Workspace) else find_workspace(Path(workspace))
    if place is None:
        raise ConfigError(f"{workspace}: is not in a workspace; make one with curate init")
    chosen = recipe_from(recipe) if isinstance(recipe, Mapping) else load_recipe(Path(recipe)) if recipe else None
    result = run(place, recipe=chosen, options=BuildOptions(workers=workers, max_bad=max_bad, message=message))
    return Version(_open_store(place.store_path), result.version)
