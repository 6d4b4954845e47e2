"""Row ids, content hashes and the version id are the hashes they claim to be, files are the published ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import orjson

from curation.verification.accounting import SPLITS
from curation.verification.check import Found
from curation.verification.stored import Stored, named

_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20


def files(stored: Stored) -> Found:
    """The bytes on disk are those that were published."""
    return Found(stored.store.check(), f"{len(stored.version.segments)} segments and the catalogue are as published")


def row_ids(stored: Stored) -> Found:
    """row_id is the hash of the record as converted, content_hash that of the record as exported."""
    members = stored.columns("members")
    wanted = set(zip(members["row_id"], members["content_hash"], strict=True))
    problems, seen = [], 0
    before = b""
    for row in stored.rows():
        seen += 1
        record = row["record"].encode()
        converted = record if row["converted"] is None else row["converted"].encode()
        if _short_hash(converted) != row["row_id"]:
            problems.append(f"{named(row['row_id'])}: is not the hash of its record")
        if _short_hash(record) != row["content_hash"]:
            problems.append(f"{named(row['row_id'])}: its content hash is not the hash of its record")
        if row["row_id"] <= before:
            problems.append(f"{named(row['row_id'])}: stored twice or out of order")
        before = row["row_id"]
        wanted.discard((row["row_id"], row["content_hash"]))
    problems += [f"{named(row_id)}: a member whose record is not stored" for row_id, _ in sorted(wanted)]
    return Found(problems, f"{seen:,} records hash to their ids")


def _short_hash(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]


def version_id(stored: Stored) -> Found:
    """The version's id is the hash of its members in order, its recipe without `export` and licences, and the
    evaluation sets.

    Template and tokenizer count only where tokens were counted.
    """
    members, recipe, stats = stored.columns("members"), stored.version.recipe, stored.version.stats
    beside = {"evaluation_sets": stats["evaluation_sets"]} if stats.get("evaluation_sets") else {}
    digest = hashlib.sha256(b"curate version 1\n")
    settings = {key: value for key, value in recipe.items() if key != "export"}
    if "sources" in settings:
        settings["sources"] = [{k: v for k, v in source.items() if k != "licence"} for source in settings["sources"]]
    if not settings.get("tokens") or settings["tokens"].get("tokenizer") is None:
        settings = {key: value for key, value in settings.items() if key not in ("template", "tokens")}
    elif stats.get("template"):
        beside["template"] = stats["template"]["sha256"]
        beside["tokenizer"] = stats["template"]["tokenizer_sha256"]
    digest.update(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS))
    if beside:
        digest.update(b"\n" + orjson.dumps(beside, option=orjson.OPT_SORT_KEYS))
    for split in SPLITS:
        at = [i for i, name in enumerate(members["split"]) if name == split]
        digest.update(f"\n{split} {len(at)}\n".encode())
        for column in ("row_id", "content_hash"):
            digest.update(b"".join(members[column][i] for i in at))
    found = digest.hexdigest()
    wrong = f"{stored.version.name}: its members and recipe hash to {found[:8]}, not to its id {stored.version.id[:8]}"
    return Found([] if found == stored.version.id else [wrong], f"{found[:8]} is the hash of members and recipe")


def export(stored: Stored, folder: Path) -> Found:
    """The files of an exported folder are those of its manifest, and the manifest is this version's."""
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
        listed = [(folder / file["path"], file) for file in manifest["files"]]
        version = manifest["version_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Found([f"{path}: cannot be read ({type(error).__name__}); export again"], "")
    problems = [problem for file, said in listed if (problem := _file_problem(file, said["sha256"]))]
    if version != stored.version.id:
        problems.append(f"{path}: holds version {version[:8]}, not {stored.version.id[:8]}; export again")
    sizes = {split: stored.columns("members")["split"].count(split) for split in SPLITS}
    skipped = manifest.get("skipped") or {}
    for file, said in listed:
        rows = sizes.get(said["split"], 0) - skipped.get(said["split"], 0)
        if said["rows"] != rows:
            problems.append(f"{file}: {said['rows']:,} rows instead of {rows:,}; export again")
    return Found(problems, f"{len(listed)} files of {folder} are as exported")


def _file_problem(path: Path, sha256: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        return f"{path}: {error.strerror}; export again"
    return None if digest.hexdigest() == sha256 else f"{path}: has changed since it was exported; export again"
