"""The layouts trainers read. A record that a layout cannot express is refused with a reason, never bent to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from curation.records import ROLE_LETTERS, canonical
from curation.templates.refusal import REASONS, TemplateRefusal

if TYPE_CHECKING:
    from curation.templates.chosen import ChosenTemplate

TEXT: Final = "text"  # the layout that a template makes; the others are fixed
_SPEAKERS: Final = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}
_TEXT_KEYS: Final = frozenset({"role", "content"})
_CALL_KEYS: Final = frozenset({"type", "function"})


class CannotExpressError(Exception):
    """A layout has no place for part of a record; the text says which part."""


def as_messages(record: dict[str, Any]) -> dict[str, Any]:
    return record


def as_alpaca(record: dict[str, Any]) -> dict[str, Any]:
    """instruction, input (always empty: the conversion joined them), output; system and history if there are any."""
    messages = _plain(record)
    roles = _roles(messages)
    system = messages.pop(0)["content"] if roles.startswith("s") else None
    if _roles(messages) != "ua" * (len(messages) // 2) or not messages:
        raise CannotExpressError("turns that are not question, answer, question, answer")
    if system == "":
        raise CannotExpressError("an empty system message")
    texts = [m["content"] for m in messages]
    turns: dict[str, Any] = {"instruction": texts[-2], "input": "", "output": texts[-1]}
    if system is not None:
        turns["system"] = system
    if len(texts) > 2:
        turns["history"] = [texts[at : at + 2] for at in range(0, len(texts) - 2, 2)]
    return turns | {"meta": record["meta"]}


def as_sharegpt(record: dict[str, Any]) -> dict[str, Any]:
    """conversations of from/value; a tool call is a function_call turn; tools are JSON text, as published sets do."""
    turns = {"conversations": [_turn(message) for message in record["messages"]], "meta": record["meta"]}
    if "tools" in record:
        turns["tools"] = canonical(record["tools"]).decode()
    return turns


def as_prompt_completion(record: dict[str, Any]) -> dict[str, Any]:
    messages = _plain(record)
    if _roles(messages) != "ua":
        raise CannotExpressError("more than one question and one answer")
    return {"prompt": messages[0]["content"], "completion": messages[1]["content"], "meta": record["meta"]}


def _plain(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a record that is nothing but text."""
    if "tools" in record:
        raise CannotExpressError("tool definitions")
    for message in record["messages"]:
        if message["role"] == "tool" or message.get("tool_calls"):
            raise CannotExpressError("tool turns")
        _refuse_beyond_text(message)
    return list(record["messages"])


def _refuse_beyond_text(message: dict[str, Any]) -> None:
    if message.get("content") is None:
        raise CannotExpressError("a message without content")
    if message.keys() != _TEXT_KEYS:
        raise CannotExpressError(f"messages with {' and '.join(sorted(message.keys() - _TEXT_KEYS))}")


def _roles(messages: list[dict[str, Any]]) -> str:
    return "".join(ROLE_LETTERS[m["role"]] for m in messages)


def _turn(message: dict[str, Any]) -> dict[str, str]:
    if "tool_calls" not in message:
        _refuse_beyond_text(message)
        return {"from": _SPEAKERS[message["role"]], "value": message["content"]}
    calls = message["tool_calls"]
    rest = message.keys() - {"role", "content", "tool_calls"}
    if rest or message["content"] is not None or not all(_bare_call(call) for call in calls):
        raise CannotExpressError("tool calls with ids, names or text beside them")
    functions = [call["function"] for call in calls]
    return {"from": "function_call", "value": canonical(functions[0] if len(functions) == 1 else functions).decode()}


def _bare_call(call: Any) -> bool:
    return isinstance(call, dict) and call.keys() == _CALL_KEYS and call["type"] == "function"


@dataclass(frozen=True, slots=True)
class Layout:
    name: str
    render: Callable[[dict[str, Any]], dict[str, Any]]
    refuses: bool  # whether it may refuse a record
    template: ChosenTemplate | None = None  # of text, which holds nothing else: no meta, and no row_id

    def rendered(self, record: bytes) -> dict[str, Any]:
        value = orjson.loads(record)
        if canonical(value) != record:  # orjson reads integers beyond 64 bits as floats
            value = json.loads(record)
        return self.render(value)


def text_layout(chosen: ChosenTemplate) -> Layout:
    """text: a document as training reads it, from BOS to the last end of turn."""

    def as_text(record: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"text": chosen.template.render(record, with_bos=True).text}
        except TemplateRefusal as refusal:
            raise CannotExpressError(f"{refusal.reason}, {REASONS[refusal.reason]}") from None

    return Layout(TEXT, as_text, refuses=True, template=chosen)


LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        Layout("messages", as_messages, refuses=False),
        Layout("alpaca", as_alpaca, refuses=True),
        Layout("sharegpt", as_sharegpt, refuses=True),
        Layout("prompt_completion", as_prompt_completion, refuses=True),
    )
}
