"""Rows of a pack, or of any table with the same columns, as canonical records, byte for byte those of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

from curation.records import canonical

_OPTIONAL: Final = ("name", "tool_call_id", "tool_calls")


def record_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical record of a row as to_pylist gives it."""
    record: dict[str, Any] = {"messages": [_message(m) for m in row["messages"]], "meta": _parsed(row["meta"])}
    if row.get("tools") is not None:
        record["tools"] = _parsed(row["tools"])
    return record


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without the columns that only other messages have."""
    extra = {key: message[key] for key in _OPTIONAL if message.get(key) is not None}
    if "tool_calls" in extra:
        extra["tool_calls"] = _parsed(extra["tool_calls"])
    return {"role": message["role"], "content": message["content"], **extra}


def _parsed(text: str) -> Any:
    value = orjson.loads(text)
    return (
        value if canonical(value).decode() == text else json.loads(text)
    )  # orjson reads integers beyond 64 bits as floats
