"""What a user reads when a YAML file is wrong: file, line, key, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.config_file import load_config
from curation.errors import ConfigError

CASES = [
    (
        "sources: [{path: a}]\nnear:\n  treshold: 0.8\n",
        ':3: near.treshold is not a known key; did you mean "threshold"?',
    ),
    ("sources: [{path: a}]\nnaer: {}\n", ':2: naer is not a known key; did you mean "near"?'),
    ("sources: [{path: a}]\nnear: {threshold: high}\n", ':2: near.threshold must be a number, not "high"'),
    ("sources: [{path: a}]\nnear: {threshold: 1.5}\n", ":2: near.threshold must be at most 1, not 1.5"),
    ("sources: [{path: a}]\nnear: {threshold: 0}\n", ":2: near.threshold must be above 0, not 0"),
    ("sources: [{path: a}]\nnear: {keep: fist}\n", ':2: near.keep: "fist" is not allowed; did you mean "first"?'),
    ("sources:\n  - path: a\n  - pth: b\n", ':3: sources.1.pth is not a known key; did you mean "path"?'),
    ("near: {}\n", ":1: sources is missing; add it"),
    ("sources: []\n", ":1: sources must not be empty"),
    ("sources: [{path: a}]\nsources: [{path: b}]\n", ":2: sources stands here and on line 1; keep one"),
    ("sources: [{path: a}\n", ":2: is not valid YAML"),
    ("sources: [{path: a}]\n7: {}\n", ":2: 7 must be text to be a key; put it in quotes"),
    ("- a\n", ": must hold a mapping of keys to values"),
    ("", ": must hold a mapping of keys to values"),
    ("sources: [{path: a}]\nsplit: {seed: 1.5}\n", ":2: split.seed must be a whole number, not 1.5"),
    ("sources: [{path: a}]\nfilters: {length: {action: keep}}\n", ':2: filters.length.action: "keep" is not allowed'),
]


@pytest.mark.parametrize(("text", "message"), CASES)
def test_wrong_file_is_named_with_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, "recipe.schema.json")
    assert str(caught.value).startswith(f"{path}{message}")


def test_missing_folder_and_foreign_encoding_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; `curate init` writes one"):
        load_config(tmp_path / "recipe.yaml", "recipe.schema.json")
    with pytest.raises(ConfigError, match="is a folder; name the YAML file in it"):
        load_config(tmp_path, "recipe.schema.json")
    (tmp_path / "latin.yaml").write_bytes(b"sources: [{path: caf\xe9}]\n")
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 20\)"):
        load_config(tmp_path / "latin.yaml", "recipe.schema.json")


def test_a_valid_file_comes_back_as_written(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("sources:\n  - path: raw/*.jsonl\nnear: {threshold: 0.9}\n")
    loaded = load_config(tmp_path / "recipe.yaml", "recipe.schema.json")
    assert loaded == {"sources": [{"path": "raw/*.jsonl"}], "near": {"threshold": 0.9}}


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """PyYAML's 1.1 would make `on` a true key, `no` (Norwegian) false, and 1e-1 text."""
    (tmp_path / "recipe.yaml").write_text(
        "sources: [{path: no}, {path: 2024-01-01}, {path: 1.2.3}]\n"
        "near: {on: both, threshold: 8e-1}\nsplit: {seed: 12}\n"
    )
    loaded = load_config(tmp_path / "recipe.yaml", "recipe.schema.json")
    assert loaded["sources"] == [{"path": "no"}, {"path": "2024-01-01"}, {"path": "1.2.3"}]
    assert loaded["near"] == {"on": "both", "threshold": 0.8}
    assert loaded["split"] == {"seed": 12}
