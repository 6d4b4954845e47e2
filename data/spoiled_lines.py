"""Lines that are broken as bytes or wrong as data: what an interrupted or careless export leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

Spoil = Callable[[bytes], bytes]


def truncated(line: bytes) -> bytes:
    """The disk was full: no closing quote, no closing brace."""
    return line[: len(line) * 3 // 5].decode(errors="ignore").encode()


def bad_utf8(line: bytes) -> bytes:
    """One byte of an old encoding in the middle of a word."""
    place = line.index(b" ", len(line) // 2)
    return line[:place] + b"\xe9" + line[place:]


def with_nan(line: bytes) -> bytes:
    return line[:-1] + b', "score": NaN}'


def duplicate_key(line: bytes) -> bytes:
    """The first key a second time at the end, with another value."""
    first = next(iter(json.loads(line)))
    return line[:-1] + f', "{first}": "An older text"}}'.encode()


def two_values(line: bytes) -> bytes:
    """A lost line break."""
    return line + b" " + line.replace(b"Orvelin", b"our").replace(b"line", b"hall")


def not_json(line: bytes) -> bytes:
    return b"see the attached sheet, last row (exported by hand)"


def changed(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """The line with its object changed in place."""

    def spoil(line: bytes) -> bytes:
        row = json.loads(line)
        change(row)
        return json.dumps(row, ensure_ascii=False).encode()

    return spoil


def _second_turn_without_text(row: dict[str, Any]) -> None:
    del row["conversations"][-1]["value"]


def _unknown_role(row: dict[str, Any]) -> None:
    row["messages"][-1]["role"] = "gpt4"


# file, kind, reason, what happens to the line
BROKEN: Final[tuple[tuple[str, str, str, Spoil], ...]] = (
    ("manual.jsonl", "broken_json", "truncated_json", truncated),
    ("manual.jsonl", "broken_json", "bad_utf8", bad_utf8),
    ("manual.jsonl", "broken_json", "nan", with_nan),
    ("manual.jsonl", "broken_json", "duplicate_key", duplicate_key),
    ("manual.jsonl", "broken_json", "two_values", two_values),
    ("manual.jsonl", "broken_json", "not_json", not_json),
    ("chat.jsonl", "broken_json", "truncated_json", truncated),
    ("chat.jsonl", "broken_json", "duplicate_key", duplicate_key),
    ("inbox.jsonl", "broken_json", "bad_utf8", bad_utf8),
    ("inbox.jsonl", "broken_json", "two_values", two_values),
    ("manual.jsonl", "wrong_type", "invalid", changed(lambda row: row.update(instruction=40718))),
    ("manual.jsonl", "wrong_type", "invalid", changed(lambda row: row.update(output=[row["output"]]))),
    ("inbox.jsonl", "wrong_type", "invalid", changed(lambda row: row.update(messages=str(row["messages"])))),
    ("inbox.jsonl", "wrong_type", "invalid", changed(_unknown_role)),
    ("chat.jsonl", "wrong_type", "invalid", changed(_second_turn_without_text)),
    ("chat.jsonl", "wrong_type", "invalid", changed(lambda row: row.update(conversations=None))),
)
