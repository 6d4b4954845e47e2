"""Exports: layouts, containers, manifest, and an export in place whole or detectably not at all."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import ConfigError, DataError, StoreBusyError, StoreError
from curation.export import check_export, export, export_ledger, is_ledger
from curation.export.manifest import read_manifest
from curation.store import Store
from tests.store_samples import publish, publish_number, record, tables

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def talk(*turns: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns], "meta": {}, **more}


def called() -> dict[str, Any]:
    """A conversation with a tool call, its tool's answer, and a number that no double can hold."""
    call = {"function": {"arguments": {"big": 2**70}, "name": "look"}, "type": "function"}
    return {
        "messages": [
            {"role": "user", "content": "look it up"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "It is 42."},
        ],
        "meta": {"big": 2**70},
        "tools": [{"type": "function", "function": {"name": "look"}}],
    }


def lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_text("utf-8")
    assert not content or content.endswith("\n")
    return [json.loads(line) for line in content.split("\n")[:-1]]


def test_messages_jsonl(store: Store, tmp_path: Path) -> None:
    records = [*(record(n) for n in range(6)), called(), talk(("user", "\u2028"), ("assistant", "\x00\x7f"))]
    content = tables(records)
    publish(store, content)
    manifest = export(store, "v1", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]
    assert {file.split: file.rows for file in manifest.files} == {"train": 6, "validation": 1, "test": 1}
    written = [row for split in ("train", "validation", "test") for row in lines(tmp_path / "out" / f"{split}.jsonl")]
    ids = [str(uuid.UUID(bytes=i)) for i in content["members"]["row_id"].to_pylist()]
    assert [row.pop("row_id") for row in written] == ids
    assert written == records
    assert check_export(tmp_path / "out") == []
    assert not list(tmp_path.glob(".*"))


def test_the_manifest_follows_its_schema_and_holds_no_date(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    for container in ("jsonl", "parquet", "datasets"):
        export(store, "latest", tmp_path / container, container=container)
        manifest = json.loads((tmp_path / container / "manifest.json").read_text())
        jsonschema.validate(manifest, schema, cls=jsonschema.Draft202012Validator)
        assert "2030" not in json.dumps({**manifest, "files": []}).replace(manifest["version_id"], "")


def test_equal_versions_give_equal_bytes(tmp_path: Path) -> None:
    content = tables([record(n) for n in range(50)])
    for name in ("one", "two"):
        store = Store.create(tmp_path / name)
        publish(store, content, created=name, message=name)
        for container in ("jsonl", "parquet", "datasets"):
            export(store, "v1", tmp_path / f"{name}-{container}", container=container)
    for path in sorted(tmp_path.glob("one-*/**/*.*")):
        twin = tmp_path / str(path.relative_to(tmp_path)).replace("one-", "two-", 1)
        assert path.read_bytes() == twin.read_bytes(), path


CASES = [json.loads(line) for line in (ROOT / "tests/fixtures/export_layouts.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['format']}: {case['why']}" for case in CASES])
def test_layouts(store: Store, tmp_path: Path, case: dict[str, Any]) -> None:
    publish(store, tables([case["record"]], ["train"]))
    if "refused" in case:
        with pytest.raises(DataError) as caught:
            export(store, "v1", tmp_path / "out", format=case["format"])
        (line,) = (line for line in store.table("v1", "ledger").to_pylist() if line["verdict"] == "kept")
        assert str(caught.value) == (
            f"export: 1 row cannot be written as {case['format']}: {case['refused']} (1); first: "
            f"{line['source']}:{line['line']}; nothing was written, drop or edit these rows by a patch, leave them out "
            "with --skip-refused, or use --format messages, which holds every row"
        )
        assert not (tmp_path / "out").exists()
        return
    export(store, "v1", tmp_path / "out", format=case["format"])
    (row,) = lines(tmp_path / "out/train.jsonl")
    assert row.pop("row_id")
    assert row == case["line"]
    export(store, "v1", tmp_path / "columns", format=case["format"], container="parquet")
    (columns,) = pq.read_table(tmp_path / "columns/train.parquet").to_pylist()
    texts = {key: json.dumps(row[key], sort_keys=True, separators=(",", ":")) for key in ("meta",) if key in row}
    assert {key: columns[key] for key in row} == {**row, **texts}


def test_refusals_are_counted_and_leave_the_export_before_alone(store: Store, tmp_path: Path) -> None:
    publish(store, tables([record(n) for n in range(3)]), "a" * 64)
    export(store, "v1", tmp_path / "out", format="alpaca")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    odd = [talk(("user", str(n)), ("user", "?"), ("assistant", "!")) for n in range(5)]
    publish(store, tables([record(0), called(), *odd]), "b" * 64)
    with pytest.raises(DataError) as caught:
        export(store, "v2", tmp_path / "out", format="alpaca")
    assert str(caught.value).startswith(
        "export: 6 rows cannot be written as alpaca: turns that are not question, answer, question, answer (5),"
        " tool definitions (1); first: "
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert os.listdir(tmp_path) in (["store", "out"], ["out", "store"])
    manifest = export(store, "v2", tmp_path / "out", format="alpaca", skip_refused=True)
    assert sum((manifest.skipped or {}).values()) == 6
    assert sum(file.rows for file in manifest.files) == 1
    assert check_export(tmp_path / "out") == []
    assert read_manifest(tmp_path / "out") == manifest


def test_parquet_holds_tool_calls_as_json_text(store: Store, tmp_path: Path) -> None:
    publish(store, tables([record(0), record(1), called()]))
    export(store, "v1", tmp_path / "out", container="parquet")
    (row,) = pq.read_table(tmp_path / "out/test.parquet").to_pylist()
    assert [list(message) for message in row["messages"]] == [["role", "content", "tool_calls"]] * 4
    assert json.loads(row["messages"][1]["tool_calls"]) == called()["messages"][1]["tool_calls"]
    assert (json.loads(row["tools"]), json.loads(row["meta"])) == (called()["tools"], called()["meta"])
    schemas = {str(pq.read_schema(tmp_path / f"out/{split}.parquet")) for split in ("train", "validation", "test")}
    assert len(schemas) == 1


LOAD = """
import json, sys
import datasets
datasets.disable_progress_bars()
loaded = datasets.load_dataset(*sys.argv[1:2], **json.loads(sys.argv[2]))
print(json.dumps({split: list(data) for split, data in loaded.items()}))
"""


def load(tmp_path: Path, name: str, **options: Any) -> dict[str, list[dict[str, Any]]]:
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", LOAD, name, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_the_datasets_library_reads_the_folder(store: Store, tmp_path: Path) -> None:
    """The empty split has no file: load_dataset would refuse the folder for it."""
    records = [talk(("user", f"q{n}"), ("assistant", "é")) | {"meta": {"n": [n, "text"][n % 2]}} for n in range(6)]
    publish(store, tables(records, ["train"] * 5 + ["test"]))
    export(store, "v1", tmp_path / "out", container="datasets")
    loaded = load(tmp_path, str(tmp_path / "out"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 5, "test": 1}
    assert [row["messages"] for row in loaded["train"] + loaded["test"]] == [r["messages"] for r in records]
    assert [json.loads(row["meta"]) for row in loaded["train"]] == [r["meta"] for r in records[:5]]


def test_the_datasets_library_reads_the_lines(store: Store, tmp_path: Path) -> None:
    publish(store, tables([record(n) for n in range(5)]))
    export(store, "v1", tmp_path / "out")
    loaded = load(tmp_path, str(tmp_path / "out"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 3, "validation": 1, "test": 1}
    assert loaded["train"][0]["messages"] == record(0)["messages"]


@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_a_split_without_rows_is_an_empty_file(store: Store, tmp_path: Path, container: str) -> None:
    publish(store, tables([record(0)], ["train"]))
    manifest = export(store, "v1", tmp_path / "out", container=container)
    assert [(file.split, file.rows) for file in manifest.files] == [("train", 1), ("validation", 0), ("test", 0)]
    for file in manifest.files[1:]:
        path = tmp_path / "out" / file.path
        assert path.suffix == ".jsonl" or pq.read_table(path).num_rows == 0
        assert path.suffix == ".parquet" or path.read_bytes() == b""


def test_another_container_replaces_the_files_of_the_one_before(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    export(store, "v1", tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    export(store, "v1", tmp_path / "out", container="parquet")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("manifest.json", "notes.txt", "test.parquet", "train.parquet", "validation.parquet")
    }


def test_files_of_others_are_not_overwritten(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/train.jsonl").write_text("mine")
    with pytest.raises(ConfigError, match=r"out/train\.jsonl: exists, and no manifest says that an export wrote it"):
        export(store, "v1", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"train\.jsonl: is a file; name a folder to export into"):
        export(store, "v1", tmp_path / "out/train.jsonl")
    assert (tmp_path / "out/train.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "alpacca"}, 'export: format "alpacca" is not known; did you mean "alpaca"?'),
        ({"container": "csv"}, 'export: container "csv" is not known; known: datasets, jsonl, parquet'),
    ],
)
def test_unknown_options(store: Store, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    publish_number(store, 1)
    with pytest.raises(ConfigError) as caught:
        export(store, "v1", tmp_path / "out", **options)
    assert str(caught.value) == message


def test_check_export_names_what_differs(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    out = tmp_path / "out"
    assert check_export(out) == [f"{out}/manifest.json: is missing, so the export is not complete; export again"]
    export(store, "v1", out)
    (out / "test.jsonl").unlink()
    content = bytearray((out / "train.jsonl").read_bytes())
    content[20] ^= 1
    (out / "train.jsonl").write_bytes(content)
    assert check_export(out) == [
        f"{out}/train.jsonl: is not the file that was exported; export again",
        f"{out}/test.jsonl: is missing; export again",
    ]
    (out / "manifest.json").write_text('{"manifest": 1}')
    (problem,) = check_export(out)
    assert problem.startswith(f"{out}/manifest.json: ")
    assert export(store, "v1", out).version == "v1"
    assert check_export(out) == []


def test_a_damaged_store_exports_nothing(store: Store, tmp_path: Path) -> None:
    version = publish_number(store, 1)
    os.truncate(store.segments_path / version.segments["rows"].file, 100)
    with pytest.raises(StoreError, match=r"rows-.*\.parquet: damaged"):
        export(store, "v1", tmp_path / "out")
    assert os.listdir(tmp_path) == ["store"]


def test_two_exports_to_one_place(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    staging = tmp_path / ".out.partial"
    staging.mkdir()
    fd = os.open(staging, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(StoreBusyError, match="out: another export is writing there; wait for it to finish"):
        export(store, "v1", tmp_path / "out")
    os.close(fd)
    assert export(store, "v1", tmp_path / "out").version == "v1"


# Every file operation of an export in turn is where the process dies.
DIE_AT = """
import os, sys
from pathlib import Path
from curation.export import export
from curation.store import open_store
left = int(sys.argv[3])
def dying(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*arguments, **named)
    return call
os.replace, os.unlink, os.fsync, os.mkdir = map(dying, (os.replace, os.unlink, os.fsync, os.mkdir))
export(open_store(Path(sys.argv[1])), sys.argv[4], Path(sys.argv[2]), container=sys.argv[5])
print("done")
"""


@pytest.mark.slow
def test_a_killed_export_is_whole_or_says_it_is_not(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish_number(store, 1)
    publish_number(store, 2)
    wholes = set()
    for at in range(60):
        export(store, "v1", out)
        command = [sys.executable, "-c", DIE_AT, str(store.root), str(out), str(at), "v2", "parquet"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 9), done.stderr
        if not check_export(out):
            wholes.add(json.loads((out / "manifest.json").read_text())["version"])
        if done.stdout:
            break
    assert at > 8
    assert wholes == {"v1", "v2"}
    assert not (tmp_path / ".out.partial").exists()


def test_the_ledger(store: Store, tmp_path: Path) -> None:
    content = tables([record(n) for n in range(3)])
    publish(store, content)
    assert export_ledger(store, "v1", tmp_path / "deep/ledger.parquet") == 4
    table = pq.read_table(tmp_path / "deep/ledger.parquet")
    assert table.column_names[:14] == [
        *("source", "unit", "line", "byte_offset", "row_id", "verdict", "stage", "reason", "value", "threshold"),
        *("matched_row_id", "similarity", "cluster", "split"),
    ]
    assert set(table.column_names[14:]) == {
        *("byte_length", "matched_source", "matched_unit", "detail", "prompt_language", "answer_language")
    }
    ids = [str(uuid.UUID(bytes=i)) for i in content["members"]["row_id"].to_pylist()]
    assert table["row_id"].to_pylist() == [*ids, None]
    assert table["verdict"].to_pylist() == ["kept", "kept", "kept", "quarantined"]
    assert os.listdir(tmp_path / "deep") == ["ledger.parquet"]
    with pytest.raises(ConfigError, match="deep: is a folder; name a file such as"):
        export_ledger(store, "v1", tmp_path / "deep")


def test_the_ledger_for_a_spreadsheet(store: Store, tmp_path: Path) -> None:
    content = tables([record(n) for n in range(3)])
    lines = content["ledger"].to_pylist()
    lines[0]["detail"] = '=HYPERLINK("//x")'
    content["ledger"] = pa.Table.from_pylist(lines, schema=content["ledger"].schema)
    publish(store, content)
    path = tmp_path / "ledger.csv"
    assert export_ledger(store, "v1", path) == 4
    with path.open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert [one["verdict"] for one in told] == ["kept", "kept", "kept", "quarantined"]
    assert [one["reason"] for one in told] == ["", "", "", "bad_json"]
    assert told[0]["detail"] == '\'=HYPERLINK("//x")'
    assert is_ledger(path)
    (tmp_path / "own.csv").write_text("source,unit\n")
    assert not is_ledger(tmp_path / "own.csv")
    with pytest.raises(ConfigError, match=r"dropped.txt: a ledger is written as .parquet or .csv; .*dropped.csv"):
        export_ledger(store, "v1", tmp_path / "dropped.txt")
    with pytest.raises(ConfigError, match=r"name a file such as dropped\.csv$"):
        export_ledger(store, "v1", tmp_path / "dropped.csv.gz")
