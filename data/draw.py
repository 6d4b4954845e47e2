"""Random draws that are the same on every Python: a counter hashed with SHA-256, one stream a name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A named stream. Streams are independent, so one more draw in one place changes nothing elsewhere.

    `random` is not used: what its choice, sample and shuffle return has changed between Python versions.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._prefix = f"{seed}/{name}/"
        self._count = 0

    def below(self, n: int) -> int:
        """An integer in [0, n). The bias of taking 64 bits modulo n is far below anything that shows here."""
        assert n > 0, n
        digest = hashlib.sha256(f"{self._prefix}{self._count}".encode()).digest()
        self._count += 1
        return int.from_bytes(digest[:8], "big") % n

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in random order."""
        return self.shuffled(items)[:k]

    def subset(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in the order they came in."""
        return [items[i] for i in sorted(self.sample(range(len(items)), k))]
