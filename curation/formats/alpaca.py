"""Alpaca: instruction, input, output, and the optional system and history of later data sets."""

from __future__ import annotations

from typing import Any, Final

SCHEMA: Final = "formats/alpaca.schema.json"
FIELDS: Final = ("instruction", "input", "output")
_USED: Final = frozenset({"instruction", "input", "output", "system", "history"})


def convert(obj: dict[str, Any]) -> dict[str, Any]:
    """Prompt = instruction, newline, input (each if not empty); history turns come before it."""
    instruction, given = obj["instruction"], obj.get("input")
    prompt = f"{instruction}\n{given}" if given and instruction else given or instruction
    messages = []
    if system := obj.get("system"):
        messages.append({"role": "system", "content": system})
    for question, answer in obj.get("history") or ():
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    messages.append({"role": "user", "content": prompt})
    messages.append({"role": "assistant", "content": obj["output"] or ""})
    return {"messages": messages, "meta": {k: v for k, v in obj.items() if k not in _USED}}
