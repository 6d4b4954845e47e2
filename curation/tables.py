"""The Arrow tables that flow through a build, and the Verdict that every stage returns.

Within one build a row is known by `pos`: its place in the build order (recipe's source order, else
sorted path, then unit), counted over ALL units, so quarantined units have a pos as well. pos decides
who is first; it is never stored as an identity (row_id is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

# One line per input unit, in pos order. `offset` and `length` are bytes of the decompressed stream
# (-1 where the container has none: Parquet, datasets). `line` is 1-based (Parquet: row number).
UNITS: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("source", pa.int32()),  # index into the build's list of sources
        ("unit", pa.int64()),  # 0-based among the non-blank units of its source
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)

# Units that became a record. Columns a stage does not know it passes through untouched.
ROWS: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("source", pa.int32()),
        ("row_id", pa.binary(16)),  # sha256(canonical JSON as converted)[:16]; never changes later
        ("roles", pa.string()),  # a letter a message: s system, u user, a assistant, t tool
        ("system", pa.large_string()),  # system messages, joined by newline; "" if none
        ("prompt", pa.large_string()),  # messages before the last assistant turn, without system
        ("answer", pa.large_string()),  # content of the last assistant turn; "" if there is none
        ("record", pa.large_binary()),  # canonical JSON: {"messages": [...], "meta": {...}, "tools"?}
    ]
)

# What a stage took out. verdict: dropped | merged | quarantined.
DROPPED: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),  # short code: near_duplicate, empty_answer, bad_json ...
        ("value", pa.float64()),  # what was measured (similarity, length ...), null if nothing was
        ("threshold", pa.float64()),
        ("matched", pa.int64()),  # pos of the row it matched, null if none
        ("detail", pa.string()),  # one line for people; null if the reason says it all
    ]
)

# What a stage noticed and let pass. Several notes for one row are several lines.
FLAGGED: Final = pa.schema(
    [
        ("pos", pa.int64()),
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("matched", pa.int64()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stage decided. kept + dropped == input, each in pos order; the runner checks it."""

    kept: Any
    dropped: Any
    flagged: Any


def empty(schema: Any) -> Any:
    return schema.empty_table()


def dropped_table(
    pos: Any,
    reason: Any,
    *,
    verdict: str = "dropped",
    value: Any = None,
    threshold: Any = None,
    matched: Any = None,
    detail: Any = None,
) -> Any:
    """DROPPED from columns; a scalar or None stands for the whole column."""
    fields = {"reason": reason, "value": value, "threshold": threshold, "matched": matched, "detail": detail}
    return _table(DROPPED, pos, {"verdict": verdict, **fields})


def flagged_table(
    pos: Any, reason: Any, *, value: Any = None, threshold: Any = None, matched: Any = None, detail: Any = None
) -> Any:
    """FLAGGED from columns; a scalar or None stands for the whole column."""
    fields = {"reason": reason, "value": value, "threshold": threshold, "matched": matched, "detail": detail}
    return _table(FLAGGED, pos, fields)


def _table(schema: Any, pos: Any, columns: dict[str, Any]) -> Any:
    arrays = [pa.array(pos, pa.int64())]
    n = len(arrays[0])
    for field in list(schema)[1:]:
        value = columns[field.name]
        if value is None or isinstance(value, (str, int, float)):
            value = [value] * n
        arrays.append(pa.array(value, field.type))
    return pa.Table.from_arrays(arrays, schema=schema).sort_by("pos")


# ---- what a version stores (Parquet segments; binary(16) ids are written as Parquet UUID) ----

_ID = pa.binary(16)

STORED: Final = {
    # One line per converted row, whatever its fate; sorted by row_id.
    "rows": pa.schema(
        [
            ("row_id", _ID),
            ("record", pa.large_string()),  # canonical JSON as exported (after normalisation)
            ("converted", pa.large_string()),  # canonical JSON that row_id hashes; null if the same as record
            ("content_hash", _ID),  # sha256(record)[:16]
        ]
    ),
    # The version itself: sorted by split (train, validation, test), then place.
    "members": pa.schema(
        [("split", pa.string()), ("place", pa.int64()), ("row_id", _ID), ("content_hash", _ID), ("cluster", pa.int64())]
    ),
    # One terminal verdict per input unit, in build order; the key is (source, unit).
    "ledger": pa.schema(
        [
            ("source", pa.string()),
            ("unit", pa.int64()),
            ("line", pa.int64()),
            ("byte_offset", pa.int64()),
            ("byte_length", pa.int64()),
            ("row_id", _ID),  # null for quarantined units that never became a record
            ("verdict", pa.string()),  # kept | dropped | merged | quarantined
            ("stage", pa.string()),  # the stage that decided; null for kept
            ("reason", pa.string()),
            ("value", pa.float64()),
            ("threshold", pa.float64()),
            ("matched_row_id", _ID),
            ("matched_source", pa.string()),
            ("matched_unit", pa.int64()),
            ("similarity", pa.float64()),
            ("cluster", pa.int64()),
            ("split", pa.string()),
            ("detail", pa.string()),
            ("prompt_language", pa.string()),  # und: cannot be told; null where it was not looked at
            ("answer_language", pa.string()),
        ]
    ),
    # Notes: what stages noticed and let pass, in build order.
    "flags": pa.schema(
        [
            ("source", pa.string()),
            ("unit", pa.int64()),
            ("row_id", _ID),
            ("stage", pa.string()),
            ("reason", pa.string()),
            ("value", pa.float64()),
            ("threshold", pa.float64()),
            ("matched_row_id", _ID),
            ("detail", pa.string()),
        ]
    ),
    # Edges between kept rows' prompts that bear on the split; left before right in build order.
    "edges": pa.schema(
        [
            ("left_row_id", _ID),
            ("right_row_id", _ID),
            ("similarity", pa.float32()),
            ("kind", pa.string()),  # near | equal | opening | group | differs_in_fact
            ("fact", pa.string()),  # what differs, for differs_in_fact
        ]
    ),
    # Evaluation items found in rows, whether these were dropped for it or not.
    "contamination": pa.schema(
        [
            ("set", pa.string()),
            ("set_sha256", pa.string()),
            ("item", pa.string()),
            ("source", pa.string()),
            ("unit", pa.int64()),
            ("row_id", _ID),
            ("start", pa.int64()),  # characters of system, prompt and answer, joined by newlines
            ("end", pa.int64()),
            ("coverage", pa.float64()),  # share of the question's telling n-grams
            ("how", pa.string()),  # stem | stem+choices | stem+answer
            ("dropped", pa.bool_()),
        ]
    ),
    # Raw bytes of quarantined units (the first MiB of each).
    "quarantine": pa.schema(
        [("source", pa.string()), ("unit", pa.int64()), ("reason", pa.string()), ("raw", pa.large_binary())]
    ),
    # What patches did to rows: one line an entry, in the order applied.
    "patches": pa.schema(
        [
            ("patch", pa.string()),
            ("file", pa.string()),
            ("line", pa.int64()),
            ("op", pa.string()),
            ("row_id", _ID),  # the row named; null for an added one
            ("result_row_id", _ID),  # what became of it; null for a dropped one
            ("units", pa.int64()),  # how many units held that row
            ("author", pa.string()),
            ("time", pa.string()),
            ("reason", pa.string()),
            ("tags", pa.string()),  # ids of tag events, with commas between
        ]
    ),
    # Tokens of the kept rows, in build order, where the recipe names a tokenizer.
    "tokens": pa.schema(
        [
            ("row_id", _ID),
            ("prompt_tokens", pa.int64()),  # read only: BOS, prompts, headings
            ("answer_tokens", pa.int64()),  # trained: answers and their ends of turn
            ("total", pa.int64()),
        ]
    ),
    "sources": pa.schema(
        [
            ("source", pa.string()),
            ("sha256", pa.string()),
            ("bytes", pa.int64()),
            ("container", pa.string()),
            ("format", pa.string()),
            ("evidence", pa.string()),  # why this format
            ("units", pa.int64()),
            ("blank", pa.int64()),
            ("bad", pa.int64()),
        ]
    ),
}
