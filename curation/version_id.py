"""The id of a version: a hash of its members in order and of the recipe that made them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pyarrow.compute as pc

from curation.records import canonical

_DOMAIN: Final = b"curate version 1\n"


def version_id(members: Any, recipe: dict[str, Any]) -> str:
    """64 hex digits. How a version is exported or rendered is no part of it; what it holds, and why, is.

    `members` as tables.STORED["members"]; `recipe` with every default resolved.
    """
    digest = hashlib.sha256(_DOMAIN)
    # Token counts are stored with a version, so what they were counted with is part of it then.
    counted = (recipe.get("tokens") or {}).get("tokenizer") is not None
    left_out = {"export"} if counted else {"export", "template", "tokens"}
    digest.update(canonical({key: value for key, value in recipe.items() if key not in left_out}))
    for split in ("train", "validation", "test"):
        part = members.filter(pc.equal(members["split"], split))
        digest.update(f"\n{split} {part.num_rows}\n".encode())
        for name in ("row_id", "content_hash"):
            digest.update(b"".join(part[name].to_pylist()))
    return digest.hexdigest()
