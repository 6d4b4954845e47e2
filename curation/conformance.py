"""For the tests of your own stages: `check_stage(stage, config)` tries what every stage promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curation.records import canonical, row_id, sides
from curation.stages.conservation import problem
from curation.tables import ROWS, Verdict

Stage = Callable[[Any, Any], Verdict]


def check_stage(
    stage: Stage,
    config: Any = None,
    tables: Iterable[Any] | None = None,
    *,
    idempotent: bool = True,
    order_matters: bool = True,
) -> None:
    """Raise AssertionError, saying what and on which row, unless the stage keeps its promises on every table.

    No row lost, doubled, changed or moved; every drop with a reason; an empty table and a table in pieces work;
    twice the same rows give twice the same verdict. idempotent: rows it kept, it keeps again. order_matters=False:
    the order of the rows changes no verdict. `tables`: tables.ROWS, as rows_table() makes them; default: a table of
    everyday and odd rows.
    """
    config = {} if config is None else config
    for table in [rows_table([]), *(tables if tables is not None else [odd_rows()])]:
        verdict = stage(table, config)
        broken = problem(table, verdict)
        _require(broken is None, broken or "")
        _require(_same(stage(table, config), verdict), "the same rows get another verdict the second time")
        _require(_same(stage(_in_pieces(table), config), verdict), "rows in several chunks get another verdict")
        if idempotent:
            again = stage(verdict.kept, config)
            _require(not again.dropped.num_rows, "run on what it kept, it drops rows again")
        if not order_matters:
            turned = _turned(table)
            _require(_by_row(table, verdict) == _by_row(turned, stage(turned, config)), "order changes the verdict")


def rows_table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """tables.ROWS of rows given as {"prompt", "answer", "meta"?} or {"messages", "meta"?}."""
    lines = []
    for pos, row in enumerate(rows):
        messages = row.get("messages") or [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row["answer"]},
        ]
        record = canonical({"messages": messages, "meta": row.get("meta", {})})
        lines.append((pos, 0, row_id(record), *sides(messages), record))
    columns = zip(*lines, strict=True) if lines else [[] for _ in ROWS]
    return pa.table([pa.array(c, kind.type) for c, kind in zip(columns, ROWS, strict=True)], schema=ROWS)


def odd_rows() -> Any:
    """Everyday rows, and those that stages stumble over: empty, long, other scripts, tools, missing fields."""
    tool = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    plain = [
        {"prompt": f"How do I reset badge {i}?", "answer": f"Hold it for {i} seconds.", "meta": {"n": i}}
        for i in range(20)
    ]
    return rows_table(
        [
            *plain,
            plain[0],
            {"prompt": "", "answer": ""},
            {"prompt": " \n\t", "answer": "\u200b"},
            {"prompt": "Unde este cheia?", "answer": "La recepție, în sertar."},
            {"prompt": "鍵はどこですか", "answer": "受付にあります。"},
            {"prompt": "e\u0301 \U0001f511", "answer": "\x00"},
            {"prompt": "long", "answer": "word " * 5_000, "meta": {"n": None, "topic": ["a", "b"]}},
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
            {
                "messages": [
                    {"role": "user", "content": "What time is it?"},
                    {"role": "assistant", "content": None, "tool_calls": [tool]},
                    {"role": "tool", "content": "12:00", "tool_call_id": "1"},
                    {"role": "assistant", "content": "Noon."},
                ]
            },
        ]
    )


def _require(fine: bool, message: str) -> None:
    if not fine:
        raise AssertionError(message)


def _same(one: Verdict, other: Verdict) -> bool:
    pairs = ((one.kept, other.kept), (one.dropped, other.dropped), (one.flagged, other.flagged))
    return all(a.to_pylist() == b.to_pylist() for a, b in pairs)


def _in_pieces(table: Any) -> Any:
    """The same rows in chunks of three, as a reader of large files gives them."""
    pieces = [table.slice(i, 3) for i in range(0, table.num_rows, 3)]
    return pa.concat_tables(pieces) if pieces else table


def _turned(table: Any) -> Any:
    """The rows the other way round, pos ascending again."""
    back = table.take(pa.array(np.arange(table.num_rows)[::-1].copy()))
    return back.set_column(0, ROWS.field("pos"), table["pos"])


def _by_row(table: Any, verdict: Verdict) -> list[tuple[bytes, str]]:
    """Each row's fate without its place."""
    reasons = dict(zip(verdict.dropped["pos"].to_pylist(), verdict.dropped["reason"].to_pylist(), strict=True))
    rows = zip(table["row_id"].to_pylist(), table["pos"].to_pylist(), strict=True)
    return sorted((name, reasons.get(pos, "")) for name, pos in rows)
