"""The licence of each source: kept with the version, its exports, packs and runs, told in cards, and put right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import main
from curation.errors import ConfigError
from curation.export.manifest import read_manifest
from curation.licences import in_words, of_run, of_version
from curation.pipeline import build
from curation.recipe import recipe_from
from curation.source import open_source
from curation.store import open_store
from curation.verify import verify
from curation.workspace import Workspace, init_workspace, open_workspace
from reports.licences import conflicts, for_hub

NC = "cc-by-nc-4.0"


def workspace(root: Path, first: str | None = NC, second: str | None = None) -> Workspace:
    """Two sources of different questions."""
    root.mkdir(parents=True, exist_ok=True)
    for name, thing in (("a", "harbour"), ("b", "mountain")):
        rows = [
            {"prompt": f"Which {thing} lies {word} of station {word}{thing}?", "completion": f"The {word} {thing}."}
            for word in ("north", "south", "east", "west", "above", "below", "behind", "beside", "beyond", "inside")
        ]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if not (root / "recipe.yaml").exists():
        init_workspace(root, [str(root / "a.jsonl"), str(root / "b.jsonl")])
    told: list[dict[str, Any]] = [{"path": "a.jsonl"}, {"path": "b.jsonl"}]
    for source, licence in zip(told, (first, second), strict=True):
        source |= {"licence": licence} if licence else {}
    (root / "recipe.yaml").write_text(yaml.safe_dump({"sources": told}))
    return open_workspace(root)


def test_a_licence_goes_with_the_version_its_export_and_its_pack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = workspace(tmp_path)
    version = build(made).version
    told = {"a.jsonl": NC, "b.jsonl": None}
    assert of_version(version.stats) == told
    assert main(["show", "v1", "-C", str(tmp_path)]) == 0
    assert f"licence of the data: {NC} (a.jsonl), not stated (b.jsonl)" in capsys.readouterr().out
    assert main(["export", "v1", "-C", str(tmp_path)]) == 0
    manifest = read_manifest(tmp_path / "data" / "splits")
    assert manifest is not None
    assert manifest.licences == told
    assert main(["pack", "v1", "--to", str(tmp_path / "v1.pack"), "-C", str(tmp_path)]) == 0
    assert open_source("v1.pack", None, tmp_path).licences == open_source("v1", made).licences == told


def test_a_licence_changes_no_row_no_id_and_no_exported_file(tmp_path: Path) -> None:
    found = []
    for name, licence in (("none", None), ("nc", NC)):
        made = workspace(tmp_path / name, licence)
        version = build(made).version
        main(["export", "v1", "-C", str(made.root)])
        files = {path.name: path.read_bytes() for path in (made.root / "data" / "splits").glob("*.jsonl")}
        found.append((version.id, files))
        assert all(check.ok for check in verify(open_store(made.root), version))
    assert found[0] == found[1]
    assert b"licences" not in (tmp_path / "none" / "data" / "splits" / "manifest.json").read_bytes()


def test_a_licence_can_be_put_right_by_building_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = build(workspace(tmp_path, "mit")).version
    again = build(workspace(tmp_path, NC))
    assert (again.new, again.version.id) == (False, first.id)
    assert f"v1: a.jsonl: licence {NC}, which was mit before" in again.notes
    store = open_store(tmp_path)
    assert of_version(store.resolve("v1").stats) == {"a.jsonl": NC, "b.jsonl": None}
    assert store.resolve("v1").recipe["sources"][0]["licence"] == NC
    assert all(check.ok for check in verify(store, store.resolve("v1")))
    assert not [note for note in build(workspace(tmp_path, NC)).notes if "licence" in note]


def test_only_sources_that_gave_a_row_are_told(tmp_path: Path) -> None:
    made = workspace(tmp_path, "mit", NC)
    (tmp_path / "b.jsonl").write_text((tmp_path / "a.jsonl").read_text())  # every row a duplicate of the first
    assert of_version(build(made).version.stats) == {"a.jsonl": "mit"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"licence": ["mit"]}, "licence"),
        ({"licence": ""}, "licence"),
        ({"licence": "mit\nor not"}, "licence"),
        ({"license": "mit"}, 'did you mean "licence"'),
    ],
)
def test_a_wrong_licence_is_one_clear_line(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_from({"sources": [{"path": "a.jsonl", **source}]})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_licences_in_words() -> None:
    assert in_words({}) == in_words({"a": None}) == "not stated"
    assert in_words({"a": "mit", "b": "mit"}) == "mit"
    assert in_words({"a": None, **{f"b{n}": NC for n in range(5)}}) == f"{NC} (b0, b1, b2 and 2 more), not stated (a)"
    assert (of_run("mit"), of_run(None), of_run({"a": "mit"})) == ({"data": "mit"}, {}, {"a": "mit"})


def test_a_conflict_names_the_sources() -> None:
    (line,) = conflicts("Qwen/Qwen2.5-0.5B", "apache-2.0", (NC, "mit"), "mit", {NC: ["a.jsonl"], "mit": ["b.jsonl"]})
    assert line.startswith(f"the data is under {NC} (a.jsonl): not for commercial use")


@pytest.mark.parametrize(
    ("licence", "head"),
    [
        (None, {}),
        ("CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
        ("CC BY-NC 4.0", {"license": "cc-by-nc-4.0"}),
        ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("llama3.1", {"license": "llama3.1"}),
        ("For research only", {"license": "other", "license_name": "for-research-only"}),
    ],
)
def test_what_the_hub_takes_for_a_licence(licence: str | None, head: dict[str, str]) -> None:
    assert for_hub(licence) == head
