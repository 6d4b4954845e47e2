"""A prompt as one combination of levels has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curation.errors import ConfigError
from eval.variants.config import Cell, Factor, Level


def prompt_of(cell: Cell, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with what the cell's levels change: the system text and its words, then the last question."""
    messages = [dict(message) for message in record["messages"]]
    system = messages.pop(0)["content"] if messages[0]["role"] == "system" else None
    for level in cell.levels:
        system = level.system if level.sets_system else system
    for old, new in replacements(cell.levels):
        system = None if system is None else system.replace(old, new)
    at = max(place for place, message in enumerate(messages) if message["role"] == "user")
    messages[at]["content"] = _question(cell.levels, messages[at]["content"] or "", system)
    head = [{"role": "system", "content": system}] if system else []
    return {**record, "messages": [*head, *messages]}


def replacements(levels: Iterable[Level]) -> list[tuple[str, str]]:
    return [pair for level in levels for pair in level.replace.items()]


def require_replaced(factors: Sequence[Factor], records: Iterable[Mapping[str, Any]], cells: Sequence[Cell]) -> None:
    """ConfigError for words that stand in no system text, so that a level would silently do nothing."""
    wanted = dict.fromkeys(old for factor in factors for old, _ in replacements(factor.levels))
    texts = {level.system for cell in cells for level in cell.levels if level.system}
    left = [old for old in wanted if not any(old in text for text in texts)]
    if not left:
        return
    own = {record["messages"][0]["content"] or "" for record in records if record["messages"][0]["role"] == "system"}
    for old in left:
        if not any(old in text for text in own):
            raise ConfigError(f'replace: "{old}" stands in no system text; write it as it stands there')


def _question(levels: Sequence[Level], text: str, system: str | None) -> str:
    asked = [text]
    for level in levels:
        if level.repeat == "question":
            asked = [*asked, text]
    before = [level.before for level in levels if level.before]
    after = [level.after for level in levels if level.after]
    again = [system for level in levels if level.repeat == "system" and system]
    return "\n".join([*before, "\n\n".join(asked), *after, *again])
