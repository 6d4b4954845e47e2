"""JSON lines, byte-exact: every non-blank line is one unit, whatever stands on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Final

from curation.reading.parse import parse_units
from curation.reading.stream import Stream
from curation.reading.unit import MAX_RAW, MAX_UNIT, Batch, Progress, bad_unit

BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines without their last newline. One line over the limit comes alone, its body cut, its length true."""

    body: bytes
    line: int
    offset: int
    length: int
    last: bool = False  # what stands behind the last newline

    @property
    def too_long(self) -> bool:
        return self.length > len(self.body)


def read_lines(stream: Stream) -> Iterator[Batch]:
    """Units of a JSON lines stream, some hundred at a time."""
    for lines in whole_lines(stream):
        broken = broken_lines(lines, stream)
        yield broken if broken else _parse(lines, stream.progress)


def broken_lines(lines: Lines, stream: Stream) -> Batch | None:
    """The one bad unit that a line over the limit, or the end of a damaged file, is."""
    if lines.too_long:
        detail = f"a line of {lines.length:,} bytes; the limit is {MAX_UNIT:,}"
        return bad_unit(lines.line, lines.offset, lines.length, "too_long", detail, lines.body)
    if lines.last and stream.damage:
        damage = stream.damage
        return bad_unit(lines.line, lines.offset, lines.length, damage.reason, damage.detail, lines.body)
    return None


def whole_lines(stream: Stream) -> Iterator[Lines]:
    """The stream cut at newlines; a piece that spans blocks is joined once."""
    parts: list[bytes] = []
    size, line, offset = 0, 1, 0
    for block in stream:
        first = block.find(b"\n")
        if first < 0:
            size += len(block)
            parts = [*parts, block] if size <= MAX_UNIT else [b"".join(parts)[:MAX_RAW]]
            continue
        if size + first > MAX_UNIT:
            yield Lines(b"".join([*parts, block[:first]])[:MAX_RAW], line, offset, size + first)
            line, offset = line + 1, offset + size + first + 1
            block, parts, size = block[first + 1 :], [], 0
        cut = block.rfind(b"\n")
        if cut >= 0:
            body = b"".join([*parts, block[:cut]])
            yield Lines(body, line, offset, len(body))
            line, offset = line + body.count(b"\n") + 1, offset + len(body) + 1
            block, parts = block[cut + 1 :], []
        parts.append(block)
        size = sum(map(len, parts))
    if size or stream.damage:
        yield Lines(b"".join(parts), line, offset, size, last=True)


def _parse(lines: Lines, progress: Progress) -> Batch:
    raws = lines.body.split(b"\n")
    lengths = list(map(len, raws))
    offsets = list(accumulate(lengths, lambda start, length: start + length + 1, initial=lines.offset))
    offsets.pop()
    numbers = list(range(lines.line, lines.line + len(raws)))
    if lines.offset == 0 and raws[0].startswith(BOM):
        raws[0] = raws[0][len(BOM) :]
        offsets[0] += len(BOM)
        lengths[0] -= len(BOM)
    if b"\r" in lines.body:
        raws = [raw.removesuffix(b"\r") for raw in raws]
        lengths = list(map(len, raws))
    full = [bool(raw) and not raw.isspace() for raw in raws]
    if not all(full):
        progress.blank += full.count(False)
        raws, lengths, offsets = (
            list(compress(raws, full)),
            list(compress(lengths, full)),
            list(compress(offsets, full)),
        )
        numbers = list(compress(numbers, full))
    values, bad = parse_units(raws)
    return Batch([], numbers, offsets, lengths, values, bad)
