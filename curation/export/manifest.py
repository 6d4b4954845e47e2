"""manifest.json: what an export holds, byte for byte; it has no dates, so equal exports are equal files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from curation.config_file import check_config
from curation.errors import ConfigError
from curation.store.files import file_sha256

MANIFEST: Final = "manifest.json"
_LAYOUT: Final = 1


@dataclass(frozen=True, slots=True)
class ExportedFile:
    path: str  # relative to the manifest
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    version: str
    version_id: str
    recipe_sha256: str
    format: str
    container: str
    files: tuple[ExportedFile, ...]
    template: dict[str, str] | None = None  # of an export as text: its name and hash
    skipped: dict[str, int] | None = None  # split -> rows that the format cannot express, which were to be left out
    licences: dict[str, str | None] | None = None  # source -> its licence; None where none is stated of any

    def content(self) -> bytes:
        told = {"manifest": _LAYOUT, **asdict(self)}
        for name in ("template", "skipped", "licences"):
            if told[name] is None:
                del told[name]
        return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a folder, None if there is none; ConfigError if it is not one of ours."""
    path = folder / MANIFEST
    try:
        value: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); delete it and export again") from None
    check_config(value, "manifest.schema.json", where=str(path))
    del value["manifest"]
    return Manifest(**{**value, "files": tuple(ExportedFile(**file) for file in value["files"])})


def check_export(folder: Path) -> list[str]:
    """Every way in which a folder differs from its manifest, one line each; empty if it is a whole export."""
    try:
        manifest = read_manifest(folder)
    except ConfigError as error:
        return [str(error)]
    if manifest is None:
        return [f"{folder / MANIFEST}: is missing, so the export is not complete; export again"]
    problems = (_problem(folder / file.path, file) for file in manifest.files)
    return [problem for problem in problems if problem]


def _problem(path: Path, file: ExportedFile) -> str | None:
    if not path.is_file():
        return f"{path}: is missing; export again"
    if path.stat().st_size != file.bytes or file_sha256(path) != file.sha256:
        return f"{path}: is not the file that was exported; export again"
    return None
