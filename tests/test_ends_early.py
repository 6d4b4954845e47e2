"""A file that was cut off says so in its bad unit and in the build, for more may be missing than that unit."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from curation.pipeline import build
from curation.store import open_store
from tests.lineage_workspace import line, workspace

ROWS = [json.dumps(line(n)) for n in range(300)]
LINES, ARRAY = "\n".join(ROWS).encode(), ("[\n" + ",\n".join(ROWS) + "\n]").encode()


def cases() -> dict[str, tuple[str, bytes, str, str]]:
    packed = gzip.compress(LINES)
    flipped = bytearray(packed)
    flipped[-6] ^= 255
    inside = ARRAY[: ARRAY.rindex(b', "completion"')]
    element = len(inside) - inside.rindex(b'{"id"')
    array = (
        f"the file ends early, {element} bytes into an element of an array without its ]: ends in the middle of a value"
    )
    return {
        "gz": ("x.jsonl.gz", packed[:-900], "truncated_gzip", "the gzip file is cut off; download or copy it again"),
        "crc": (
            "x.jsonl.gz",
            bytes(flipped),
            "corrupt_gzip",
            "after 0 bytes unpacked: the gzip data is damaged",
        ),
        "element": ("x.json", inside, "truncated_json", array),
        "bracket": ("x.json", ARRAY[:-2], "truncated_json", "the file ends early, before the array's ]"),
    }


@pytest.mark.parametrize("case", cases().values(), ids=list(cases()))
def test_it_is_told(case: tuple[str, bytes, str, str], tmp_path: Path) -> None:
    name, content, reason, told = case
    made = workspace(tmp_path, [line(n) for n in range(400, 420)], language={"action": "off"})
    (tmp_path / "raw" / name).write_bytes(content)
    notes = build(made).notes
    (bad,) = [unit for unit in open_store(made.store_path).table("v1", "ledger").to_pylist() if unit["stage"] == "read"]
    assert (bad["verdict"], bad["reason"], bad["source"]) == ("quarantined", reason, f"raw/{name}")
    assert bad["detail"].startswith("the file ends early, ")
    assert told in bad["detail"]
    assert notes[0] == f"raw/{name}: {bad['detail']}"


def test_a_broken_line_is_no_early_end(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(30)])
    (tmp_path / "raw" / "x.jsonl").write_bytes(b'{"prompt": "Is this cut?", "comp\n' + ROWS[50].encode())
    assert not [note for note in build(made).notes if "ends early" in note]
