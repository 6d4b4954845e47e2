"""What we write never becomes a source: an export into a folder that the recipe reads is refused."""

from __future__ import annotations

import json
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
