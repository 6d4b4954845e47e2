"""JSON lines on disk, found by their ids: in memory is where each stands, not what it says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson


class Lookup:
    """Lines of a file by their `item_id`, the last one of each; others can be added. It is closed with the block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at: dict[bytes, int] = {}
        place = 0
        for line in file:
            self._at[digest(orjson.loads(line)["item_id"])] = place
            place += len(line)

    @classmethod
    def open(cls, path: Path) -> Lookup:
        return cls(path.open("rb"))

    def __enter__(self) -> Lookup:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._at)

    def add(self, item_id: str, told: Mapping[str, Any]) -> None:
        self._at[digest(item_id)] = self._file.seek(0, os.SEEK_END)
        self._file.write(orjson.dumps({"item_id": item_id, **told}) + b"\n")

    def get(self, item_id: str) -> dict[str, Any] | None:
        place = self._at.get(digest(item_id))
        if place is None:
            return None
        self._file.seek(place)
        found: dict[str, Any] = orjson.loads(self._file.readline())
        return found


def digest(text: str) -> bytes:
    """16 bytes; no two texts share one by chance."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
