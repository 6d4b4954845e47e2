"""The records of a version, split by split, in the version's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import StoreError
from curation.store import Store, VersionInfo

SPLITS: Final = ("train", "validation", "test")
_CHUNK_ROWS: Final = 4_096  # keeps the rendered text of a chunk small, whatever the version's size


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive members of one split, as Arrow arrays."""

    records: Any  # canonical JSON, large_binary
    row_ids: Any  # UUID text


class Members:
    """The members of a version beside their records."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        members = store.table(version, "members", ["split", "row_id"])
        rows = store.table(version, "rows", ["row_id", "record"])
        self._split = members.column("split")
        self._row_id = members.column("row_id").combine_chunks()
        self._records = rows.column("record").combine_chunks().cast(pa.large_binary())
        self._places = pc.index_in(self._row_id, value_set=rows.column("row_id").combine_chunks())
        if self._places.null_count:
            raise StoreError(f"version {version.name}: {self._places.null_count} members have no row; build it again")

    def chunks(self, split: str) -> Iterator[Chunk]:
        chosen = pc.indices_nonzero(pc.equal(self._split, split))
        for start in range(0, len(chosen), _CHUNK_ROWS):
            part = chosen.slice(start, _CHUNK_ROWS)
            records = self._records.take(self._places.take(part))
            yield Chunk(records, uuid_texts(self._row_id.take(part)))

    def mentioning(self, key: str) -> Iterator[dict[str, Any]]:
        """Every record that has this key, and perhaps some that do not."""
        for record in self._records.filter(pc.match_substring(self._records, f'"{key}":')):
            yield orjson.loads(record.as_py())


_HEX: Final = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_DIGITS_AT: Final = [at for at in range(36) if at not in (8, 13, 18, 23)]


def uuid_texts(ids: Any) -> Any:
    """A binary(16) array as UUID text; null stays null."""
    if not len(ids):
        return pa.array([], pa.string())
    raw = np.frombuffer(ids.buffers()[1], np.uint8).reshape(-1, 16)[ids.offset : ids.offset + len(ids)]
    text = np.full((len(ids), 36), ord("-"), np.uint8)
    text[:, _DIGITS_AT] = _HEX[raw].reshape(-1, 32)
    texts = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(ids), [None, pa.py_buffer(text)]).cast(pa.binary())
    return pc.if_else(ids.is_valid(), texts.view(pa.string()), None)
