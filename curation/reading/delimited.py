"""CSV and TSV: a record is one unit and may span lines; its bytes are known all the same."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from curation.errors import DataError
from curation.reading.lines import BOM, broken_lines, whole_lines
from curation.reading.stream import Stream
from curation.reading.unit import MAX_RAW, MAX_UNIT, Bad, Batch

# What Excel saves as "CSV" in western Europe; its "CSV UTF-8" needs none of this.
_FROM_EXCEL: Final = "if Excel wrote it, save it as CSV UTF-8, or: iconv -f WINDOWS-1252 -t UTF-8 FILE > utf8-copy"
_PER_BATCH: Final = 1024
csv.field_size_limit(MAX_UNIT)  # the module's own limit of 128 KiB refuses honest long answers


@dataclass(frozen=True, slots=True)
class _Line:
    """A physical line with its newline; one that cannot be read has the reason, and its true length."""

    raw: bytes
    number: int
    offset: int
    length: int
    bad: Bad | None = None


class _Lines:
    """Feeds physical lines to the csv module and remembers which of them the record at hand used."""

    def __init__(self, stream: Stream) -> None:
        self.source = _physical(stream)
        self.again: deque[_Line] = deque()
        self.used: list[_Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.source)
        self.used.append(line)
        return line.raw.decode("utf-8", "surrogateescape")

    def back(self, lines: list[_Line]) -> None:
        self.again.extendleft(reversed(lines))


def read_csv(stream: Stream) -> Iterator[Batch]:
    """Records as objects of strings, keys from the header."""
    lines = _Lines(stream)
    delimiter = _delimiter(lines, stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(lines, reader, stream)
    batch = Batch()
    while True:
        lines.used = []
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            # An open quote swallows the lines behind it: only the first of them is bad, the others get a second chance.
            lines.back(lines.used[1:])
            lines.used = lines.used[:1]
            _add(batch, lines.used, Bad("bad_quote", f"quotes do not match ({error})", lines.used[0].raw[:MAX_RAW]))
        else:
            _add_record(batch, lines.used, fields, header, stream)
        if len(batch) >= _PER_BATCH:
            yield batch
            batch = Batch()
    yield batch


def _physical(stream: Stream) -> Iterator[_Line]:
    for lines in whole_lines(stream):
        broken = broken_lines(lines, stream)
        if broken:
            yield _Line(b"\n", lines.line, lines.offset, lines.length, broken.bad[0])
            continue
        offset = lines.offset
        raws = lines.body.split(b"\n")
        for place, raw in enumerate(raws):
            end = b"" if lines.last and place == len(raws) - 1 else b"\n"
            skip = len(BOM) if offset == 0 and raw.startswith(BOM) else 0
            line = raw[skip:] + end
            yield _Line(line, lines.line + place, offset + skip, len(line))
            offset += len(raw) + 1


def _delimiter(lines: _Lines, stream: Stream) -> str:
    """The commonest of , ; and tab in the first line that is not blank."""
    first = next(lines, "")
    while first and not first.strip():
        stream.progress.blank += 1
        lines.used = []
        first = next(lines, "")
    lines.back(lines.used)
    lines.used = []
    bare = "".join(first.split('"')[::2])
    if ".tsv" in stream.path.suffixes:
        return "\t"
    return max(",;\t", key=bare.count)


def _header(lines: _Lines, reader: Any, stream: Stream) -> list[str]:
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"{stream.name}: its header cannot be read ({error}); save it as UTF-8 CSV again") from None
    if bad := _utf8(b"".join(line.raw for line in lines.used)):
        raise DataError(f"{stream.name}: its header is {bad.detail}")
    if lines.used and lines.used[0].bad:
        raise DataError(f"{stream.name}: its header cannot be read ({lines.used[0].bad.detail})")
    if lines.used and not any(names):
        raise DataError(f"{stream.name}: its header is empty; name the columns in the first line")
    twice = next((name for place, name in enumerate(names) if name and name in names[:place]), None)
    if twice is not None:
        raise DataError(f'{stream.name}: its header names "{twice}" twice; rename one of the columns')
    return [name or f"column_{place}" for place, name in enumerate(names, 1)]


def _add_record(batch: Batch, used: list[_Line], fields: list[str], header: list[str], stream: Stream) -> None:
    raw = b"".join(line.raw for line in used)
    broken = next((line.bad for line in used if line.bad), None)
    if broken:
        _add(batch, used, broken)
    elif raw.isspace():
        stream.progress.blank += 1
    elif b"\0" in raw:
        _add(batch, used, Bad("nul_byte", f"NUL at byte {raw.index(0) + 1}", raw[:MAX_RAW]))
    elif len(fields) != len(header):
        detail = f"{len(fields)} fields, but the header has {len(header)}"
        _add(batch, used, Bad("ragged_record", detail, raw[:MAX_RAW]))
    else:
        _add(batch, used, _utf8(raw), dict(zip(header, fields, strict=True)))


def _utf8(raw: bytes) -> Bad | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        where = f"not UTF-8 at byte {error.start + 1} (0x{raw[error.start]:02x})"
        return Bad("bad_utf8", f"{where}; {_FROM_EXCEL}", raw[:MAX_RAW])
    return None


def _add(batch: Batch, used: list[_Line], bad: Bad | None, value: dict[str, Any] | None = None) -> None:
    first, last = used[0], used[-1]
    if bad:
        batch.bad[len(batch)] = bad
    newline = 0 if last.bad else len(last.raw) - len(last.raw.removesuffix(b"\n").removesuffix(b"\r"))
    batch.line.append(first.number)
    batch.offset.append(first.offset)
    batch.length.append(last.offset + last.length - newline - first.offset)
    batch.value.append(None if bad else value)
