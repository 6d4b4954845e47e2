"""ShareGPT: conversations of from/value turns, with tools; role/content turns are met there as well."""

from __future__ import annotations

from typing import Any, Final

from curation.formats.turn_fields import assemble, conversation

SCHEMA: Final = "formats/sharegpt.schema.json"
FIELDS: Final = ("conversations", "conversation")


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    field = "conversations" if "conversations" in obj else "conversation"
    return assemble(obj, field, *conversation(obj[field], field))
