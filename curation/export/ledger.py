"""The ledger as a Parquet or CSV file: one line for every input unit, with its verdict and the reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.export.members import uuid_texts
from curation.store import Store, VersionInfo
from curation.store.files import disk_errors, sync_file, sync_folder

_CSV: Final = ".csv"
_RUNS: Final = "^ *[=+\\-@\t\r]"  # how a text begins that a spreadsheet would run
_FIRST: Final = (
    *("source", "unit", "line", "byte_offset", "row_id", "verdict", "stage", "reason", "value", "threshold"),
    *("matched_row_id", "similarity", "cluster", "split"),
)


def is_ledger(path: Path) -> bool:
    """Whether a file is a ledger that was exported."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        if path.suffix.lower() == _CSV:
            with path.open("rb") as file:
                return file.readline(1000).startswith(",".join(f'"{name}"' for name in _FIRST).encode())
        return tuple(pq.read_schema(path).names[: len(_FIRST)]) == _FIRST
    except (ArrowException, OSError):
        return False


def export_ledger(store: Store, version: str | VersionInfo, path: Path) -> int:
    """Write the ledger of a version, ids as UUID text as in the exported splits; gives the number of lines.

    To Parquet, or where the file's name ends in .csv for a spreadsheet.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file such as {path / 'ledger.parquet'}")
    if path.suffix.lower() not in ("", _CSV, ".parquet"):
        name = path.stem.removesuffix(_CSV)
        raise ConfigError(f"{path}: a ledger is written as .parquet or .csv; name a file such as {name}{_CSV}")
    table = store.table(version, "ledger")
    for name in ("row_id", "matched_row_id"):
        texts = uuid_texts(table.column(name).combine_chunks())
        table = table.set_column(table.schema.get_field_index(name), name, texts)
    table = table.select([*_FIRST, *(name for name in table.column_names if name not in _FIRST)])
    temp = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with disk_errors(path, "no ledger was written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(table.combine_chunks(), temp, path.suffix.lower() == _CSV)
            sync_file(temp)
            os.replace(temp, path)
        finally:
            temp.unlink(missing_ok=True)
        sync_folder(path.parent)
    return int(table.num_rows)


def _write(table: Any, path: Path, csv: bool) -> None:
    if not csv:
        import pyarrow.parquet as pq

        pq.write_table(table, path, compression="zstd")
        return
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow.csv import write_csv

    for at, name in enumerate(table.column_names):
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            guarded = pc.binary_join_element_wise("'", column, "", null_handling="emit_null")
            table = table.set_column(
                at, name, pc.if_else(pc.match_substring_regex(column, _RUNS), guarded.cast(column.type), column)
            )
    write_csv(table, path)
