"""The recipe: its defaults, what its file may say, and that schema and code know the same keys."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from app.cli import main
from curation import open_store
from curation.config_file import schema
from curation.errors import ConfigError
from curation.reading.sources import SourceSpec
from curation.recipe import _SECTIONS, commented_recipe, load_recipe, recipe_from
from curation.workspace import find_workspace, init_workspace, open_workspace

ROOT = Path(__file__).resolve().parent.parent


def test_a_commented_recipe_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(commented_recipe(["raw/a.jsonl"]))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe_from({"sources": [{"path": "raw/a.jsonl"}]})


def test_each_commented_default_can_be_uncommented(tmp_path: Path) -> None:
    text = commented_recipe(["raw/a.jsonl"])
    head, settings = text.split("\n\n", 1)
    uncommented = "\n".join(line.removeprefix("# ") for line in settings.splitlines())
    (tmp_path / "recipe.yaml").write_text(f"{head}\n{uncommented}\n")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe_from({"sources": [{"path": "raw/a.jsonl"}]})


@pytest.mark.parametrize("section", [name for name in _SECTIONS if name != "filters"])
def test_schema_and_code_know_the_same_keys(section: str) -> None:
    described = schema("recipe.schema.json")["properties"][section]["properties"]
    assert set(described) == {field.name for field in fields(_SECTIONS[section])}


def test_schema_and_code_know_the_same_source_keys() -> None:
    described = schema("recipe.schema.json")["properties"]["sources"]["items"]["properties"]
    assert set(described) == {field.name for field in fields(SourceSpec)}


def test_every_committed_recipe_loads() -> None:
    """Those of configs/ are told apart from trainings, suites and variants, and loaded, by tests/test_configs.py."""
    found = [*ROOT.glob("benchmarks/**/*.yaml"), ROOT / "data" / "recipe.yaml"]
    assert len(found) >= 2
    for path in found:
        assert load_recipe(path).sources


def test_init_keeps_the_order_of_sources_and_refuses_to_overwrite(tmp_path: Path) -> None:
    names = ("b", "a", "b", "c")
    workspace = init_workspace(tmp_path, [str(tmp_path / "raw" / f"{name}.jsonl") for name in names])
    paths = [source["path"] for source in yaml.safe_load(workspace.recipe_path.read_text())["sources"]]
    assert paths == ["raw/b.jsonl", "raw/a.jsonl", "raw/c.jsonl"]
    with pytest.raises(ConfigError, match="is a workspace already"):
        init_workspace(tmp_path)


def test_a_workspace_is_found_from_below(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    below = tmp_path / "data" / "raw"
    assert find_workspace(below) == open_workspace(tmp_path)
    assert find_workspace(tmp_path.parent) is None


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"sources": [{"path": "a"}], "split": {"ratios": {"train": 0.9, "test": 0.3}}}, "ratios"),
        ({"sources": [{"path": "a"}], "split": {"ratios": {"train": 1}, "counts": {"test": 2}}}, "counts"),
        (
            {"sources": [{"path": "a"}], "tokens": {"context": 10}},
            "^recipe: tokens.context: has no effect without",
        ),
        ({"sources": [{"path": "a"}], "tokens": {"eos": "</s>"}}, "^recipe: tokens.eos: has no effect without"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(recipe: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_from(recipe)


@pytest.mark.parametrize(
    ("argv", "kept"),
    [(["init", ".", "--source", "b.jsonl", "--source", "a.jsonl"], "b"), (["build", "b.jsonl", "a.jsonl"], "a")],
)
def test_of_equal_rows_that_of_the_first_source_stays(argv: list[str], kept: str, tmp_path: Path) -> None:
    """As typed for init; by path for build, where a shell may have put the arguments in any order."""
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text('{"prompt": "Where is the stair?", "completion": "At the back."}\n')
    assert main([*argv, "-C", str(tmp_path)]) == 0
    assert main(["build", "-C", str(tmp_path)]) == 0
    ledger = open_store(tmp_path).version().table("ledger").to_pylist()
    assert {line["source"]: line["verdict"] for line in ledger}[f"{kept}.jsonl"] == "kept"
