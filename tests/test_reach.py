"""What we write never becomes a source: an export into a folder that the recipe reads is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.cli import main
from curation import open_store
from curation.errors import ConfigError, DataError
from curation.pipeline import build
from curation.reading.reach import read_as
from curation.reading.sources import SourceSpec, expand
from tests.lineage_workspace import line, workspace

FILES = (
    *("raw/a.jsonl", "raw/deep/b.jsonl", "raw/deep/c.pack", "raw/.d.jsonl", "raw/.hidden/e.jsonl"),
    *("other/f.csv", "other/deep/g.json", "rawer/h.jsonl", "i.jsonl", "x.[1].jsonl"),
)
PATHS = (
    *("raw", "raw/", "./raw/../raw", "raw/deep", "raw/a.jsonl", "raw/*.jsonl", "raw/*", "raw*", "*/deep", "**/*.jsonl"),
    *("**/deep/*", "ra?/**", "**", ".", "other/f.*", "*.jsonl", "raw/.*", "[ro]*/*.csv", "link", "x.[1].jsonl"),
)


@pytest.mark.parametrize("path", PATHS)
def test_it_is_what_a_build_reads(path: str, tmp_path: Path) -> None:
    """Against the reading itself: exactly the files that it takes."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"prompt": "Why?", "completion": "So."}\n')
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "raw" / "to_deep").symlink_to(tmp_path / "raw" / "deep")
    try:
        taken = {source.path.resolve() for source in expand([SourceSpec(path)], tmp_path) if source.path}
    except DataError:
        taken = set()
    found = {(tmp_path / name).resolve() for name in FILES if read_as([path], tmp_path, tmp_path / name)}
    assert found == taken


def test_hub_names_are_no_folders(tmp_path: Path) -> None:
    assert read_as(["hf:raw"], tmp_path, tmp_path / "hf:raw" / "a.jsonl") is None


@pytest.mark.parametrize(
    ("argv", "file"),
    [
        (["export", "--to", "raw"], "raw/manifest.json"),
        (["export", "--to", "raw/out", "--container", "datasets"], "raw/out/manifest.json"),
        (["export", "--ledger", "raw/ledger.parquet"], "raw/ledger.parquet"),
        (["pack", "--to", "raw/rows.jsonl"], "raw/rows.jsonl"),
    ],
)
def test_the_commands_refuse(argv: list[str], file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(workspace(tmp_path, [line(n) for n in range(20)]))
    before = sorted(tmp_path.rglob("*"))
    assert main([*argv, "-C", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"curate {argv[0]}: {tmp_path}/{file}: the recipe reads raw as a source, so the next build would read this "
        "too; write elsewhere\n"
    )
    assert sorted(tmp_path.rglob("*")) == before
    assert main([argv[0], argv[1], "elsewhere" if argv[0] == "export" else "v1.pack", "-C", str(tmp_path)]) == 0


def test_todays_recipe_counts_as_well_as_the_versions_and_a_broken_one_keeps_nobody(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(20)])
    build(made)
    version = open_store(tmp_path).version()
    version.export(tmp_path / "out")
    made.recipe_path.write_text(json.dumps({"sources": [{"path": "out"}]}))
    with pytest.raises(ConfigError, match="the recipe reads out as a source"):
        version.export(tmp_path / "out")
    with pytest.raises(ConfigError, match="the recipe reads raw as a source"):
        version.pack(tmp_path / "raw" / "rows.jsonl")
    made.recipe_path.write_text("sources: [")
    version.export(tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("store/CURRENT", "lies in store/, which belongs to the workspace; write elsewhere"),
        ("store/new", "lies in store/, which belongs to the workspace; write elsewhere"),
        ("patches/p-001.jsonl", "lies in patches/, which belongs to the workspace; write elsewhere"),
        ("link", "lies in store/, which belongs to the workspace; write elsewhere"),
        ("curate.yaml", "is the workspace's own; write elsewhere"),
        ("recipe.yaml", "is the workspace's own; write elsewhere"),
        ("exam.jsonl", "the recipe compares rows with exam.jsonl; write elsewhere"),
        ("notes.txt", "exists, and is not a {}; move it away, or name another file"),
        ("pipe", "is not a regular file; name another"),
        ("/dev/full", "is not a regular file; name another"),
        ("../missing/deep/x", "no such folder; make it first, or name another"),
    ],
)
def test_one_file_is_written_only_where_it_takes_nothings_place(
    file: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "w"
    made = workspace(root, [line(n) for n in range(20)])
    build(made)
    (root / "exam.jsonl").write_text('{"question": "Where?", "answer": "Here."}\n')
    text = made.recipe_path.read_text() + "decontaminate: {against: [exam.jsonl]}\n"
    made.recipe_path.write_text(text)
    (root / "notes.txt").write_text("mine")
    (root / "link").symlink_to("store/CURRENT")
    os.mkfifo(root / "pipe")
    before = {path: path.lstat().st_ino for path in sorted(tmp_path.rglob("*"))}
    for argv, kind in ((["pack", "--to", file], "pack"), (["export", "--ledger", file], "ledger")):
        assert main([*argv, "-C", str(root)]) == 2
        where = (root / file).parent if "missing" in file else root / file
        assert capsys.readouterr().err == f"curate {argv[0]}: {where}: {said.format(kind)}\n"
    assert {path: path.lstat().st_ino for path in sorted(tmp_path.rglob("*"))} == before


def test_a_pack_replaces_a_pack_and_folders_are_made_in_the_workspace(tmp_path: Path) -> None:
    root = tmp_path / "w"
    build(workspace(root, [line(n) for n in range(20)]))
    for _ in range(2):
        assert main(["pack", "--to", "made/here/x.pack", "-C", str(root)]) == 0
        assert main(["export", "--ledger", "made/ledger.parquet", "-C", str(root)]) == 0
    assert main(["pack", "--to", "made/ledger.parquet", "-C", str(root)]) == 2
    assert main(["export", "--ledger", "made/here/x.pack", "-C", str(root)]) == 2


@pytest.mark.parametrize("target", ["store", "patches/out", "../missing/out"])
def test_an_export_stays_out_of_the_workspaces_own_folders_and_makes_none_elsewhere(
    target: str, tmp_path: Path
) -> None:
    root = tmp_path / "w"
    build(workspace(root, [line(n) for n in range(20)]))
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", "--to", target, "-C", str(root)]) == 2
    with pytest.raises(ConfigError):
        open_store(root).version().export(root / target)
    with pytest.raises(ConfigError):
        open_store(root).version().pack(root / target / "x.pack")
    assert sorted(tmp_path.rglob("*")) == before
