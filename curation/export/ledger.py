"""The ledger as a Parquet file: one line for every input unit, with its verdict and the reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from curation.errors import ConfigError
from curation.export.members import uuid_texts
from curation.store import Store, VersionInfo
from curation.store.files import disk_errors, sync_file, sync_folder

_FIRST: Final = (
    *("source", "unit", "line", "byte_offset", "row_id", "verdict", "stage", "reason", "value", "threshold"),
    *("matched_row_id", "similarity", "cluster", "split"),
)


def is_ledger(path: Path) -> bool:
    """Whether a file is a ledger that was exported."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return tuple(pq.read_schema(path).names[: len(_FIRST)]) == _FIRST
    except (ArrowException, OSError):
        return False


def export_ledger(store: Store, version: str | VersionInfo, path: Path) -> int:
    """Write the ledger of a version, ids as UUID text as in the exported splits; gives the number of lines."""
    import pyarrow.parquet as pq

    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file such as {path / 'ledger.parquet'}")
    table = store.table(version, "ledger")
    for name in ("row_id", "matched_row_id"):
        texts = uuid_texts(table.column(name).combine_chunks())
        table = table.set_column(table.schema.get_field_index(name), name, texts)
    table = table.select([*_FIRST, *(name for name in table.column_names if name not in _FIRST)])
    temp = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with disk_errors(path, "no ledger was written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(table.combine_chunks(), temp, compression="zstd")
            sync_file(temp)
            os.replace(temp, path)
        finally:
            temp.unlink(missing_ok=True)
        sync_folder(path.parent)
    return int(table.num_rows)
