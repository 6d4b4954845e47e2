"""A pack holds a version byte for byte, is the same each time, and says so when it is damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from app.cli import pack as command
from app.cli.arguments import Parser
from curation.errors import ConfigError, DataError
from curation.pack import open_pack
from curation.pack.rows import record_of
from curation.pack.writing import PackedTemplate, write_pack
from curation.records import canonical
from curation.store import Store
from tests.store_samples import publish, record, tables

CALL = {"type": "function", "function": {"name": "look_up", "arguments": '{"q": 1}'}}
RECORDS: list[dict[str, Any]] = [
    *(record(n) for n in range(6)),
    {
        "messages": [{"role": "user", "content": "big"}, {"role": "assistant", "content": "n"}],
        "meta": {"n": 2**70, "é": [None]},
    },
    {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "a", "name": "ana"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "assistant", "content": "It is 42."},
        ],
        "meta": {},
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
    },
    {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
        "meta": {},
    },
    {"messages": [{"role": "user", "content": "nobody answers"}], "meta": {}},
]
SPLITS = ["train"] * 5 + ["validation", "validation", "test", "test", "test"]
READ_ELSEWHERE = """
import sys
from curation import open_pack
with open_pack(sys.argv[1]) as pack:
    pack.check()
    print(pack.name, pack.split("train").num_rows, pack.items("test").num_rows)
loaded = [name for name in ("duckdb", "curation.store", "pandas.core", "torch") if name in sys.modules]
assert "duckdb" not in loaded and "curation.store" not in loaded, loaded
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("pack")
    (root / "curate.yaml").write_text("curate: 1\n")
    made = Store.create(root / "store")
    publish(made, tables(RECORDS, SPLITS), "a" * 64)
    return made


@pytest.fixture(scope="module")
def packed(store: Store) -> Path:
    path = store.root.parent / "v1.pack"
    write_pack(store, "latest", path)
    return path


def test_rows_come_back_byte_for_byte_and_in_order(store: Store, packed: Path) -> None:
    with open_pack(packed) as pack:
        found = [record_of(row) for split in ("train", "validation", "test") for row in pack.split(split).to_pylist()]
        assert [canonical(one) for one in found] == [canonical(one) for one in RECORDS]
        ids = [str(i) for s in ("train", "validation", "test") for i in pack.split(s)["row_id"].to_pylist()]
        stored = [row.hex() for row in store.table("v1", "members")["row_id"].to_pylist()]
        assert [i.replace("-", "") for i in ids] == stored
        assert pack.split("validation")["cluster"].to_pylist() == [5, 6]
        assert (pack.manifest["splits"], pack.version_id) == ({"train": 5, "validation": 2, "test": 3}, "a" * 64)
        assert pack.recipe() == {"sources": [{"path": "raw"}]}


def test_items_are_the_last_answers_of_held_out_rows(packed: Path) -> None:
    with open_pack(packed) as pack:
        items = pack.items().to_pylist()
        assert [(i["split"], i["turn"], i["reference"]) for i in items] == [
            ("validation", 1, "answer 5"),
            ("validation", 1, "n"),
            ("test", 4, "It is 42."),
            ("test", 1, None),  # it only calls a tool
        ]
        assert all(i["item"] == f"{i['row_id']}:{i['turn']}" for i in items)
        assert [m["role"] for m in items[2]["messages"]] == ["system", "user", "assistant", "tool"]
        assert pack.items("test").num_rows == 2
        assert pack.manifest["items"] == 4


def test_the_same_version_gives_the_same_bytes(store: Store, packed: Path, tmp_path: Path) -> None:
    write_pack(store, "v1", tmp_path / "deep" / "other.name")
    assert (tmp_path / "deep" / "other.name").read_bytes() == packed.read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["other.name"]


def test_a_template_goes_along(store: Store, tmp_path: Path) -> None:
    template = PackedTemplate("company", "b" * 64, {"company.jinja": b"{{ messages }}"})
    write_pack(store, "v1", tmp_path / "p", template)
    with open_pack(tmp_path / "p") as pack:
        assert pack.manifest["template"] == {"name": "company", "sha256": "b" * 64}
        assert pack.templates() == {"company.jinja": b"{{ messages }}"}


def test_it_is_read_without_store_and_database(packed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ELSEWHERE, str(packed)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("v1 5 2\n", "")


def test_other_programs_can_read_it(packed: Path, tmp_path: Path) -> None:
    """A plain zip of plain Parquet."""
    import pandas as pd

    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    assert pd.read_parquet(tmp_path / "splits" / "train.parquet")["messages"][0][0]["content"] == "question 0 é"


@pytest.mark.parametrize("at", [10, 400, 0.3, 0.6, 0.9, -200, -5])
def test_a_changed_byte_is_found(packed: Path, tmp_path: Path, at: float) -> None:
    content = bytearray(packed.read_bytes())
    place = int(at * len(content)) if 0 < at < 1 else int(at)
    content[place] ^= 0x10
    (tmp_path / "bad.pack").write_bytes(content)
    problem, tables_read = "", []
    try:
        with open_pack(tmp_path / "bad.pack") as pack:
            pack.check()
            tables_read = [pack.split(name) for name in pack.manifest["splits"]] + [pack.items()]
    except DataError as error:
        problem = str(error)
    if problem:
        assert problem.startswith(f"{tmp_path / 'bad.pack'}: ")
        assert problem.endswith("; copy it again, or make it again with curate pack")
        return
    with open_pack(packed) as sound:  # the byte says nothing: a date or a flag of the zip
        assert tables_read == [sound.split(name) for name in sound.manifest["splits"]] + [sound.items()]


@pytest.mark.parametrize("size", [0, 100, 0.5, 0.99])
def test_half_a_pack_is_found(packed: Path, tmp_path: Path, size: float) -> None:
    content = packed.read_bytes()
    (tmp_path / "half.pack").write_bytes(content[: int(size * len(content)) if 0 < size < 1 else int(size)])
    with pytest.raises(DataError, match="it is no zip file"):
        open_pack(tmp_path / "half.pack")


def test_a_member_put_in_its_place_is_found(packed: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.pack"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            content = old.read("splits/test.parquet" if name == "splits/validation.parquet" else name)
            new.writestr(name, content)
    with open_pack(forged) as pack, pytest.raises(DataError, match=r"validation\.parquet is not what was packed"):
        pack.split("validation")
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(forged, "w") as new:
        new.writestr("manifest.json", old.read("manifest.json"))
    with pytest.raises(DataError, match=r"items\.parquet is missing"):
        open_pack(forged)


def test_wrong_names(store: Store, packed: Path, tmp_path: Path) -> None:
    with open_pack(packed) as pack, pytest.raises(ConfigError, match='split "tset" is not known; did you mean "test"'):
        pack.split("tset")
    with pytest.raises(ConfigError, match="no such file"):
        open_pack(tmp_path / "none.pack")
    with pytest.raises(ConfigError, match=r"is a folder; name a file such as .*v1\.pack"):
        write_pack(store, "v1", tmp_path)


def test_the_command(store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    parser = Parser(prog="curate")
    command.add_parser(parser)
    for words in (
        ["pack", "v1", "--to", str(tmp_path / "a.pack")],
        ["pack", "--to", str(tmp_path / "b.pack"), "--json"],
    ):
        heard = Namespace(command=None, json="--json" in words, directory=str(store.root.parent))
        assert command.run(parser.parse_args(words, heard)) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert f"{tmp_path / 'a.pack'}: v1, train 5 · validation 2 · test 3, 4 items to evaluate, " in lines[-1]
    assert json.loads(last)["version_id"] == "a" * 64
