"""Writing a pack. The same version gives the same bytes: no dates, no owners, members in a fixed order."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import ConfigError
from curation.licences import of_version, stated
from curation.pack.layout import HELD_OUT, ITEMS, LAYOUT, MANIFEST, RECIPE, TEMPLATES, item_id, split_file
from curation.records import canonical
from curation.records_table import split_tables
from curation.store import Store, VersionInfo
from curation.store.files import disk_errors, sync_file, sync_folder
from curation.templates.chosen import ChosenTemplate, template_files

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE: Final = 0o644 << 16
_ZSTD_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class PackedTemplate:
    """The chat template that goes along: its name and hash, and its files by name if it is not one of ours."""

    name: str
    sha256: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    tokenizer_sha256: str | None = None  # of the tokenizer that the hash covers
    eos: str | None = None  # what ends an answer, where a template of ours leaves that to the tokenizer

    def as_json(self) -> dict[str, str]:
        told = {
            "name": self.name,
            "sha256": self.sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
            "eos": self.eos,
        }
        return {key: value for key, value in told.items() if value is not None}


def packed_template(chosen: ChosenTemplate) -> PackedTemplate:
    """What a pack needs so that the template is the same without the workspace and its tokenizer."""
    tokenizer = chosen.tokenizer
    return PackedTemplate(
        name=chosen.name,
        sha256=chosen.sha256,
        files=template_files(chosen),
        tokenizer_sha256=tokenizer.sha256 if tokenizer else None,
        eos=tokenizer.eos or None if tokenizer and chosen.path is None else None,
    )


def write_pack(
    store: Store, version: str | VersionInfo, path: Path, template: PackedTemplate | None = None
) -> dict[str, Any]:
    """Write a version into one file, all or nothing; gives the manifest."""
    chosen = store.resolve(version) if isinstance(version, str) else version
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file such as {path / chosen.name}.pack")
    tables = split_tables(store, chosen)
    items = items_of(tables)
    members = {split_file(split): _parquet(table) for split, table in tables.items()}
    members[ITEMS] = _parquet(items)
    members[RECIPE] = json.dumps(chosen.recipe, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    if template:
        members |= {TEMPLATES + name: template.files[name] for name in sorted(template.files)}
    licences = of_version(chosen.stats)
    manifest = {
        "pack": LAYOUT,
        "version": chosen.name,
        "version_id": chosen.id,
        "recipe_sha256": hashlib.sha256(canonical(dict(chosen.recipe))).hexdigest(),
        "splits": {split: table.num_rows for split, table in tables.items()},
        "items": items.num_rows,
        "template": template.as_json() if template else None,
        **({"licences": licences} if stated(licences) else {}),
        "files": [
            {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        ],
    }
    head = json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    _write(path, {MANIFEST: head, **members})
    return manifest


def items_of(tables: Mapping[str, Any]) -> Any:
    """The evaluation items of validation and test: each row's last assistant turn, if it has one.

    item, split, row_id, turn (its place among the messages, from 0), cluster, messages (those before it), reference
    (its text; null where the turn only calls tools), and the columns of the rows.
    """
    lines = []
    for split in HELD_OUT:
        for row in tables[split].to_pylist():
            turns = [at for at, message in enumerate(row["messages"]) if message["role"] == "assistant"]
            if turns:
                lines.append(_item(split, row, turns[-1]))
    schema = tables["train"].schema
    head = [("item", pa.string()), ("split", pa.string()), ("row_id", pa.string()), ("turn", pa.int64())]
    rest = [schema.field(name) for name in schema.names if name != "row_id"]
    return pa.Table.from_pylist(lines, schema=pa.schema([*head, *rest, ("reference", pa.large_string())]))


def _item(split: str, row: dict[str, Any], turn: int) -> dict[str, Any]:
    said = row["messages"][turn]["content"]
    name = item_id(row["row_id"], turn)
    return {**row, "item": name, "split": split, "turn": turn, "messages": row["messages"][:turn], "reference": said}


def _parquet(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks(), sink, compression="zstd", compression_level=_ZSTD_LEVEL)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _write(path: Path, members: Mapping[str, bytes]) -> None:
    """Members as they are: Parquet is compressed already, and a reader gets at each by itself."""
    temp = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with disk_errors(path, "no pack was written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(temp, "w", zipfile.ZIP_STORED) as archive:
                for name, content in members.items():
                    entry = zipfile.ZipInfo(name, _EPOCH)
                    entry.external_attr = _MODE
                    entry.create_system = 3  # the same on every system
                    archive.writestr(entry, content)
            sync_file(temp)
            os.replace(temp, path)
        finally:
            temp.unlink(missing_ok=True)
        sync_folder(path.parent)
