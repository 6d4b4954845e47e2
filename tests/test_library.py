"""The Python surface: what it gives, that it is light, and that the documented examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import curation
from curation import Version, Versions, build, open_pack, open_store
from curation.errors import ConfigError
from curation.pack.rows import record_of
from tests.lineage_workspace import line, workspace

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "python-api.md"
FIXTURES = Path(__file__).resolve().parent / "fixtures" / "templates"
EXAMPLES = re.findall(r"## (Example \d).*?\n```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("library")
    workspace(root, [line(n) for n in range(40)] + [line(50, completion="Yes.")])
    build(root, message="one")
    return root


@pytest.fixture
def store(made: Path) -> Versions:
    return open_store(made)


def test_public_names_are_there_and_no_others() -> None:
    for name in curation.__all__:
        assert getattr(curation, name).__name__ == name
        assert name in dir(curation)
    with pytest.raises(AttributeError, match="has no attribute 'biuld'"):
        _ = curation.biuld
    assert callable(curation.build)  # also after its modules were imported


def test_importing_it_loads_nothing() -> None:
    program = "import sys, curation; print([m for m in ('numpy', 'pyarrow', 'duckdb', 'yaml') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_version_as_table_frame_and_datasets(store: Versions) -> None:
    version = store.version()
    assert isinstance(version, Version)
    assert sum(version.rows.values()) == 41
    table = version.to_arrow()
    assert table.column_names == ["split", "row_id", "cluster", "messages", "meta"]
    assert {s: table["split"].to_pylist().count(s) for s in version.rows} == version.rows
    frame = version.to_pandas("train")
    assert len(frame) == version.rows["train"]
    assert [turn["role"] for turn in frame["messages"][0]] == ["user", "assistant"]
    datasets = version.to_datasets()
    assert {name: part.num_rows for name, part in datasets.items()} == version.rows
    assert datasets["train"][0]["messages"] == version.to_arrow("train").to_pylist()[0]["messages"]


def test_rows_are_those_of_the_store(store: Versions) -> None:
    version = store.version("v1")
    stored = {row["row_id"].hex(): json.loads(row["record"]) for row in version.table("rows").to_pylist()}
    rows = version.to_arrow().to_pylist()
    assert {row["row_id"].replace("-", ""): record_of(row) for row in rows} == stored


def test_sql_and_lists(store: Versions) -> None:
    assert store.sql("SELECT count(*) AS n FROM members").to_pylist() == [{"n": 41}]
    assert store.versions()[0].id == store.version("v1").id
    assert repr(store.version("v1")).startswith("<Version v1 ")
    assert repr(store).endswith("/store: v1>")
    assert repr(store.version("v1").diff("v1")) == "<VersionDiff v1 -> v1: added 0, removed 0, edited 0, moved 0>"


def test_mistakes_are_one_line(store: Versions, tmp_path: Path) -> None:
    attempts: list[tuple[Any, str]] = [
        (lambda: store.version("v9"), 'version "v9" is not known'),
        (lambda: store.version().to_arrow("tran"), 'split "tran" is not known; did you mean "train"?'),
        (lambda: store.version().table("row"), 'table "row" is not known; did you mean "rows"?'),
        (lambda: build(tmp_path), "is not in a workspace; make one with curate init"),
        (lambda: open_store(tmp_path), "no store here; run `curate build` first"),
        (lambda: build(store.versions()[0].name), "is not in a workspace"),
    ]
    for attempt, message in attempts:
        with pytest.raises(ConfigError, match=re.escape(message)):
            attempt()


def test_export_and_pack_take_a_template_or_else_the_recipes(tmp_path: Path) -> None:
    workspace(tmp_path, [line(n) for n in range(20)], template="guanaco", export={"format": "text"})
    version = build(tmp_path)

    def first(folder: str) -> Any:
        return json.loads((tmp_path / folder / "train.jsonl").read_text("utf-8").splitlines()[0])

    assert version.export(tmp_path / "recipes").format == "text"
    assert first("recipes")["text"].startswith("### Human: ")
    version.export(tmp_path / "named", layout="text", template="llama2")
    assert first("named")["text"].startswith("<s>[INST]")
    (tmp_path / "mine.jinja").write_bytes((FIXTURES / "chatml.jinja").read_bytes())
    version.export(tmp_path / "file", template=tmp_path / "mine.jinja")
    assert "<|im_start|>user" in first("file")["text"]
    assert first("recipes").keys() == {"text"}
    version.export(tmp_path / "plain", layout="messages", container="jsonl")
    assert "messages" in first("plain")
    with pytest.raises(ConfigError, match='template is for layout "text", not for "alpaca"; leave one out'):
        version.export(tmp_path / "no", layout="alpaca", template="llama2")

    for named, expected in ((None, "guanaco"), ("llama2", "llama2"), (tmp_path / "mine.jinja", "mine.jinja")):
        packed = version.pack(tmp_path / "v1.pack", template=named)["template"]["name"]
        assert Path(packed).name == expected
    with open_pack(tmp_path / "v1.pack") as pack:
        assert repr(pack).startswith(f"<Pack v1.pack of v1 {version.id[:8]}: train ")
        with open_pack(tmp_path / "v1.pack") as pack:
            assert pack.template() is not None


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_documented_examples_run(name: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace(tmp_path, [line(n) for n in range(40)] + [line(50, completion="Yes.")])
    if "first try" not in code:
        build(tmp_path)
    scope: dict[str, Any] = {"workspace": str(tmp_path)}
    exec(compile(code, f"{DOCUMENT.name}, {name}", "exec"), scope)
    if "exam" in scope:
        assert (scope["changes"].count("removed"), len(scope["questions"])) == (1, scope["after"].rows["validation"])
        assert scope["train"].num_rows == scope["after"].rows["train"]
    assert capsys.readouterr().out
    assert len(EXAMPLES) == 2
