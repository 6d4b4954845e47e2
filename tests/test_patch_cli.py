"""`curate patch` as a user types it, in a small built workspace."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import app.cli
from app.cli import main
from curation.patches import load_patches
from curation.store import open_store
from tests.patch_workspace import row, write_rows, write_workspace

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one version; rows 2 and 3 of b.jsonl are duplicates of row 1."""
    folder = tmp_path_factory.mktemp("made")
    write_workspace(folder)
    copies = [{**row(30), "copy": i} for i in range(2)]
    write_rows(folder / "raw" / "b.jsonl", [row(30), *copies])
    assert main(["build", "-C", str(folder), "raw"]) == 0
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Iterator[Path]:
    monkeypatch.chdir(made)
    monkeypatch.setattr(app.cli, "COMMANDS", tuple(dict.fromkeys((*app.cli.COMMANDS, "patch"))))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    capsys.readouterr()
    yield made
    shutil.rmtree(made / "patches", ignore_errors=True)


def run(capsys: Capture, *words: str, code: int = 0) -> tuple[list[str], list[str]]:
    """(stdout, stderr) of `curate patch ...`; an add that gives no reason gets one."""
    capsys.readouterr()
    if words[0] == "add" and "--reason" not in words:
        words = (*words, "--reason", "wrong")
    assert main(["patch", *words]) == code, capsys.readouterr()
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def ids(root: Path, source: str) -> list[str]:
    ledger = open_store(root).table("latest", "ledger").to_pylist()
    return [line["row_id"].hex() for line in ledger if line["source"] == source]


def test_where_is_shown_and_written_only_with_yes(here: Path, capsys: Capture) -> None:
    words = ("add", "--drop", "--where", "source = 'old_export'", "--reason", "stale", "--as", "ana")
    out, err = run(capsys, *words, code=2)
    assert out[:3] == ["drop 6 rows where source = 'old_export'", out[1], "  6 of raw/old_export.jsonl"]
    assert out[1].startswith("by split: ")
    assert out[3].startswith('raw/old_export.jsonl:1  "')
    assert len(out) == 8
    assert err == ["curate patch: nothing was written; look at the rows, then say it again with --yes"]
    assert not (here / "patches").exists()
    out, _ = run(capsys, *words, "--yes")
    assert out[-2:] == [
        "p-001  written to patches/p-001.jsonl: drop 6 rows",
        "next: curate build",
    ]
    entries = load_patches(here)
    assert {e.row_id.hex() for e in entries} == set(ids(here, "raw/old_export.jsonl"))
    fields = entries[0].fields
    assert [fields[k] for k in ("author", "reason", "where")] == ["ana", "stale", "source = 'old_export'"]
    assert fields["at"] == {"source": "raw/old_export.jsonl", "line": 1}


def test_a_terminal_is_asked(here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    words = ("add", "--drop", "--where", "source = 'raw/a.jsonl' and line < 3 -- two rows", "--reason", "old")
    for answer, code, files in (("\n", 2, 0), ("y\n", 0, 1)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        monkeypatch.setattr("sys.stderr", Terminal())
        capsys.readouterr()
        assert main(["patch", *words]) == code
        assert len(load_patches(here)) == 2 * files


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("source = 'raw/a.jsonl'", 12),
        ("meta->>'topic' = 'red'", 2),
        ("answer like '%red%'", 2),
        ("row_id in (select row_id from members where split = 'train') and line = 1 and source = 'raw/b.jsonl'", 1),
        ("(meta->>'n')::int between 3 and 5", 3),
    ],
)
def test_conditions(condition: str, count: int, here: Path, capsys: Capture) -> None:
    run(capsys, "add", "--relabel", "seen=true", "--where", condition, "--yes")
    assert len(load_patches(here)) == count
    assert load_patches(here)[0].fields["meta"] == {"seen": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "--drop", "--where", "sorce = 'x'"], "--where: Binder Error: "),
        (["add", "--drop", "--where", "1=1); drop table kept; --"], "--where: "),
        (
            ["add", "--drop", "--where", "source = 'nope'"],
            "no kept row of v1 matches source = 'nope'; its sources: raw/",
        ),
        (["add", "--drop"], "add: name the rows, either --row ROW or --where SQL"),
        (["add", "--row", "abcd"], "add: say one of --drop, --relabel, --answer, --edit, --add; none was given"),
        (["add", "--drop", "--relabel", "a=1", "--row", "ab"], "not --drop and --relabel"),
        (["add", "--answer", "x", "--where", "1=1"], "--answer changes one row; name it with --row ROW"),
        (["add", "--add", "x.jsonl", "--row", "ab"], "--add brings new rows, so --row has no say"),
        (["add", "--add", "x.jsonl"], "--add x.jsonl: no such file"),
        (["add", "--drop", "--row", "0000000"], "--row 0000000: is not a row of v1"),
        (["add", "--relabel", "topic", "--where", "1=1"], "--relabel topic: must be FIELD=VALUE"),
        (["add", "--drop", "--where", "source = 'x') or (1=1"], "--where: Parser Error: syntax error at or near"),
        (["add", "--drop", "--where", "1=1", "--where", "1=2"], "--where: is given twice; leave one out"),
        (["add", "--drop", "--row", "raw/a.jsonl:1", "--reason", "  "], "add: say why with --reason TEXT"),
        (["add", "--drop", "--row", "raw/a.jsonl:99"], "--row raw/a.jsonl:99: there is no row; the last one is on"),
        (["add", "--answer", "x", "--row", "a.jsonl:1", "--row", "a.jsonl:2"], "--answer changes one row"),
        (["ad"], '"ad" is not something patch does; did you mean "add"?'),
        (["show"], "show: name a patch, for instance: curate patch show p-001"),
        (["show", "p-009"], 'patch "p-009" is not known; there is no patch'),
        (["list", "p-001"], '"p-001" is one argument too many'),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, here: Path, capsys: Capture) -> None:
    out, err = run(capsys, *words, code=2)
    assert out == []
    assert len(err) == 1
    assert said in err[0]
    assert not (here / "patches").exists() or load_patches(here) == ()


def test_one_row_gets_another_answer(here: Path, capsys: Capture) -> None:
    name = ids(here, "raw/a.jsonl")[0]
    run(capsys, "add", "--row", name[:8], "--answer", "Five.", "--tags", "t1, t2", "--as", "ana")
    (entry,) = load_patches(here)
    assert entry.fields["turns"] == [{"turn": 2, "content": "Five."}]
    assert entry.fields["tags"] == ["t1", "t2"]
    assert entry.row_id.hex() == name
    shown, _ = run(capsys, "show", "p-001")
    assert shown[0] == "p-001  edit 1 row   patches/p-001.jsonl"
    assert shown[1].startswith("by ana, 20")
    assert '"Five."' in shown[-2]
    assert len(shown) <= 15


def test_all_messages_from_a_file(here: Path, capsys: Capture, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    (tmp_path / "new.json").write_bytes(orjson.dumps({"messages": messages}))
    run(capsys, "add", "--row", ids(here, "raw/a.jsonl")[1], "--edit", str(tmp_path / "new.json"))
    assert load_patches(here)[0].fields["messages"] == messages
    (tmp_path / "new.json").write_text("[1", "utf-8")
    _, err = run(capsys, "add", "--row", ids(here, "raw/a.jsonl")[2], "--edit", str(tmp_path / "new.json"), code=2)
    assert "new.json:1: is not JSON" in err[0]
    (tmp_path / "new.json").write_text('[{"role": "gpt4", "content": "x"}]', "utf-8")
    _, err = run(capsys, "add", "--row", ids(here, "raw/a.jsonl")[2], "--edit", str(tmp_path / "new.json"), code=2)
    assert err[0].startswith(f"curate patch: --edit {tmp_path}/new.json: ")
    assert '"gpt4"' in err[0]


def test_several_rows_by_place_and_by_id_each_once(here: Path, capsys: Capture) -> None:
    names = ids(here, "raw/a.jsonl")
    words = ("add", "--drop", "--row", "raw/a.jsonl:2", "--row", names[4], "--row", "a.jsonl:5")
    run(capsys, *words, "--reason", "both are stale")
    assert [entry.row_id.hex() for entry in load_patches(here)] == [names[1], names[4]]


def test_new_rows_in_any_format(here: Path, capsys: Capture, tmp_path: Path) -> None:
    write_rows(tmp_path / "new.jsonl", [{"instruction": "Say hi.", "input": "", "output": "Hi."}] * 2)
    run(capsys, "add", "--add", str(tmp_path / "new.jsonl"))
    records = [entry.fields["record"]["messages"] for entry in load_patches(here)]
    assert records == [[{"role": "user", "content": "Say hi."}, {"role": "assistant", "content": "Hi."}]] * 2
    (tmp_path / "new.jsonl").write_text('{"instruction": "a", "output": "b"}\n{oops\n', "utf-8")
    _, err = run(capsys, "add", "--add", str(tmp_path / "new.jsonl"), code=2)
    assert "new.jsonl:2: " in err[0]


def test_duplicates_that_would_come_back_are_told(here: Path, capsys: Capture) -> None:
    words = ("add", "--drop", "--where", "source = 'raw/b.jsonl'", "--yes")
    _, err = run(capsys, *words)
    what = "2 rows left out of v1 as duplicates of them may take their place"
    assert err == [f"curate patch: {what}; drop these too with --duplicates"]
    run(capsys, "drop", "p-001")
    run(capsys, *words, "--duplicates")
    assert sum(entry.id == "p-002" for entry in load_patches(here)) == 3


def test_a_row_is_not_patched_twice_before_a_build(here: Path, capsys: Capture) -> None:
    run(capsys, "add", "--row", ids(here, "raw/a.jsonl")[0], "--answer", "Five.")
    _, err = run(capsys, "add", "--drop", "--where", "source = 'raw/a.jsonl'", "--yes", code=2)
    assert err == [
        "curate patch: add: row raw/a.jsonl:1 is changed by p-001 already, which is not built yet; run curate build "
        "first, or take that back: curate patch drop p-001"
    ]


def test_a_row_that_a_built_patch_dropped_is_not_patched_again(
    here: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next build would stop at it. It is found all the same: `why` tells of it, and a review of an older run."""
    own = shutil.copytree(here, tmp_path / "own")
    monkeypatch.chdir(own)
    name = ids(own, "raw/a.jsonl")[0]
    run(capsys, "add", "--drop", "--row", name)
    assert main(["build"]) == 0
    _, err = run(capsys, "add", "--drop", "--row", name, code=2)
    assert err == [
        "curate patch: add: row raw/a.jsonl:1 was dropped by p-001, so there is nothing to change; to have it again: "
        "curate patch drop p-001"
    ]


def test_list_and_drop(here: Path, capsys: Capture) -> None:
    assert run(capsys, "list")[0] == ["no patches", "next: curate patch add --help"]
    run(capsys, "add", "--drop", "--where", "line = 1", "--yes", "--as", "ana")
    lines, _ = run(capsys, "list")
    assert lines[0].split("  ")[0] == "patch"
    assert lines[1].split()[:3] == ["p-001", "drop", "3"]
    assert lines[-2] == "1 patch, 1 not built yet"
    listed = json.loads(run(capsys, "list", "--json")[0][0])
    assert listed["patches"][0] | {"reason": "", "tags": 0} == {
        **{"patch": "p-001", "op": "drop", "rows": 3, "reason": "", "author": "ana", "tags": 0},
        **{"where": "line = 1", "applied": None},
    }
    lines, _ = run(capsys, "drop", "p-001")
    assert lines[0] == "p-001  moved to patches/dropped/p-001.jsonl"
    assert load_patches(here) == ()


def test_a_patch_that_a_version_applied_is_taken_back_only_with_yes(
    here: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(here, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    run(capsys, "add", "--drop", "--where", "line = 1", "--yes")
    store = open_store(tmp_path / "copy")
    first = store.versions()[0]
    tables: dict[str, Any] = {name: store.table(first, name) for name in first.segments}
    stats = {**first.stats, "patches": [{"id": "p-001", "ops": {"drop": 3}, "units": 3}]}
    how: dict[str, Any] = {"parent": first.id, "message": "", "recipe": first.recipe, "created": first.created}
    store.publish("ab" * 32, tables, stats=stats, **how)
    assert "v2" in run(capsys, "list")[0][1]
    _, err = run(capsys, "drop", "p-001", code=2)
    assert err == [
        "curate patch: p-001 is part of v2; that version stays as it is, but the next build brings the rows back as "
        "they were: say so with --yes"
    ]
    out, _ = run(capsys, "drop", "p-001", "--yes")
    assert out[0] == "p-001  moved to patches/dropped/p-001.jsonl; the next build undoes it"
    run(capsys, "add", "--drop", "--where", "line = 1", "--yes")
    assert load_patches(tmp_path / "copy")[0].id == "p-002"
