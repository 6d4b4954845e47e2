"""A version's rows as one Arrow table: messages as lists, the user's fields as JSON."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.export.containers import parquet_schema, with_json_text
from curation.export.layouts import LAYOUTS
from curation.export.members import Members, uuid_texts
from curation.store import Store, VersionInfo


def split_tables(store: Store, version: VersionInfo) -> dict[str, Any]:
    """Split -> row_id (UUID), cluster, messages, meta (JSON), and tools (JSON) where the version has any; in order.

    curation.pack.rows.record_of gives back a row's canonical record.
    """
    members = store.table(version, "members")
    holder, layout = Members(store, version), LAYOUTS["messages"]
    schema = parquet_schema(layout, holder)
    names = ["row_id", *(name for name in schema.names if name != "row_id")]
    tables = {}
    for split in ("train", "validation", "test"):
        records = [layout.rendered(r) for chunk in holder.chunks(split) for r in chunk.records.to_pylist()]
        here = members.filter(pc.equal(members["split"], split))
        ids = uuid_texts(here["row_id"].combine_chunks())
        rows = [with_json_text(record) for record in records]
        table = pa.Table.from_pylist(rows, schema=pa.schema([schema.field(n) for n in schema.names if n != "row_id"]))
        table = table.append_column("row_id", ids).select(names)
        tables[split] = table.add_column(1, "cluster", here["cluster"].combine_chunks())
    return tables
