"""Every unit of a file is read or quarantined with its exact place, however the file is packed and batched."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from curation.reading.batches import Batch, read_batches
from curation.reading.locate import raw_unit
from curation.reading.sources import Source, SourceSpec, expand

FIXTURE = Path(__file__).parent / "fixtures" / "reading" / "units.jsonl"
CASES = [json.loads(line) for line in FIXTURE.read_text().splitlines()]


def source_of(folder: Path, name: str, content: bytes) -> Source:
    (folder / name).write_bytes(content)
    (source,) = expand([SourceSpec(name)], folder)
    return source


def read(source: Source, size: int = 4096) -> tuple[Batch, int]:
    """All units in one batch, and the blank lines."""
    reading = read_batches(source, size)
    whole = Batch()
    for batch in reading:
        assert 0 < len(batch) <= size
        whole.extend(batch)
    assert whole.unit == list(range(len(whole)))
    assert reading.bytes_read == reading.bytes_total
    return whole, reading.blank


def verdicts(batch: Batch) -> list[str]:
    return [batch.bad[place].reason if place in batch.bad else "ok" for place in range(len(batch))]


def expected(text: bytes, units: list[list[str]]) -> list[tuple[int, int, int, str]]:
    """(line, offset, length, verdict), found by looking for each unit behind the one before."""
    found = []
    place = 0
    for raw, verdict in units:
        body = raw.encode("latin-1")
        start = text.index(body, place) if body else -1
        line = text.count(b"\n", 0, start) + 1 if body else -1
        found.append((line, start, len(body), verdict))
        place = start + len(body) if body else place
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_every_unit_is_read_or_quarantined_in_its_place(case: dict[str, Any], tmp_path: Path) -> None:
    text = case["text"].encode("latin-1")
    source = source_of(tmp_path, case["file"], text)
    batch, blank = read(source)
    places = zip(batch.line, batch.offset, batch.length, verdicts(batch), strict=True)
    wanted = expected(text, case["units"])
    for got, want in zip(places, wanted, strict=True):
        assert got[2:] == want[2:]
        assert want[1] == -1 or got == want
    assert blank == case["blank"]
    assert [value is None for value in batch.value] == [verdict != "ok" for verdict in verdicts(batch)]
    for place, bad in batch.bad.items():
        raw = raw_unit(tmp_path / case["file"], None, source.container, batch.offset[place], batch.length[place])
        assert bad.raw.rstrip(b"\r\n") == raw
        assert bad.detail
        assert "\n" not in bad.detail


def tiny_members(text: bytes, suffix: str, step: int) -> bytes:
    """Many gzip members or zstd frames, so that blocks end anywhere."""
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    pack = gzip.compress if suffix == ".gz" else zstandard.compress
    return b"".join(pack(part) for part in parts)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_packing_and_batch_size_change_nothing(case: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    text = case["text"].encode("latin-1")
    plain = read(source_of(tmp_path, case["file"], text))
    step = 1 if len(text) < 400 else 97
    source = source_of(tmp_path, case["file"] + suffix, tiny_members(text, suffix, step))
    assert source.compression == suffix[1:]
    for size in (1, 2, 4096):
        assert read(source, size) == plain
    batch = plain[0]
    for offset, length in zip(batch.offset, batch.length, strict=True):
        path = tmp_path / source.name
        assert raw_unit(path, source.compression, source.container, offset, length) == text[offset : offset + length]
