"""The records of a version, split by split, in the version's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curation.errors import StoreError
from curation.store import Store, VersionInfo

SPLITS: Final = ("train", "validation", "test")
_CHUNK_ROWS: Final = 4_096  # keeps the rendered text of a chunk small, whatever the version's size


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive members of one split: canonical JSON and UUID text."""

    records: list[bytes]
    row_ids: list[str]


class Members:
    """The members of a version beside their records."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        import pyarrow.compute as pc

        members = store.table(version, "members", ["split", "row_id"])
        rows = store.table(version, "rows", ["row_id", "record"])
        self._split = members.column("split")
        self._row_id = members.column("row_id").combine_chunks()
        self._records = rows.column("record").cast(pa.large_binary())
        self._places = pc.index_in(self._row_id, value_set=rows.column("row_id").combine_chunks())
        if self._places.null_count:
            raise StoreError(f"version {version.name}: {self._places.null_count} members have no row; build it again")

    def chunks(self, split: str) -> Iterator[Chunk]:
        import pyarrow.compute as pc

        chosen = pc.indices_nonzero(pc.equal(self._split, split))
        for start in range(0, len(chosen), _CHUNK_ROWS):
            part = chosen.slice(start, _CHUNK_ROWS)
            records = self._records.take(self._places.take(part)).to_pylist()
            yield Chunk(records, uuid_texts(self._row_id.take(part)))

    def mention(self, key: str) -> bool:
        """Whether any record may have this key; never wrong when it says no."""
        import pyarrow.compute as pc

        return bool(pc.any(pc.match_substring(self._records, f'"{key}":')).as_py())


def uuid_texts(ids: Any) -> list[Any]:
    """binary(16) ids as UUID text; None stays None."""
    return [_uuid_text(value) if value is not None else None for value in ids.to_pylist()]


def _uuid_text(value: bytes) -> str:
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
