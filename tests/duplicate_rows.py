"""Rows of tables.ROWS from short descriptions, for the tests of duplicates and conflicts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from curation.records import canonical, row_id, sides
from curation.tables import ROWS


def rows_of(described: list[dict[str, Any]]) -> Any:
    """Each description has messages, or prompt and answer (and system); priority and reviewed if any has them."""
    columns: dict[str, list[Any]] = {name: [] for name in ROWS.names}
    for pos, row in enumerate(described):
        messages = row.get("messages") or _messages(row)
        tools = {"tools": row["tools"]} if "tools" in row else {}
        record = canonical({"messages": messages, "meta": {}, **tools})
        roles, system, prompt, answer = sides(messages)
        line = (pos, 0, row_id(record), roles, system, prompt, answer, record)
        for name, value in zip(ROWS.names, line, strict=True):
            columns[name].append(value)
    table = pa.table(columns, schema=ROWS)
    for name, kind, default in (("priority", pa.int32(), 0), ("reviewed", pa.bool_(), False)):
        if any(name in row for row in described):
            table = table.append_column(name, pa.array([row.get(name, default) for row in described], kind))
    return table


def _messages(row: dict[str, Any]) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": row["system"]}] if "system" in row else []
    return [*system, {"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["answer"]}]


def told(table: Any, *names: str) -> list[list[Any]]:
    """Lines of a table as lists of the named columns."""
    return [[row[name] for name in names] for row in table.to_pylist()]
