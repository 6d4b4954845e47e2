"""What each row asks, read again from its record: the prompt, and the opening of a longer conversation."""

from __future__ import annotations

from typing import Any, Final

import orjson

SHORTEST_OPENING: Final = 20  # characters; "hello" opens conversations that have nothing else in common


def asked(record: str) -> list[str]:
    """The texts of a record that no other split may ask too, in comparable form; blank ones are left out."""
    messages: list[dict[str, Any]] = orjson.loads(record)["messages"]
    answer = len(messages)
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            answer = at
    before = [m["content"] or "" for m in messages[:answer] if m["role"] != "system"]
    texts = [plain("\n".join(before))]
    user_turns = [m["content"] or "" for m in messages if m["role"] == "user"]
    if len(user_turns) > 1 and len(plain(user_turns[0])) >= SHORTEST_OPENING:
        texts.append(plain(user_turns[0]))
    return [text for text in dict.fromkeys(texts) if text]


def plain(text: str) -> str:
    """Lower case, each run of white space one space, none at the ends."""
    return " ".join(text.lower().split())


def grams(text: str, size: int) -> set[str]:
    """Every sequence of `size` characters; a shorter text is one gram."""
    return {text[i : i + size] for i in range(len(text) - size + 1)} or {text}
