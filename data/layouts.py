"""How one story is written down in each layout and container, and where each unit ends up."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data.story import Story

SYSTEM: Final = "You are the support assistant of Orvelin. Be brief and name the machine."


@dataclass(frozen=True, slots=True)
class Mark:
    """A planted defect: what a build should say of the unit. verdict kept with a reason: flagged with it."""

    kind: str
    verdict: str
    reason: str | None = None
    matched: Entry | None = None
    later: bool = False  # only a later feature can find it
    found: tuple[str, ...] = ()  # the very characters that are at fault, where that helps


@dataclass(slots=True, eq=False)
class Entry:
    """One unit of a free-form file before it is written."""

    story: Story
    marks: list[Mark] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] | None = None  # what happened to its line after it was written
    blank_before: bool = False


def alpaca(story: Story, number: int) -> dict[str, Any]:
    prompt, answer = story.turns
    return {"instruction": prompt, "input": story.context, "output": answer, "topic": story.topic}


def sharegpt(story: Story, number: int) -> dict[str, Any]:
    system = [{"from": "system", "value": SYSTEM}] if story.topic == "chat" and number % 3 == 0 else []
    turns = [{"from": ("human", "gpt")[i % 2], "value": turn} for i, turn in enumerate(story.folded().turns)]
    return {"id": f"chat-{number:04d}", "conversations": system + turns}


def guanaco(story: Story, number: int) -> dict[str, Any]:
    turns = (f"### {('Human', 'Assistant')[i % 2]}: {turn}" for i, turn in enumerate(story.folded().turns))
    return {"text": " ".join(turns).rstrip()}


def messages(story: Story, number: int) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(story.folded().turns)]
    return {"id": f"inbox-{number:04d}", "language": story.language, "messages": turns}


def llama2(story: Story, number: int) -> dict[str, Any]:
    turns = story.folded().turns
    pairs = (f"<s>[INST] {turns[i]} [/INST] {turns[i + 1]} </s>" for i in range(0, len(turns), 2))
    return {"text": "".join(pairs)}


def jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json_line(row) + b"\n" for row in rows)


def json_line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def write_entries(
    path: Path, entries: list[Entry], layout: Callable[[Story, int], dict[str, Any]]
) -> dict[Entry, tuple[int, int]]:
    """Write a free-form JSONL file; returns each entry's (unit, line), unit from 0 and line from 1."""
    out, places, line = io.BytesIO(), {}, 0
    for unit, entry in enumerate(entries):
        if entry.blank_before:
            out.write(b"\n")
            line += 1
        line += 1
        places[entry] = (unit, line)
        written = json_line(layout(entry.story, unit))
        out.write((entry.spoil(written) if entry.spoil else written) + b"\n")
    path.write_bytes(out.getvalue())
    return places


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    out = io.StringIO()
    table = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path.write_bytes(out.getvalue().encode())


def write_json_gz(path: Path, rows: list[dict[str, str]]) -> None:
    body = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes(_gzip_stored(f"[\n{body}\n]\n".encode()))


def _gzip_stored(data: bytes) -> bytes:
    """A gzip file of stored blocks. Compressed ones differ between builds of zlib, and these bytes must not."""
    blocks = [data[i : i + 65535] for i in range(0, len(data), 65535)] or [b""]
    body = b"".join(
        struct.pack("<BHH", i == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for i, block in enumerate(blocks)
    )
    head = b"\x1f\x8b\x08\x00" + b"\x00\x00\x00\x00" + b"\x00\xff"  # no name, no time, unknown system
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in rows[0]}
    # Uncompressed for the same reason as above; the file names its pyarrow version, so bytes follow the pinned one.
    pq.write_table(pa.table(columns), path, compression="none")
