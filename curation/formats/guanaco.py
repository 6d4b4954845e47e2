"""Guanaco text: `### Human: ... ### Assistant: ...`, roles in turn, usually on one line."""

from __future__ import annotations

import re
from typing import Any, Final

SCHEMA: Final = "formats/guanaco.schema.json"
FIELDS: Final = ("text",)
_MARKERS: Final = {"user": "### Human:", "assistant": "### Assistant:"}
# The white space before a marker belongs to the layout, one character of it.
_FINDERS: Final = {role: re.compile(rf"(?:\A|\s){marker}") for role, marker in _MARKERS.items()}


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    """A marker counts only where its role is due; other headings and hashes stay in the message.

    Text before the first marker is the system text.
    """
    return {"messages": _turns(obj["text"]), "meta": {k: v for k, v in obj.items() if k != "text"}}


def _turns(text: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    role, due, start = "system", "user", 0
    while match := _FINDERS[due].search(text, start):
        messages.append({"role": role, "content": text[_body(text, start, match.start()) : match.start()]})
        role, due, start = due, "assistant" if due == "user" else "user", match.end()
    messages.append({"role": role, "content": text[_body(text, start, len(text)) :]})
    return messages if messages[0]["content"].strip() else messages[1:]


def _body(text: str, start: int, stop: int) -> int:
    """Where a turn's text begins: past the one space after its marker, unless the next marker needs that space."""
    return start + 1 if 0 < start < stop and text[start] == " " else start
