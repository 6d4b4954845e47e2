"""What readers hand on: columns of units, the bad ones with a reason; and the limits on one unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_DEPTH: Final = 253  # what orjson can write again inside one list; deeper nesting is never honest data
MAX_UNIT: Final = 256 << 20  # bytes; a longer unit is quarantined unread
MAX_RAW: Final = 1 << 20  # bytes of a bad unit that are kept
ENDS_EARLY: Final = "the file ends early"  # how a unit's detail begins behind which units may be missing


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a unit could not be read: a stable code, one line for people, and its first bytes."""

    reason: str
    detail: str
    raw: bytes


@dataclass(slots=True)
class Batch:
    """Units column-wise. `offset` and `length` are bytes of the decompressed stream, -1 where there are none."""

    unit: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    length: list[int] = field(default_factory=list)
    value: list[dict[str, Any] | None] = field(default_factory=list)
    bad: dict[int, Bad] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.value)

    def extend(self, other: Batch) -> None:
        """Append another batch's units."""
        base = len(self.value)
        self.unit += other.unit
        self.line += other.line
        self.offset += other.offset
        self.length += other.length
        self.value += other.value
        for place, bad in other.bad.items():
            self.bad[base + place] = bad

    def cut(self, start: int, stop: int) -> Batch:
        """The units from start to stop, as a batch of its own."""
        window = slice(start, stop)
        bad = {place - start: bad for place, bad in self.bad.items() if start <= place < stop}
        return Batch(
            self.unit[window], self.line[window], self.offset[window], self.length[window], self.value[window], bad
        )


@dataclass(slots=True)
class Progress:
    """How far a reading is; counted in stored bytes, so that a compressed file's share is true as well."""

    bytes_total: int
    bytes_read: int = 0
    blank: int = 0


def bad_unit(line: int, offset: int, length: int, reason: str, detail: str, raw: bytes) -> Batch:
    """A batch of one unit that could not be read."""
    return Batch([0], [line], [offset], [length], [None], {0: Bad(reason, detail, raw[:MAX_RAW])})
