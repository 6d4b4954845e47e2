"""Segments: immutable, content-addressed Parquet files that hold the tables of versions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import StoreError
from curation.store.files import TEMP_PREFIX, file_sha256, sync_file
from curation.store.versions import Segment
from curation.tables import STORED

_ID: Final = pa.binary(16)
# Level 1 writes 50,000 records in half the time of level 3 and is 20 % larger (benchmarks/store_publish.py).
_ZSTD_LEVEL: Final = 1
# Small enough that one record is found without unpacking the table, large enough to compress well.
_ROW_GROUP: Final = {"rows": 8_192}
_DEFAULT_ROW_GROUP: Final = 65_536


def write_segment(folder: Path, name: str, table: Any) -> Segment:
    """Store a table; the same content gives the same file, whatever the table's chunks."""
    schema = STORED[name]
    assert table.schema.equals(schema), f"table {name!r}: {table.schema} is not {schema}"
    temp = folder / f"{TEMP_PREFIX}{os.getpid()}-{name}.parquet"
    short = [field.name for field in schema if field.type == pa.string()]
    pq.write_table(
        _with_uuids(table.combine_chunks().replace_schema_metadata(None)),
        temp,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROW_GROUP.get(name, _DEFAULT_ROW_GROUP),
        use_dictionary=short,
        write_statistics=[field.name for field in schema if not _is_long(field.type)],
    )
    digest = file_sha256(temp)
    segment = Segment(f"{name}-{digest[:32]}.parquet", table.num_rows, temp.stat().st_size, digest)
    if (folder / segment.file).exists() and not segment_problem(folder, segment):
        temp.unlink()
    else:
        sync_file(temp)
        os.replace(temp, folder / segment.file)
    return segment


def read_segment(folder: Path, segment: Segment, columns: Sequence[str] | None = None) -> Any:
    """The table in a segment, ids as binary(16), rows in stored order."""
    with opened(folder, segment) as file:
        return _without_uuids(file.read(columns=columns))


def read_batches(folder: Path, segment: Segment, batch_rows: int) -> Iterator[Any]:
    """The same in record batches, so that a large version need not fit into memory."""
    with opened(folder, segment) as file:
        for batch in file.iter_batches(batch_size=batch_rows):
            yield from _without_uuids(pa.Table.from_batches([batch])).to_batches()


def read_rows_at(folder: Path, segment: Segment, places: Sequence[int]) -> Any:
    """The rows at ascending `places`; unpacks only the row groups that hold them."""
    with opened(folder, segment) as file:
        groups, local, start = [], [], 0
        taken = iter(sorted(places))
        place = next(taken, None)
        before = 0  # rows in the groups chosen so far
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            hits = []
            while place is not None and place < start + size:
                hits.append(before + place - start)
                place = next(taken, None)
            if hits:
                groups.append(group)
                local += hits
                before += size
            start += size
        return _without_uuids(file.read_row_groups(groups)).take(pa.array(local, pa.int64()))


@contextmanager
def opened(folder: Path, segment: Segment) -> Iterator[Any]:
    """An open Parquet file whose bytes are the published ones; else StoreError."""
    verify_segment(folder, segment)
    with pq.ParquetFile(folder / segment.file) as file:
        yield file


def verify_segment(folder: Path, segment: Segment) -> None:
    """Raise StoreError unless the bytes are the published ones; looks once at a file that stays as it is.

    Parquet readers given damaged bytes answer with any exception, or with wrong rows and none at all.
    """
    path = folder / segment.file
    seen = _fingerprint(path)
    if seen is None or seen not in _verified:
        if problem := segment_problem(folder, segment):
            raise StoreError(problem)
        _verified.add(seen)


_verified: Final[set[tuple[str, int, int, int] | None]] = set()


def _fingerprint(path: Path) -> tuple[str, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size


def segment_problem(folder: Path, segment: Segment) -> str | None:
    """What is wrong with a segment's file, and what to do; None if its bytes are the published ones."""
    path = folder / segment.file
    try:
        size = path.stat().st_size
        sound = size == segment.bytes and file_sha256(path) == segment.sha256
    except FileNotFoundError:
        return f"{path}: is missing; restore it from a backup, or build the version again"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    if sound:
        return None
    what = f"is {size:,} bytes instead of {segment.bytes:,}" if size != segment.bytes else "has changed since"
    return f"{path}: damaged ({what}); restore it from a backup, or delete it and build the version again"


def _is_long(kind: Any) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _with_uuids(table: Any) -> Any:
    """binary(16) columns as Arrow UUIDs, which Parquet stores as its UUID type; no copy."""
    for at, field in enumerate(table.schema):
        if field.type == _ID:
            chunks = [pa.ExtensionArray.from_storage(pa.uuid(), chunk) for chunk in table.column(at).chunks]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, pa.uuid()))
    return table


def _without_uuids(table: Any) -> Any:
    for at, field in enumerate(table.schema):
        if isinstance(field.type, pa.UuidType):
            chunks = [chunk.storage for chunk in table.column(at).chunks]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, _ID))
    return table
