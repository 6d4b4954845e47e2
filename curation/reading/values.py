"""JSON that is not line by line: one big array, or objects that span lines; read element by element.

An element that cannot be parsed is one bad unit. If it also upset the brackets or quotes, reading starts again where a
line begins like the elements before it; where elements do not stand on lines of their own, the rest is one bad unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from curation.reading.lines import BOM
from curation.reading.parse import parse_units
from curation.reading.scan import Scanner
from curation.reading.stream import BLOCK, DamageError, Stream
from curation.reading.unit import ENDS_EARLY, MAX_RAW, MAX_UNIT, Bad, Batch, bad_unit

_SPACE: Final = b" \t\r\n"
_PATIENCE: Final = 1 << 20  # bytes after which an element is suspected of having swallowed the next


def read_values(stream: Stream) -> Iterator[Batch]:
    """Units of a JSON array or of objects that span lines."""
    elements = _Elements()
    for block in stream:
        yield from elements.feed(block)
    yield from elements.finish(stream.damage)


@dataclass(slots=True)
class _Piece:
    """One element's place in the pending text, without white space around it; `begin` is where its part begins."""

    begin: int
    start: int
    stop: int
    line: int


class _Elements:
    """Cuts blocks into elements; `pending` begins where the current element's part does, at `offset` and `line`."""

    def __init__(self) -> None:
        self.scanner: Scanner | None = None
        self.pending: list[bytes] = []
        self.size = 0
        self.offset = 0
        self.line = 1
        self.count = 0
        self.closed = False  # the array's end was seen
        self.owed = b""  # the ] that is still to come if a bracket too many ended the array
        self.doubted = False  # whether the current element was long enough to be looked at
        self.skipped = 0  # bytes behind an element over the limit
        self.restart: re.Pattern[bytes] | None = None

    def feed(self, block: bytes) -> Iterator[Batch]:
        while block and self.size <= MAX_UNIT:
            part, block = block[:BLOCK], block[BLOCK:]
            self._append(part)
            if self.scanner is None:
                part = self._begin()
            again = -1
            if part and self.scanner and not self.closed:
                ends, end = self.scanner.ends(part)
                shift = self.size - len(part)
                if ends or end >= 0:
                    found, again = self._take([place + shift for place in ends], end + shift if end >= 0 else -1)
                    yield from found
            if again < 0 and self.size >= _PATIENCE and not self.doubted:
                self.doubted = True
                again = self._search(0, _PATIENCE, not self.closed)
                if again >= 0:
                    yield self._broken(0, again, self.line)
            if again >= 0:
                block = self._restart_at(again) + block
        self.skipped += len(block)

    def finish(self, damage: DamageError | None) -> Iterator[Batch]:
        while self.size <= MAX_UNIT and (again := self._search(0, self.size, not self.closed)) >= 0:
            yield self._broken(0, again, self.line)
            yield from self.feed(self._restart_at(again))
        text = self._text()
        body = text.strip(_SPACE)
        lead = len(text) - len(text.lstrip(_SPACE))
        line, offset = self.line + text.count(b"\n", 0, lead), self.offset + lead
        if self.size > MAX_UNIT:
            length = self.size + self.skipped - lead
            detail = f"an element over the limit of {MAX_UNIT:,} bytes; the file is not read beyond it"
            yield bad_unit(line, offset, length, "too_long", detail, text[lead : lead + MAX_RAW])
        elif damage:
            yield bad_unit(line, offset, len(body), damage.reason, damage.detail, body)
        elif self.closed and body not in (b"", self.owed):
            yield bad_unit(line, offset, len(body), "trailing_data", "something follows the end of the array", body)
        elif not self.closed:
            yield from self._last(body, line, offset)

    def _last(self, body: bytes, line: int, offset: int) -> Iterator[Batch]:
        bad = False
        if body:
            values, errors = parse_units([body])
            bad = bool(errors)
            if bad and self.scanner and self.scanner.base:
                where = f"{ENDS_EARLY}, {len(body):,} bytes into an element of an array without its ]"
                errors = {0: replace(errors[0], detail=f"{where}: {errors[0].detail}")}
            yield Batch([], [line], [offset], [len(body)], values, errors)
        if self.scanner and self.scanner.base and not bad:
            yield bad_unit(line, offset + len(body), 0, "truncated_json", f"{ENDS_EARLY}, before the array's ]", b"")

    def _begin(self) -> bytes:
        """Decide by the first character; returns what is to be scanned."""
        text = self._text()
        body = text.removeprefix(BOM).lstrip(_SPACE)
        if not body or BOM.startswith(text):
            return b""
        skip = len(text) - len(body)
        base = 1 if body[:1] == b"[" else 0
        self.scanner = Scanner(base, base)
        self._advance(skip + base)
        return self._text()

    def _take(self, ends: list[int], end: int) -> tuple[list[Batch], int]:
        """(units that end in the pending text, where to start again after a broken one or -1)."""
        text = self._text()
        pieces, after = self._pieces(text, ends, end)
        values, bad = parse_units([text[piece.start : piece.stop] for piece in pieces])
        for place, piece in enumerate(pieces):
            self._learn(piece.begin, piece.stop)
            size = piece.stop - piece.begin
            if size > MAX_UNIT:
                self.closed = False
                self._advance(piece.begin)  # leaves more pending than the limit: the end of reading
                return [self._batch(pieces[:place], values[:place], bad)], -1
            if place not in bad and size <= _PATIENCE:
                continue
            stop = piece.stop if place in bad else piece.begin + _PATIENCE
            again = self._search(piece.begin, stop, True)
            if again >= 0:
                good = self._batch(pieces[:place], values[:place], bad)
                return [good, self._broken(piece.start, again, piece.line)], again
        found = self._batch(pieces, values, bad)
        self._advance(after)
        return [found], -1

    def _pieces(self, text: bytes, ends: list[int], end: int) -> tuple[list[_Piece], int]:
        """The elements that end at `ends`, and where the next one's part begins."""
        base = self.scanner.base if self.scanner else 0
        bounds = [(place - base, place) for place in ends]
        if end >= 0:
            self.closed = True
            self.owed = b"" if text[end - 1 : end] == b"]" else b"]"
            last = end if self.owed else end - 1
            blank = not text[ends[-1] if ends else 0 : last].strip(_SPACE)
            if ends or self.count or not blank:  # [] holds no element; a comma before ] promises one
                bounds.append((last, end))
        pieces: list[_Piece] = []
        begin, line = 0, self.line
        for stop, after in bounds:
            body = text[begin:stop].lstrip(_SPACE)
            start = stop - len(body)
            line += text.count(b"\n", begin, start)
            pieces.append(_Piece(begin, start, start + len(body.rstrip(_SPACE)), line))
            line += text.count(b"\n", start, after)
            begin = after
        self.count += len(pieces)
        return pieces, max(begin, end)

    def _batch(self, pieces: list[_Piece], values: list[dict[str, Any] | None], bad: dict[int, Bad]) -> Batch:
        offsets = [self.offset + piece.start for piece in pieces]
        lengths = [piece.stop - piece.start for piece in pieces]
        bad = {place: bad[place] for place in bad if place < len(pieces)}
        return Batch([], [piece.line for piece in pieces], offsets, lengths, values, bad)

    def _broken(self, start: int, stop: int, line: int) -> Batch:
        """The unit from start to the place where reading starts again; `line` is that of start."""
        text = self._text()
        body = text[start:stop].strip(_SPACE).removesuffix(b",").rstrip(_SPACE)
        if not body:
            return Batch()
        first = text.index(body[:1], start)
        _, bad = parse_units([body])
        reason = (bad[0].reason, bad[0].detail) if bad else ("missing_comma", "no comma before the next element")
        return bad_unit(line + text.count(b"\n", start, first), self.offset + first, len(body), *reason, body)

    def _restart_at(self, place: int) -> bytes:
        """Forget what was scanned; returns the text to be read as if nothing had been before it."""
        self._advance(place)
        text = self._text()
        self.pending, self.size = [], 0
        self.closed = False
        base = self.scanner.base if self.scanner else 0
        self.scanner = Scanner(base, base)
        return text

    def _search(self, start: int, stop: int, inside: bool) -> int:
        """Where a line begins like an element, behind the beginning of the one at `start` if inside one; else -1."""
        text = self._text()
        if inside:
            self._learn(start, stop)
            start += len(text[start:stop]) - len(text[start:stop].lstrip(_SPACE)) + 1
        match = self.restart.search(text, start, stop) if self.restart else None
        return match.start() if match else -1

    def _learn(self, begin: int, stop: int) -> None:
        """How a line looks on which an element begins, if that cannot be confused with what is inside one."""
        if self.restart:
            return
        part = self._text()[begin:stop]
        body = part.lstrip(_SPACE)
        lead = part[: len(part) - len(body)]
        if b"\n" not in lead:
            return
        indent = lead[lead.rindex(b"\n") + 1 :]
        first, _, rest = body.partition(b"\n")
        deeper = rest.startswith((indent + b" ", indent + b"\t"))
        alone = first.rstrip(b", \t\r").endswith(b"}")
        if first.startswith(b"{") and (deeper or alone):
            self.restart = re.compile(rb"\n" + re.escape(indent) + rb"(?=\{)")

    def _append(self, block: bytes) -> None:
        self.pending.append(block)
        self.size += len(block)

    def _text(self) -> bytes:
        if len(self.pending) != 1:
            self.pending = [b"".join(self.pending)]
        return self.pending[0]

    def _advance(self, by: int) -> None:
        text = self._text()
        self.line += text.count(b"\n", 0, by)
        self.offset += by
        self.pending = [text[by:]]
        self.size = len(text) - by
        self.doubted = False
