"""One turn of a conversation, with role/content or from/value, into a canonical message and what is left over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from curation.formats.errors import FormatError

ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
}
_CALL: Final = "function_call"
_CALL_KEYS: Final = ("tool_calls", "tool_call_id", "name")
_PLAIN: Final = ({"role", "content"}, {"from", "value"})


def conversation(turns: Iterable[dict[str, Any]], field: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages and, for each, the keys that it had besides; the second list is empty if none had any."""
    messages, extras = [], []
    for i, turn in enumerate(turns):
        message, extra = _message(turn, f"/{field}/{i}")
        messages.append(message)
        extras.append(extra)
    return messages, extras if any(extras) else []


def assemble(
    obj: dict[str, Any], field: str, messages: list[dict[str, Any]], extras: list[dict[str, Any]]
) -> dict[str, Any]:
    """The record of an object whose `field` held the conversation; a system text and tools stand beside it."""
    meta = {k: v for k, v in obj.items() if k != field}
    if extras:
        meta[field] = extras
    system = meta.get("system")
    if isinstance(system, str) and system and not any(m["role"] == "system" for m in messages):
        messages.insert(0, {"role": "system", "content": meta.pop("system")})
    record = {"messages": messages, "meta": meta}
    if meta.get("tools"):
        record["tools"] = _tools(meta.pop("tools"))
    return record


def _message(turn: dict[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    who, what = "role" if "role" in turn else "from", "content" if "content" in turn else "value"
    named, content = turn[who], turn.get(what)
    extra: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if named == _CALL:
        message["tool_calls"] = _calls(content, where)
    elif (role := ROLES.get(named)) is not None:
        message["role"] = role
        message["content"] = _joined(content, where, extra) if isinstance(content, list) else content
    else:
        raise FormatError("unknown_role", f'{where}: role "{named}" is not known; use "user" or "assistant"')
    if turn.keys() not in _PLAIN:
        _take_rest({k: v for k, v in turn.items() if k not in (who, what)}, message, extra)
    return message, extra


def _take_rest(rest: dict[str, Any], message: dict[str, Any], extra: dict[str, Any]) -> None:
    """Call keys into the message, unless it has them already; what remains into `extra`."""
    for key in _CALL_KEYS:
        if rest.get(key) is not None and key not in message:
            message[key] = rest[key]
            del rest[key]
    if isinstance(rest.get(_CALL), dict) and "tool_calls" not in message:
        message["tool_calls"] = [{"type": "function", "function": rest.pop(_CALL)}]
    extra.update((k, v) for k, v in rest.items() if v is not None or k not in (*_CALL_KEYS, _CALL))


def _joined(parts: list[Any], where: str, extra: dict[str, Any]) -> str:
    """Text parts one after the other, as chat templates put them; keys beside type and text go to `extra`."""
    texts, rest = [], []
    for i, part in enumerate(parts):
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        kind, key = part.get("type", "text"), "text" if "text" in part else "value"
        if kind != "text" or not isinstance(part.get(key), str):
            raise FormatError(
                "unsupported_content", f'{where}/content/{i}: a part of type "{kind}" is not text; leave it out'
            )
        texts.append(part[key])
        rest.append({k: v for k, v in part.items() if k not in ("type", key)})
    if any(rest):
        extra["content"] = rest
    return "".join(texts)


def _calls(value: Any, where: str) -> list[dict[str, Any]]:
    """ShareGPT writes a call, or a list of calls, as JSON text: {"name", "arguments"}."""
    try:
        calls = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError as error:
        raise FormatError("bad_tool_call", f"{where}: the call is not JSON ({error}); repair it") from None
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(call, dict) and "name" in call for call in calls):
        raise FormatError("bad_tool_call", f'{where}: a call needs a "name"; repair it')
    return [{"type": "function", "function": call} for call in calls]


def _tools(tools: Any) -> list[Any]:
    try:
        listed = orjson.loads(tools) if isinstance(tools, str) else tools
    except orjson.JSONDecodeError as error:
        raise FormatError("bad_tools", f"/tools is not JSON ({error}); repair it") from None
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        raise FormatError("bad_tools", "/tools is no list of tools; make it one")
    return listed
