"""How much text rows hold: characters and words, and tokens where a tokenizer was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

Counter = Callable[[Sequence[str]], Sequence[int]]  # tokens of each text


@dataclass(frozen=True, slots=True)
class Size:
    rows: int
    characters: int
    words: int
    tokens: int | None  # None without a tokenizer


def size_of(records: Sequence[str], tokens: Counter | None = None) -> Size:
    """The messages of these records, without what a template adds around them."""
    texts = ["\n".join([m["content"] or "" for m in orjson.loads(record)["messages"]]) for record in records]
    return Size(
        rows=len(texts),
        characters=sum(map(len, texts)),
        words=sum([len(text.split()) for text in texts]),
        tokens=sum(tokens(texts)) if tokens else None,
    )
