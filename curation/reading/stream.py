"""A file's bytes, decompressed block by block, and proof that it did not change while it was read."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Literal

from curation.errors import DataError
from curation.reading.unit import ENDS_EARLY, Progress

Compression = Literal["gz", "zst"] | None

BLOCK: Final = 1 << 18  # a block and its parsed units stay in the processor's cache


class DamageError(Exception):
    """The compressed stream ends or breaks off before its end."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Stream:
    """Iterates over blocks of the decompressed bytes; afterwards `damage` says if the compression broke off."""

    def __init__(self, name: str, path: Path, compression: Compression, sha256: str, progress: Progress) -> None:
        self.name = name
        self.path = path
        self.compression = compression
        self.sha256 = sha256
        self.progress = progress
        self.damage: DamageError | None = None
        self._hash: Any = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        with open_source(self.name, self.path) as file:
            stored = self._stored(file)
            unpacked = 0
            try:
                for block in decompress(stored, self.compression):
                    unpacked += len(block)
                    yield block
            except DamageError as damage:
                where = f"{ENDS_EARLY}, after {unpacked:,} bytes unpacked"
                self.damage = DamageError(damage.reason, f"{where}: {damage.detail}")
            for _ in stored:  # damaged or not, the hash is over the whole file
                pass
        if self._hash.hexdigest() != self.sha256:
            raise changed(self.name)

    def _stored(self, file: IO[bytes]) -> Iterator[bytes]:
        for block in stored_blocks(self.name, file):
            self._hash.update(block)
            self.progress.bytes_read += len(block)
            yield block


def decompress(stored: Iterator[bytes], compression: Compression) -> Iterator[bytes]:
    """Blocks of the decompressed stream; raises DamageError at its end if the compression broke off."""
    if compression is None:
        return stored
    return _gunzip(stored) if compression == "gz" else _unzstd(stored)


def open_source(name: str, path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(name, error) from None


def unreadable(name: str, error: OSError) -> DataError:
    return DataError(f"{name}: cannot be read ({error.strerror or error}); check that it is there and its permissions")


def changed(name: str) -> DataError:
    return DataError(f"{name}: changed while it was read; run again when it is complete")


def stored_blocks(name: str, file: IO[bytes]) -> Iterator[bytes]:
    """A file as stored, block by block; a failing disk is a DataError."""
    while True:
        try:
            block = file.read(BLOCK)
        except OSError as error:
            raise unreadable(name, error) from None
        if not block:
            return
        yield block


def _gunzip(stored: Iterator[bytes]) -> Iterator[bytes]:
    """All members one after the other; zero padding behind the last is allowed, as in gzip."""
    member: Any = None
    for block in stored:
        data = block
        while data:
            if member is None:
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                out = member.decompress(data, BLOCK)
            except zlib.error as error:
                raise DamageError("corrupt_gzip", f"the gzip data is damaged ({error})") from None
            if out:
                yield out
            data = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if member is not None:
        raise DamageError("truncated_gzip", "the gzip file is cut off; download or copy it again")


def _unzstd(stored: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    frame: Any = None
    for block in stored:
        data = block
        while data:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                out = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise DamageError("corrupt_zstd", f"the zstd data is damaged ({error})") from None
            if out:
                yield out
            data = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise DamageError("truncated_zstd", "the zstd file is cut off; download or copy it again")
