"""Reading a pack. Every member's bytes are checked before they are used; a damaged pack is one clear line."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curation.config_file import check_config
from curation.errors import ConfigError, DataError, did_you_mean
from curation.pack.layout import ITEMS, MANIFEST, RECIPE, SCHEMA, TEMPLATES, split_file

if TYPE_CHECKING:
    from curation.templates import Template


class Pack:
    """An open pack; a context manager that closes the file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> None:
        self.path, self.manifest = path, manifest
        self._archive = archive
        self._members = {member["path"]: member for member in manifest["files"]}

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {count:,}" for split, count in self.manifest["splits"].items())
        return f"<Pack {self.path.name} of {self.name} {self.version_id[:8]}: {sizes}>"

    @property
    def name(self) -> str:
        """The version's name, such as v3."""
        return str(self.manifest["version"])

    @property
    def version_id(self) -> str:
        return str(self.manifest["version_id"])

    def split(self, name: str) -> Any:
        """The rows of train, validation or test, in order: row_id, cluster, messages, meta, perhaps tools."""
        if name not in self.manifest["splits"]:
            raise ConfigError(f'{self.path}: split "{name}" is not known{did_you_mean(name, self.manifest["splits"])}')
        return self._table(split_file(name))

    def items(self, split: str | None = None) -> Any:
        """What to evaluate on: item (row_id:turn), split, row_id, turn, cluster, messages before it, reference."""
        table = self._table(ITEMS)
        if split is None:
            return table
        import pyarrow.compute as pc

        return table.filter(pc.equal(table["split"], split))

    def recipe(self) -> dict[str, Any]:
        """The recipe that made the version, with every default."""
        recipe: dict[str, Any] = orjson.loads(self._bytes(RECIPE))
        return recipe

    def templates(self) -> dict[str, bytes]:
        """The files of the template that the pack brings along, by name; empty if it brings none."""
        names = [name for name in self._members if name.startswith(TEMPLATES)]
        return {name.removeprefix(TEMPLATES): self._bytes(name) for name in names}

    def template(self) -> Template | None:
        """The template that the pack names, as it was when packed; None if it names none."""
        from curation.pack.template import unpacked

        return unpacked(self)

    def check(self) -> None:
        """Read every member; DataError for the first that is not the one that was packed."""
        for name in self._members:
            self._bytes(name)

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> Pack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _table(self, name: str) -> Any:
        return pq.read_table(pa.BufferReader(self._bytes(name)))

    def _bytes(self, name: str) -> bytes:
        try:
            content = self._archive.read(name)
        except (KeyError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
            raise _damaged(self.path, f"{name} cannot be read ({' '.join(str(error).split())})") from None
        if hashlib.sha256(content).hexdigest() != self._members[name]["sha256"]:
            raise _damaged(self.path, f"{name} is not what was packed")
        return content


def is_pack(path: Path) -> bool:
    """Whether a file is a zip that begins with a pack's manifest."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[:1] == [MANIFEST]
    except (OSError, zipfile.BadZipFile):
        return False


def open_pack(path: str | Path) -> Pack:
    """Open a pack that `curate pack` wrote; DataError if it is damaged, or no pack."""
    path = Path(path)
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; make one with curate pack") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(path, f"it is no zip file ({' '.join(str(error).split())})") from None
    try:
        return Pack(path, archive, _manifest(path, archive))
    except BaseException:
        archive.close()
        raise


def _manifest(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = orjson.loads(archive.read(MANIFEST))
        check_config(manifest, SCHEMA, where=MANIFEST)
    except (KeyError, ValueError, zipfile.BadZipFile, OSError, EOFError, ConfigError) as error:
        raise _damaged(path, f"its manifest cannot be used ({' '.join(str(error).split())})") from None
    missing = sorted({member["path"] for member in manifest["files"]} - set(archive.namelist()))
    if missing:
        raise _damaged(path, f"{missing[0]} is missing")
    return manifest


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}; copy it again, or make it again with curate pack")
