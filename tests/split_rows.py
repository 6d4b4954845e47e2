"""Rows for the tests of curation/splits, and what ties two questions, by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from curation.records import canonical, row_id, sides
from curation.tables import ROWS


def messages(row: dict[str, Any]) -> list[dict[str, Any]]:
    """`turns` (user and assistant by turns) or else prompt and answer."""
    turns = row.get("turns") or [row.get("prompt", ""), row.get("answer", "ok")]
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]


def rows_table(rows: Sequence[dict[str, Any]]) -> Any:
    """tables.ROWS and fixed_split; `id` keeps rows with equal text apart."""
    lines = []
    for pos, row in enumerate(rows):
        meta = dict(row.get("meta", {}))
        if "id" in row:
            meta["id"] = row["id"]
        talk = messages(row)
        record = canonical({"messages": talk, "meta": meta})
        roles, system, prompt, answer = sides(talk)
        source = row.get("source", 0)
        lines.append((pos, source, row_id(record), roles, system, prompt, answer, record, row.get("fixed")))
    schema = ROWS.append(pa.field("fixed_split", pa.string()))
    columns = zip(*lines, strict=True) if lines else [[] for _ in schema]
    return pa.Table.from_arrays(
        [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)], schema=schema
    )


def question_set(text: str, size: int = 5) -> frozenset[str]:
    line = " ".join(text.lower().split())
    return frozenset(line[i : i + size] for i in range(max(1, len(line) - size + 1))) if line else frozenset()


def tied(a: str, b: str, threshold: float = 0.5) -> bool:
    x, y = question_set(a), question_set(b)
    return bool(x) and bool(y) and len(x & y) >= threshold * len(x | y)


def split_of(splits: Any) -> dict[int, str]:
    """pos -> split of the kept rows."""
    return dict(zip(splits.table["pos"].to_pylist(), splits.table["split"].to_pylist(), strict=True))


def by_row_id(rows: Any, splits: Any) -> dict[bytes, str]:
    ids = dict(zip(rows["pos"].to_pylist(), rows["row_id"].to_pylist(), strict=True))
    return {ids[pos]: name for pos, name in split_of(splits).items()}
