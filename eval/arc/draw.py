"""Which items of a benchmark are asked where not all are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def drawn(ids: Sequence[str], limit: int | None) -> list[int]:
    """Places of `limit` items by the hash of their ids, in the benchmark's order; all of them where there is none."""
    if limit is None or limit >= len(ids):
        return list(range(len(ids)))
    ranked = sorted(range(len(ids)), key=lambda i: hashlib.sha256(ids[i].encode()).digest())
    return sorted(ranked[:limit])
