"""What a file really is, told from its first bytes and not from its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import orjson

from curation.errors import DataError
from curation.reading.stream import Compression, DamageError, decompress, open_source, stored_blocks

Layout = Literal["lines", "array", "objects"]

HEAD: Final = 1 << 16

_TAKE_FILE: Final = "download the file itself (the 'raw' link)"
_ZIP: Final = b"PK\x03\x04"
_WORKBOOKS: Final = (".xlsx", ".xlsm", ".ods")
_MAGIC: Final = (
    (b"%PDF", "a PDF document", "export its text as JSON lines"),
    (_ZIP, "a zip archive (or an Office file)", "unpack it first"),
    (b"\x89PNG", "a PNG image", "name a text file"),
    (b"\xff\xd8\xff", "a JPEG image", "name a text file"),
    (b"GIF8", "a GIF image", "name a text file"),
    (b"SQLite format 3\0", "an SQLite database", "export its table as JSON lines or CSV"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch it with `git lfs pull`"),
    (b"PAR1", "a Parquet file", "rename it to end in .parquet"),
    (b"ARROW1", "an Arrow file", "save it as Parquet"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it first"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x7fELF", "a program", "name a text file"),
    (b"\x80\x02", "a Python pickle", "save it as JSON lines"),
    (b"\x80\x04", "a Python pickle", "save it as JSON lines"),
    (b"\x93NUMPY", "a NumPy array", "save it as JSON lines"),
)
_PAGE: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_REFUSAL: Final = re.compile(
    rb"(?:404: not found|not found|entry not found|repository not found|access denied|forbidden|"
    rb"invalid username or password\.?)\s*\Z",
    re.IGNORECASE,
)
# UTF-32 before UTF-16: the little-endian mark of the one begins with that of the other.
_MARKS: Final = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_WANTED: Final = {"jsonl": "JSON lines", "json": "JSON", "csv": "CSV", "parquet": "Parquet"}


def compression_of(head: bytes) -> Compression:
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    return "zst" if head.startswith(b"\x28\xb5\x2f\xfd") else None


def read_head(name: str, path: Path) -> tuple[bytes, Compression]:
    """The first bytes of a file, decompressed, and how it is compressed (by content, whatever its name)."""
    with open_source(name, path) as file:
        compression = compression_of(file.read(4))
        file.seek(0)
        head = b""
        try:
            for block in decompress(stored_blocks(name, file), compression):
                head += block
                if len(head) >= HEAD:
                    break
        except DamageError:
            pass  # what came before the damage is enough here; the reader reports it
    return head[:HEAD], compression


def refuse_wrong_kind(name: str, head: bytes, container: str) -> None:
    """DataError for a file that is plainly something else, saying what it is and what to do."""
    wanted = _WANTED[container]
    if head.startswith(_ZIP) and name.lower().endswith(_WORKBOOKS):
        raise DataError(f"{name}: is a spreadsheet's own file, not {wanted}; save it there as CSV (UTF-8)")
    for magic, kind, action in _MAGIC:
        if head.startswith(magic):
            raise DataError(f"{name}: is {kind}, not {wanted}; {action}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            raise _encoding(name, encoding)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        raise DataError(f"{name}: is an HTML page, not {wanted}; {_TAKE_FILE}")
    if text.startswith(b"<?xml"):
        raise DataError(f"{name}: is an XML file, not {wanted}; convert it first")
    if _REFUSAL.match(text):
        answer = text.strip().decode()
        raise DataError(
            f'{name}: is a web server\'s answer ("{answer}"), not {wanted}; check the link and download again'
        )
    if text.startswith(b"/annex/objects/") or text.startswith(b".git/annex/objects/"):
        raise DataError(f"{name}: is a git-annex pointer, not the data; fetch it with `git annex get`")
    if head[257:262] == b"ustar":
        raise DataError(f"{name}: is a tar archive, not {wanted}; unpack it first")
    _refuse_unmarked_utf16(name, head)


def layout_of(head: bytes) -> Layout:
    """Whether JSON text is one value a line, one array, or objects that span lines."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lines = [line.strip() for line in text.split(b"\n") if line.strip()]
    if not lines or text[:1] not in (b"[", b"{"):
        return "lines"
    whole = len(head) < HEAD
    if len(lines) == 1 or (len(lines) == 2 and not whole):
        return "array" if text[:1] == b"[" else "lines"
    first, second = lines[:2]
    if text[:1] == b"{":
        spans = first.endswith((b"{", b",", b"[")) and not second.startswith(b"{")
        return "objects" if spans else "lines"
    # Lines that each hold an array, or one bad line before good ones, are still lines.
    closed = not first.endswith((b",", b"["))
    return "lines" if _is_value(first) or (closed and _is_value(second)) else "array"


def _is_value(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _refuse_unmarked_utf16(name: str, head: bytes) -> None:
    """ASCII in UTF-16 is every other byte NUL; a file with a few stray NULs is not meant."""
    sample = head[: HEAD & ~1]
    pairs = len(sample) // 2
    if pairs and max(sample[::2].count(0), sample[1::2].count(0)) > 0.7 * pairs:
        raise _encoding(name, "UTF-16")


def _encoding(name: str, encoding: str) -> DataError:
    return DataError(f"{name}: is written in {encoding}; convert it: iconv -f {encoding} -t UTF-8 {name} > utf8-copy")
