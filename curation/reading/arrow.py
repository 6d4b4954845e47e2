"""Parquet files and `datasets` folders: rows of Arrow tables as plain Python objects."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.errors import DataError
from curation.reading.sources import Source, hash_file, hash_folder
from curation.reading.stream import changed
from curation.reading.unit import Bad, Batch, Progress

_DAMAGED = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError)


def read_parquet(source: Source, path: Path, size: int, progress: Progress) -> Iterator[Batch]:
    """Rows of a Parquet file, row group by row group."""
    import pyarrow.parquet as pq

    def tables() -> Iterator[Any]:
        with pq.ParquetFile(path, memory_map=False) as file:
            yield from file.iter_batches(batch_size=size, use_threads=False)

    yield from _rows(source, tables, lambda: hash_file(source.name, path), progress)


def read_dataset(source: Source, path: Path, size: int, progress: Progress) -> Iterator[Batch]:
    """Rows of one split as `datasets` saved it, from its Arrow files."""

    def tables() -> Iterator[Any]:
        for file in arrow_files(path):
            with pa.memory_map(str(file)) as data, pa.ipc.open_stream(data) as reader:
                for batch in reader:
                    yield from slices(batch, size)

    yield from _rows(source, tables, lambda: hash_folder(path), progress)


def dataset_splits(name: str, folder: Path) -> list[Path]:
    """The folders of a dataset's splits: those its dataset_dict.json names, or the folder itself."""
    listing = folder / "dataset_dict.json"
    if not listing.is_file():
        return [folder]
    splits = [folder / split for split in _json(name, listing).get("splits", [])]
    for split in splits:
        if not (split / "state.json").is_file():
            raise DataError(f"{name}: names a split {split.name} that is not there; copy the dataset folder again")
    return sorted(splits)


def arrow_files(folder: Path) -> list[Path]:
    state = _json(folder.as_posix(), folder / "state.json")
    if state.get("_indices_data_files"):
        raise DataError(f"{folder.as_posix()}: was saved by an old `datasets` with an index; save it again")
    return [folder / part["filename"] for part in state.get("_data_files", [])]


def slices(batch: Any, size: int) -> Iterator[Any]:
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)


def rows_of(batches: Iterable[Any], progress: Progress) -> Iterator[Batch]:
    """Units of Arrow record batches; line is the row number, there is no byte offset."""
    row = 1
    plain: Callable[[Any], Any] | None = None
    for batch in batches:
        if plain is None:
            plain = _plain if _needs_conversion(batch.schema) else _same
        values: list[dict[str, Any] | None] = []
        bad: dict[int, Bad] = {}
        for place, value in enumerate(batch.to_pylist()):
            try:
                values.append(plain(value))
            except UnicodeDecodeError as error:
                values.append(None)
                bad[place] = Bad("bad_utf8", f"a binary field is not UTF-8 ({error.reason})", b"")
        none = [-1] * len(values)
        yield Batch([], list(range(row, row + len(values))), none, none, values, bad)
        row += len(values)
        progress.bytes_read = min(progress.bytes_total, progress.bytes_read + batch.nbytes)
    progress.bytes_read = progress.bytes_total


def _rows(
    source: Source, tables: Callable[[], Iterator[Any]], digest: Callable[[], tuple[str, int]], progress: Progress
) -> Iterator[Batch]:
    try:
        yield from rows_of(tables(), progress)
    except _DAMAGED as error:
        if digest()[0] != source.sha256:
            raise changed(source.name) from None
        reason = str(error).splitlines()[0][:200]
        kind = "Parquet file" if source.container == "parquet" else "dataset"
        raise DataError(f"{source.name}: is not a sound {kind} ({reason}); copy or make it again") from None
    if digest()[0] != source.sha256:
        raise changed(source.name)


def _json(name: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: {path.name} cannot be read ({error}); copy the dataset folder again") from None
    return value if isinstance(value, dict) else {}


def _same(value: Any) -> Any:
    return value


def _needs_conversion(schema: Any) -> bool:
    """Whether a type occurs that JSON has no word for (dates, bytes, decimals, NaN, maps)."""
    names = [field.name for field in schema]
    if len(set(names)) != len(names):
        raise pa.ArrowInvalid("two columns have the same name")
    return not all(_is_json(field.type) for field in schema)


def _is_json(kind: Any) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return all(_is_json(kind.field(place).type) for place in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_json(kind.value_type)
    known = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean, types.is_null)
    return any(is_known(kind) for is_known in known)


def _plain(value: Any) -> Any:
    """JSON's words for Arrow's values: dates as ISO text, decimals as text, bytes as UTF-8, NaN as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, timedelta)) else value
