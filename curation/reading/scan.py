"""Where the elements of a JSON text end, by its quotes and brackets alone: fast, and blind to everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

_QUOTE, _OPEN, _CLOSE, _COMMA = 1, 2, 3, 4
_CLASS: Final = np.zeros(256, np.int8)
for _class, _characters in ((_QUOTE, b'"'), (_OPEN, b"[{"), (_CLOSE, b"]}"), (_COMMA, b",")):
    _CLASS[list(_characters)] = _class


@dataclass(slots=True)
class Scanner:
    """State between blocks. Elements stand at depth `base`: 1 in an array, 0 where objects follow each other."""

    base: int
    depth: int
    in_string: bool = False
    _escape: bytes = b""

    def ends(self, block: bytes) -> tuple[list[int], int]:
        """(places right behind each comma or object, place behind the array's last bracket or -1), in this block."""
        text, shift = self._unescaped(block)
        classes = _CLASS[np.frombuffer(text, np.uint8)]
        places = np.flatnonzero(classes)
        kinds = classes[places]
        quotes = kinds == _QUOTE
        inside = (np.cumsum(quotes) + self.in_string) & 1
        outside = (inside == 0) & ~quotes
        if inside.size:
            self.in_string = bool(inside[-1])
        places, kinds = places[outside] - shift + 1, kinds[outside]
        closes = kinds == _CLOSE
        depths = np.cumsum((kinds == _OPEN).astype(np.int64) - closes) + self.depth
        if depths.size:
            self.depth = int(depths[-1])
        bottom: list[int] = places[closes & (depths <= 0)].tolist()
        if not self.base:
            return bottom, -1
        stop = bottom[0] if bottom else -1
        commas: list[int] = places[(kinds == _COMMA) & (depths == 1)].tolist()
        return ([place for place in commas if place < stop] if bottom else commas), stop

    def _unescaped(self, block: bytes) -> tuple[bytes, int]:
        """Escapes blotted out at equal length, and by how much the text begins before the block.

        A backslash that ends the block waits for the character it escapes.
        """
        text = self._escape + block
        shift = len(self._escape)
        odd = (len(text) - len(text.rstrip(b"\\"))) % 2
        self._escape = text[len(text) - odd :]
        text = text[: len(text) - odd]
        return text.replace(b"\\\\", b"..").replace(b'\\"', b".."), shift
