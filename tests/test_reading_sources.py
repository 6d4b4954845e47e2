"""Finding sources: files, folders, globs, datasets; wrong files are named for what they are."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import ConfigError, DataError
from curation.reading.budget import check_budget
from curation.reading.locate import raw_unit
from curation.reading.sources import Source, SourceSpec, expand
from tests.test_reading_units import read, source_of

ROW = b'{"a":1}\n'


def names(folder: Path, *paths: str, notes: list[str] | None = None) -> list[str]:
    return [source.name for source in expand([SourceSpec(path) for path in paths], folder, notes)]


def save_dataset(folder: Path, table: Any) -> None:
    """The files that datasets' save_to_disk writes, in its layout."""
    folder.mkdir(parents=True)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text("{}")


def test_recipe_order_then_sorted_path(tmp_path: Path) -> None:
    for name in ("b.jsonl", "raw/z.jsonl", "raw/a.csv", "raw/deep/m.json.gz", "raw/notes.txt", "raw/.hidden.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(ROW) if name.endswith(".gz") else ROW)
    notes: list[str] = []
    in_raw = ["raw/a.csv", "raw/deep/m.json.gz", "raw/z.jsonl"]
    assert names(tmp_path, "raw", "b.jsonl", notes=notes) == [*in_raw, "b.jsonl"]
    assert notes == ["raw: raw/notes.txt ignored, not a known ending"]
    assert names(tmp_path, "raw/**/*") == in_raw
    assert names(tmp_path, "raw/*.jsonl") == ["raw/z.jsonl"]
    outside = expand([SourceSpec("b.jsonl")], tmp_path / "raw" / "..")
    assert outside[0].name == "b.jsonl"
    assert (
        expand([SourceSpec(str(tmp_path / "b.jsonl"))], tmp_path / "raw")[0].name == (tmp_path / "b.jsonl").as_posix()
    )


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(ROW)
    notes: list[str] = []
    assert names(tmp_path, "x.jsonl", "*.jsonl", notes=notes) == ["x.jsonl"]
    assert notes == ["x.jsonl: named by x.jsonl and by *.jsonl; read once, as x.jsonl"]


def test_a_name_with_glob_characters_is_a_name_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "x[1].jsonl").write_bytes(ROW)
    assert names(tmp_path, "x[1].jsonl") == ["x[1].jsonl"]


def test_a_source_travels_to_another_process(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x.jsonl", ROW)
    again: Source = pickle.loads(pickle.dumps(source))
    assert again == source
    assert again.bytes == len(ROW)


def test_empty_files_are_sources_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"")
    notes: list[str] = []
    (source,) = expand([SourceSpec("x.jsonl")], tmp_path, notes)
    assert notes == ["x.jsonl: is empty"]
    assert len(read(source)[0]) == 0


def test_an_array_named_jsonl_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'[{"a":1}]')
    notes: list[str] = []
    assert expand([SourceSpec("x.jsonl")], tmp_path, notes)[0].container == "json"
    assert notes == ["x.jsonl: is named like JSON lines but holds one JSON array; read as such"]


WRONG = [
    (b"<!DOCTYPE html>\n<html>", "is an HTML page, not JSON lines; download the file itself (the 'raw' link)"),
    (b"\n <html lang=en>", "is an HTML page, not JSON lines; download the file itself (the 'raw' link)"),
    (b"%PDF-1.7", "is a PDF document, not JSON lines; export its text as JSON lines"),
    (b"PK\x03\x04..", "is a zip archive (or an Office file), not JSON lines; unpack it first"),
    (b"\x89PNG\r\n", "is a PNG image, not JSON lines; name a text file"),
    (b"SQLite format 3\0", "is an SQLite database, not JSON lines; export its table as JSON lines or CSV"),
    (
        b"version https://git-lfs.github.com/spec/v1\n",
        "is a Git LFS pointer, not JSON lines; fetch it with `git lfs pull`",
    ),
    (b"PAR1....", "is a Parquet file, not JSON lines; rename it to end in .parquet"),
    (
        b"404: Not Found",
        'is a web server\'s answer ("404: Not Found"), not JSON lines; check the link and download again',
    ),
    (
        '{"a":1}\n'.encode("utf-16"),
        "is written in UTF-16; convert it: iconv -f UTF-16 -t UTF-8 x.jsonl > utf8-copy",
    ),
    (
        '{"a":1}\n'.encode("utf-16-le"),
        "is written in UTF-16; convert it: iconv -f UTF-16 -t UTF-8 x.jsonl > utf8-copy",
    ),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_a_wrong_file_is_named_for_what_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        source_of(tmp_path, "x.jsonl", content)
    assert str(caught.value) == f"x.jsonl: {message}"
    (tmp_path / "x.jsonl").write_bytes(gzip.compress(content))
    with pytest.raises(DataError):
        expand([SourceSpec("x.jsonl")], tmp_path)


def test_a_workbook_is_to_be_saved_as_csv(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"Fragen.XLSX: is a spreadsheet's own file, .*; save it there as CSV \(UTF-8\)"
    ):
        source_of(tmp_path, "Fragen.XLSX", b"PK\x03\x04..")


def test_what_is_not_there_is_said_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_bytes(ROW)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "x.txt").write_text("hello")
    os.symlink(tmp_path / "gone", tmp_path / "link.jsonl")
    messages = {
        "ticket.jsonl": 'ticket.jsonl: is not there; did you mean "tickets.jsonl"?',
        "raw/x.jsonl": "raw/x.jsonl: is not there; the folder raw is not there either",
        "*.csv": f"*.csv: no file matches this pattern; check it from {tmp_path}",
        "link.jsonl": "link.jsonl: is a link to nothing; mend the link, or leave it out",
    }
    for path, message in messages.items():
        with pytest.raises(DataError) as caught:
            expand([SourceSpec(path)], tmp_path)
        assert str(caught.value) == message
    with pytest.raises(DataError, match=r"^none: holds no file that can be read; known endings"):
        expand([SourceSpec("none")], tmp_path)
    with pytest.raises(DataError, match=r"^none/x.txt: its ending is not known and it does not look like JSON"):
        expand([SourceSpec("none/x.txt")], tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(ROW)
    (tmp_path / "x.jsonl").chmod(0)
    with pytest.raises(DataError, match=r"^x.jsonl: cannot be read \(Permission denied\)"):
        expand([SourceSpec("x.jsonl")], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"q,a,q\n1,2,3\n", 'x.csv: its header names "q" twice; rename one of the columns'),
        (b",,\n1,2,3\n", "x.csv: its header is empty; name the columns in the first line"),
    ],
)
def test_a_csv_header_must_name_its_columns(text: bytes, message: str, tmp_path: Path) -> None:
    source = source_of(tmp_path, "x.csv", text)
    with pytest.raises(DataError) as caught:
        read(source)
    assert str(caught.value) == message


def test_what_excel_wrote_says_how_it_becomes_utf8(tmp_path: Path) -> None:
    answer = "save it as CSV UTF-8, or: iconv -f WINDOWS-1252 -t UTF-8"
    with pytest.raises(DataError, match=rf"its header is not UTF-8 at byte 2 \(0xf6\); if Excel wrote it, {answer}"):
        read(source_of(tmp_path, "x.csv", "L\u00f6sung;a\n1;2\n".encode("cp1252")))
    batch, _ = read(source_of(tmp_path, "y.csv", "q;a\n1;2\nL\u00f6sung;2\n".encode("cp1252")))
    (bad,) = batch.bad.values()
    assert answer in bad.detail


def test_csv_values_are_strings_under_the_header(tmp_path: Path) -> None:
    batch, _ = read(source_of(tmp_path, "x.csv", b',q;x\n0,"a\n""b"""\n'))
    assert batch.value == [{"column_1": "0", "q;x": 'a\n"b"'}]


def test_parquet_rows_are_plain_objects(tmp_path: Path) -> None:
    rows = [
        {"q": "x", "m": [{"role": "user", "n": 1}], "d": date(2026, 1, 2), "f": float("nan"), "b": b"raw"},
        {"q": None, "m": [], "d": None, "f": 1.5, "b": b"\xff"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", row_group_size=1)
    (source,) = expand([SourceSpec("x.parquet")], tmp_path)
    batch, _ = read(source, 1)
    assert batch.value[0] == {"q": "x", "m": [{"role": "user", "n": 1}], "d": "2026-01-02", "f": None, "b": "raw"}
    assert batch.bad[1].reason == "bad_utf8"
    assert (batch.line, batch.offset, batch.length) == ([1, 2], [-1, -1], [-1, -1])
    with pytest.raises(DataError, match="found by row number"):
        raw_unit(tmp_path / "x.parquet", None, "parquet", -1, -1)


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    source = source_of(tmp_path, "x.parquet", b"PAR1 nothing of the kind")
    with pytest.raises(DataError, match=r"^x.parquet: is not a sound Parquet file \("):
        read(source)


def test_a_datasets_folder_is_a_source_for_each_split(tmp_path: Path) -> None:
    table = pa.table({"q": ["a", "b", "c"]})
    save_dataset(tmp_path / "raw" / "ds" / "train", table)
    save_dataset(tmp_path / "raw" / "ds" / "test", table.slice(0, 1))
    (tmp_path / "raw" / "ds" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    save_dataset(tmp_path / "raw" / "one", table)
    sources = expand([SourceSpec("raw")], tmp_path)
    assert [source.name for source in sources] == ["raw/ds/test", "raw/ds/train", "raw/one"]
    assert read(sources[1], 2)[0].value == [{"q": "a"}, {"q": "b"}, {"q": "c"}]
    assert sources[1].sha256 == sources[2].sha256 != sources[0].sha256


@pytest.mark.slow
def test_a_folder_that_datasets_wrote_and_a_hub_name(tmp_path: Path) -> None:
    """In a process of its own: importing datasets takes seconds and leaves settings behind."""
    code = (
        "import sys, datasets, pathlib\n"
        "from curation.errors import DataError\n"
        "from curation.reading.sources import SourceSpec, expand\n"
        "from curation.reading.batches import read_batches\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "rows = datasets.Dataset.from_list([{'q': 'a', 'n': 1}, {'q': 'b', 'n': 2}])\n"
        "datasets.DatasetDict({'train': rows}).save_to_disk(str(root / 'ds'))\n"
        "(source,) = expand([SourceSpec('ds')], root)\n"
        "print(source.name, [value for batch in read_batches(source) for value in batch.value])\n"
        "try:\n    expand([SourceSpec('hf:nobody/nothing:plain/train')], root)\n"
        "except DataError as error:\n    print(error)\n"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "ds/train [{'q': 'a', 'n': 1}, {'q': 'b', 'n': 2}]"
    assert second.startswith("hf:nobody/nothing:plain: cannot be loaded (")
    assert second.endswith("check the name, the network and HF_HUB_OFFLINE")


@pytest.mark.slow
def test_a_hub_data_set_is_read_from_the_cache_without_network(tmp_path: Path) -> None:
    """The library's own cache, as a download leaves it, stands in for the network."""
    (tmp_path / "a.jsonl").write_bytes(b'{"q":"a"}\n{"q":"b"}\n')
    code = (
        "import sys, pathlib, datasets\n"
        "from curation.reading.sources import SourceSpec, expand\n"
        "from curation.reading.batches import read_batches\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "datasets.disable_progress_bars()\n"
        "datasets.load_dataset('json', data_files={'train': str(root / 'a.jsonl')})\n"
        "cache = root / 'home' / 'datasets'\n"
        "made = next((cache / 'json').glob('default-*/0.0.0/*/'))\n"
        "there = cache / 'owner___name' / 'default' / '0.0.0' / made.name\n"
        "there.parent.mkdir(parents=True)\n"
        "made.rename(there)\n"
        "(there / 'json-train.arrow').rename(there / 'name-train.arrow')\n"
        "for name in ('hf:owner/name', 'hf:owner/name:default/train'):\n"
        "    (source,) = expand([SourceSpec(name)], root)\n"
        "    print(source.name, [value for batch in read_batches(source, 1) for value in batch.value])\n"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    rows = "[{'q': 'a'}, {'q': 'b'}]"
    assert done.stdout.splitlines() == [f"hf:owner/name/train {rows}", f"hf:owner/name:default/train {rows}"]


def test_a_hub_name_must_be_whole() -> None:
    with pytest.raises(ConfigError, match=r"^hf:nobody: is not of the form hf:owner/name"):
        expand([SourceSpec("hf:nobody")], Path())


def test_the_budget_names_the_commonest_causes() -> None:
    reasons = Counter(nan=30, not_json=50, bad_utf8=15, two_values=6)
    lines = {"nan": (7, "-"), "not_json": (2, "expected a value"), "bad_utf8": (90, "-"), "two_values": (3, "-")}
    check_budget("x.jsonl", 10_100, reasons, 0.01, lines)
    check_budget("x.jsonl", 20, Counter(nan=20), 0.0, lines)
    with pytest.raises(DataError) as caught:
        check_budget("x.jsonl", 10_000, reasons, 0.01, lines)
    assert str(caught.value) == (
        "x.jsonl: 101 of 10,000 units cannot be read, 100 are tolerated: not_json 50 (first at line 2), "
        "nan 30 (first at line 7), bad_utf8 15 (first at line 90), 1 more causes; mend the file or raise max_bad; "
        "line 2: expected a value"
    )
    assert caught.value.exit_code == 3
