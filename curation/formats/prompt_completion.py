"""Prompt and completion, each a text or a list of messages."""

from __future__ import annotations

from typing import Any, Final

from curation.formats.turn_fields import assemble, conversation

SCHEMA: Final = "formats/prompt_completion.schema.json"
PAIRS: Final = (("prompt", "completion"), ("prompt", "response"), ("input", "output"))
FIELDS: Final = ("prompt", "completion", "response", "input", "output")


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    prompt, completion = next((p, c) for p, c in PAIRS if p in obj and c in obj)
    messages, left = [], {}
    for field, role in ((prompt, "user"), (completion, "assistant")):
        value = obj[field]
        turns = value if isinstance(value, list) else [{"role": role, "content": value or ""}]
        some, extras = conversation(turns, field)
        messages += some
        if extras:
            left[field] = extras
    record = assemble({k: v for k, v in obj.items() if k not in (prompt, completion)}, "", messages, [])
    record["meta"].update(left)
    return record
