"""Exact duplicates: rows whose messages are all equal but for case and white space are merged into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.keys import case_variants, column_keys, row_numbers, text_keys
from curation.ranking import KEEPS, Keep, by_preference
from curation.tables import FLAGGED, Verdict, dropped_table, empty

# Role orders whose whole content stands in the columns system, prompt, answer. Elsewhere the joined columns do not
# show where one turn ends, so that the key is taken of the messages themselves.
_PLAIN = ("ua", "sua")
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class ExactConfig:
    action: Literal["merge", "off"] = "merge"
    lowercase: bool = True  # except in code and texts about capital letters, where case means something
    whitespace: bool = True
    keep: Keep = "first"

    def __post_init__(self) -> None:
        if self.action not in ("merge", "off") or self.keep not in KEEPS:
            raise ConfigError(
                f"exact: no action {self.action!r} with keep {self.keep!r}; use merge or off, {', '.join(KEEPS)}"
            )


def exact(rows: Any, config: ExactConfig) -> Verdict:
    """Merge rows of equal key into the preferred one of them. The key covers roles and every message."""
    if config.action == "off" or rows.num_rows < 2:
        return Verdict(rows, dropped_table([], []), empty(FLAGGED))
    group = _groups(rows, config)
    order = by_preference(rows, config.keep)
    winner = np.empty(group.max() + 1, np.int64)
    winner[group[order[::-1]]] = order[::-1]
    winner = winner[group]
    merged = winner != np.arange(rows.num_rows)
    pos = rows["pos"].to_numpy()
    lost = rows.select(["roles", "system", "prompt", "answer"]).filter(pa.array(merged))
    dropped = dropped_table(
        pos[merged],
        "exact_duplicate",
        verdict="merged",
        value=1.0,
        matched=pos[winner[merged]],
        detail=[_shown(row, config) for row in lost.to_pylist()],
    )
    kept = rows.filter(pa.array(~merged)) if merged.any() else rows
    return Verdict(kept, dropped, empty(FLAGGED))


def _groups(rows: Any, config: ExactConfig) -> npt.NDArray[np.int64]:
    """A number a row, the same for rows of equal key: first by columns, then exactly among rows whose columns agree."""
    coarse = row_numbers(_column_keys(rows, config))
    several = np.flatnonzero(np.bincount(coarse)[coarse] > 1)
    fine = np.zeros((len(coarse), 4), np.uint64)
    fine[:, 0] = coarse
    some = rows.select(["roles", "prompt", "answer", "record"]).take(pa.array(several))
    if config.lowercase:
        texts = pc.binary_join_element_wise(some["prompt"], some["answer"], pa.scalar("\n", pa.large_string()))
        fine[several, 1] = case_variants(texts, coarse[several], whitespace=config.whitespace)
    turns = ~pc.is_in(some["roles"], pa.array(_PLAIN)).to_numpy() | _has_tools(some["record"])
    spelled = [_spelled(record.as_py(), config.whitespace) for record in some["record"].filter(pa.array(turns))]
    own = text_keys(pa.array(spelled, pa.large_string()), lowercase=config.lowercase, whitespace=False)
    fine[several[turns], 2:] = own
    return row_numbers(fine)


def _column_keys(rows: Any, config: ExactConfig) -> npt.NDArray[np.uint64]:
    keys = np.zeros((rows.num_rows, 2), np.uint64)
    usual = config.lowercase and config.whitespace
    for column in ("roles", "system", "prompt", "answer"):
        hashes = (
            column_keys(rows, column)
            if usual
            else text_keys(rows[column], lowercase=config.lowercase, whitespace=config.whitespace)
        )
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + hashes
    return keys


def _has_tools(records: Any) -> npt.NDArray[np.bool_]:
    """Rows that may hold tools or tool calls, which no column shows."""
    marks: npt.NDArray[np.bool_] = pc.match_substring(records, '"tool').to_numpy()
    return marks


def _spelled(record: bytes, whitespace: bool) -> str:
    """Messages and tools of a record as one text that shows every boundary."""
    parsed = orjson.loads(record)
    messages = parsed["messages"]
    if whitespace:
        messages = [m | {"content": " ".join(m["content"].split())} if m.get("content") else m for m in messages]
    return orjson.dumps([messages, parsed.get("tools")], option=orjson.OPT_SORT_KEYS).decode()


def _shown(row: dict[str, str], config: ExactConfig) -> str:
    """The key as people see it, shortened."""
    said = [text for text in (row["system"], row["prompt"], row["answer"]) if text]
    text = " | ".join(" ".join(t.split()) if config.whitespace else t for t in said)
    text = text.lower() if config.lowercase else text
    short = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"equal key: {short}"
