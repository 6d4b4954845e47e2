"""The id of a version: a hash of its members in order, of the recipe that made them, and of files beside the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import pyarrow.compute as pc

from curation.records import canonical

_DOMAIN: Final = b"curate version 1\n"


def version_id(members: Any, recipe: dict[str, Any], stats: Mapping[str, Any] | None = None) -> str:
    """64 hex digits. How a version is exported or rendered is no part of it, nor under which licence its sources are
    said to be: that may be put right. What it holds, and why, is.

    `members` as tables.STORED["members"]; `recipe` with every default resolved. Of `stats` count the contents of
    the evaluation sets, and of tokenizer and template where tokens were counted: their paths stay what they are.
    """
    digest = hashlib.sha256(_DOMAIN)
    # Token counts are stored with a version, so what they were counted with is part of it then.
    counted = (recipe.get("tokens") or {}).get("tokenizer") is not None
    left_out = {"export"} if counted else {"export", "template", "tokens"}
    digest.update(canonical({key: _unlicensed(key, value) for key, value in recipe.items() if key not in left_out}))
    if read := _files_read(stats or {}, counted):
        digest.update(b"\n" + canonical(read))
    for split in ("train", "validation", "test"):
        part = members.filter(pc.equal(members["split"], split))
        digest.update(f"\n{split} {part.num_rows}\n".encode())
        for name in ("row_id", "content_hash"):
            digest.update(b"".join(part[name].to_pylist()))
    return digest.hexdigest()


def _unlicensed(key: str, value: Any) -> Any:
    if key != "sources":
        return value
    return [{name: told for name, told in source.items() if name != "licence"} for source in value]


def _files_read(stats: Mapping[str, Any], counted: bool) -> dict[str, Any]:
    """Empty where nothing but sources was read."""
    rendering = (stats.get("template") or {}) if counted else {}
    found = {
        "evaluation_sets": stats.get("evaluation_sets"),
        "template": rendering.get("sha256"),
        "tokenizer": rendering.get("tokenizer_sha256"),
    }
    return {name: value for name, value in found.items() if value}
