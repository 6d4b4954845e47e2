"""CPU seconds to publish, list, read and export a version of the 50,000-row corpus.

python benchmarks/store_publish.py PATH/TO/instructions_50k.jsonl.gz
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation.export import export, export_ledger
from curation.records import canonical, row_id
from curation.store import Store, open_store
from curation.tables import STORED


def tables_of(path: Path) -> dict[str, Any]:
    """A version's tables as a build would hand them over: every row kept, 90/5/5 by place."""
    records = []
    with gzip.open(path) as lines:
        for line in lines:
            raw = orjson.loads(line)
            prompt = "\n".join(part for part in (raw["instruction"], raw["input"]) if part)
            messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": raw["output"]}]
            records.append(canonical({"messages": messages, "meta": {"id": raw["id"]}}))
    ids = [row_id(record) for record in records]
    n = len(ids)
    splits = ["train"] * (n * 9 // 10) + ["validation"] * (n // 20)
    splits += ["test"] * (n - len(splits))
    rows = pa.table(
        {
            "row_id": pa.array(ids, pa.binary(16)),
            "record": pa.array([record.decode() for record in records], pa.large_string()),
            "converted": pa.nulls(n, pa.large_string()),
            "content_hash": pa.array(ids, pa.binary(16)),
        },
        schema=STORED["rows"],
    ).sort_by("row_id")
    members = {"split": splits, "place": range(n), "row_id": ids, "content_hash": ids, "cluster": range(n)}
    ledger: dict[str, Any] = {name: [None] * n for name in STORED["ledger"].names}
    ledger |= {"source": ["raw/a.jsonl"] * n, "unit": range(n), "line": range(1, n + 1), "row_id": ids}
    ledger |= {"byte_offset": range(n), "byte_length": range(n), "verdict": ["kept"] * n, "split": splits}
    return {
        "rows": rows,
        "members": pa.table(members, schema=STORED["members"]),
        "ledger": pa.table(ledger, schema=STORED["ledger"]),
    }


def timed(what: str, work: Callable[[], Any]) -> Any:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    print(f"{what:32} {time.process_time() - cpu:6.3f} CPU-s {time.perf_counter() - wall:6.3f} s")
    return result


def main(path: Path) -> None:
    tables = tables_of(path)
    print(f"{tables['rows'].num_rows:,} rows, {tables['rows']['record'].nbytes / 1e6:.0f} MB of records")
    version_id = hashlib.sha256(b"benchmark").hexdigest()
    details: dict[str, Any] = {"parent": None, "message": "", "recipe": {}, "stats": {}, "created": "2000-01-01"}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = timed("create", lambda: Store.create(root / "store"))
        timed("publish", lambda: store.publish(version_id, tables, **details))
        timed("publish what is there already", lambda: store.publish(version_id, tables, **details))
        timed("open and list", lambda: open_store(root).versions())
        timed("read rows", lambda: store.table("latest", "rows"))
        one = tables["members"]["row_id"][17].as_py()
        timed("read one row", lambda: store.rows("latest", [one]))
        for layout in ("messages", "alpaca", "sharegpt", "prompt_completion"):
            timed(f"export {layout} jsonl", lambda layout=layout: export(store, "latest", root / layout, format=layout))
        timed("export messages parquet", lambda: export(store, "latest", root / "parquet", container="parquet"))
        timed("export ledger", lambda: export_ledger(store, "latest", root / "ledger.parquet"))
        size = sum(file.stat().st_size for file in (root / "store").rglob("*") if file.is_file())
        print(f"store {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
