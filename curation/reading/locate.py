"""The bytes of one unit again, as `why` shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from curation.errors import DataError
from curation.reading.stream import Compression, DamageError, decompress, open_source, stored_blocks


def raw_unit(source_path: Path, compression: Compression, container: str, offset: int, length: int) -> bytes:
    """`length` bytes at `offset` of the decompressed stream; fewer if the file ends before."""
    name = str(source_path)
    if offset < 0 or length < 0:
        raise DataError(
            f"{name}: rows of a {container} source have no bytes of their own; they are found by row number"
        )
    with open_source(name, source_path) as file:
        if compression is None:
            file.seek(offset)
            return file.read(length)
        return _slice(decompress(stored_blocks(name, file), compression), offset, length)


def _slice(blocks: Iterator[bytes], offset: int, length: int) -> bytes:
    parts: list[bytes] = []
    position = 0
    end = offset + length
    try:
        for block in blocks:
            parts.append(block[max(0, offset - position) : max(0, end - position)])
            position += len(block)
            if position >= end:
                break
    except DamageError:
        pass  # a cut-off file still shows what was read of it
    return b"".join(parts)
