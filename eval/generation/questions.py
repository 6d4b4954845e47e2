"""Questions to ask a model: of a file, one a line, or of the rows of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import ConfigError, DataError, did_you_mean
from curation.records import ROLE_LETTERS
from curation.source import Row
from eval.generation.generate import Item

_TEXT_KEYS: Final = ("prompt", "question")
_KEYS: Final = ("messages", *_TEXT_KEYS)


def read_questions(path: Path) -> Iterator[Item]:
    """A .txt file's lines, or a .jsonl file's objects with messages, prompt or question, perhaps system and id.

    Blank lines are passed over. An item without an id is called by its line's number. DataError for what is none.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; name a .jsonl file or a .txt file with one prompt a line")
    plain = path.suffix == ".txt"
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _of_text(line, number, path) if plain else _of_json(line, number, path)


def of_rows(rows: Iterable[Row]) -> Iterator[Item]:
    """The last answer of each row is its reference, what stands before it the question."""
    for row in rows:
        yield _item(row.row_id, row.record)


def _of_text(line: bytes, number: int, path: Path) -> Item:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}:{number}: is not UTF-8 text; convert the file") from None
    return Item(str(number), {"messages": [{"role": "user", "content": text}]})


def _of_json(line: bytes, number: int, path: Path) -> Item:
    where = f"{path}:{number}"
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{where}: is not JSON ({error}); repair the line, or name a .txt file") from None
    if not isinstance(told, dict):
        raise DataError(f'{where}: is not an object; write {{"prompt": ...}} on each line')
    item_id = told.get("id", number)
    if isinstance(item_id, bool) or not isinstance(item_id, str | int):
        raise DataError(f"{where}: id is neither a text nor a whole number")
    record: dict[str, Any] = {"messages": _messages(told, where)}
    if told.get("tools"):
        record["tools"] = told["tools"]
    return _item(str(item_id), record)


def _messages(told: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    key = next((key for key in _KEYS if key in told), None)
    if key is None:
        named = next(iter(told), "")
        raise DataError(f"{where}: has none of {', '.join(_KEYS)}{did_you_mean(named, _KEYS)}")
    if key != "messages":
        user = {"role": "user", "content": told[key]}
        messages = [{"role": "system", "content": told["system"]}, user] if told.get("system") else [user]
    else:
        messages = told[key]
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise DataError(f"{where}: {key} is not a conversation; each message is {{role, content}}")
    return messages


def _is_message(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("role") not in ROLE_LETTERS:
        return False
    content = message.setdefault("content", None)
    return isinstance(content, str) or (content is None and bool(message.get("tool_calls")))


def _item(item_id: str, record: Mapping[str, Any]) -> Item:
    messages = record["messages"]
    if messages[-1]["role"] != "assistant":
        return Item(item_id, record)
    return Item(item_id, {**record, "messages": messages[:-1]}, messages[-1]["content"])
