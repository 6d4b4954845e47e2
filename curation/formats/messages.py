"""OpenAI messages: role and content (text, null, or text parts), tool calls, names, and per-message extras."""

from __future__ import annotations

from typing import Any, Final

from curation.formats.turn_fields import assemble, conversation

SCHEMA: Final = "formats/messages.schema.json"
FIELDS: Final = ("messages",)


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    """Keys of a message that are no part of a conversation (a loss weight, say) are kept in meta.messages."""
    return assemble(obj, "messages", *conversation(obj["messages"], "messages"))
