"""What `latest` means: the version that the last build gave, also where a build comes back to an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from curation import open_store as open_versions
from curation.errors import ConfigError
from curation.folds import make_folds
from curation.pipeline import build
from curation.store import Store, open_store
from curation.store.collect import collect
from curation.workspace import Workspace
from tests.lineage_workspace import line, splits_by_id, workspace, write
from tests.store_samples import publish_number


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def named(store: Store) -> tuple[str, str]:
    """(latest, newest), as another process sees them."""
    seen = open_store(store.root)
    latest, newest = seen.latest(), seen.newest()
    assert latest is not None
    assert newest is not None
    assert seen.resolve("latest") == latest
    return latest.name, newest.name


def test_publishing_a_version_again_makes_it_the_latest(store: Store) -> None:
    for number in (1, 2, 3):
        publish_number(store, number)
    assert named(store) == ("v3", "v3")
    catalogues = sorted(path.name for path in store.root.glob("*.duckdb"))
    publish_number(store, 1)
    assert named(store) == ("v1", "v3")
    current = (store.root / "CURRENT").read_bytes()
    publish_number(store, 1)
    assert (store.root / "CURRENT").read_bytes() == current
    assert sorted(path.name for path in store.root.glob("*.duckdb")) == catalogues  # no generation for that
    publish_number(store, 3)
    assert named(store) == ("v3", "v3")
    publish_number(store, 2)
    publish_number(store, 4)
    assert named(store) == ("v4", "v4")
    assert store.check() == []


def test_a_store_opened_before_sees_it(store: Store) -> None:
    publish_number(store, 1)
    publish_number(store, 2)
    reader = open_store(store.root)
    assert reader.resolve("latest").name == "v2"
    with store.writer():  # a reader asks for no lock
        publish_number(store, 1)
        assert reader.resolve("latest").name == "v1"


def test_dropping_other_versions_leaves_it_and_it_is_never_dropped(store: Store) -> None:
    for number in (1, 2, 3, 4):
        publish_number(store, number)
    publish_number(store, 2)
    for name, told in (
        ("v2", "v2 is the latest version, what the recipe builds, and is never dropped"),
        ("v4", "v4 is the newest version and is never dropped; the next build goes on from it"),
    ):
        with pytest.raises(ConfigError, match=told):
            collect(store, [name])
    collect(store, ["v1", "v3"])
    assert named(store) == ("v2", "v4")


def dropping(root: Path) -> tuple[Workspace, list[str]]:
    """v1; v2 under a patch that drops one row; then the patch is gone."""
    made = workspace(root, [line(n) for n in range(30)])
    build(made)
    here = ["-C", str(root)]
    assert main(["patch", "add", *here, "--drop", "--where", "line = 1", "--reason", "r", "--as", "ana", "--yes"]) == 0
    build(made)
    assert main(["patch", "drop", "p-001", *here, "--yes"]) == 0
    return made, here


def test_after_a_patch_is_taken_back_latest_is_what_the_recipe_builds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, here = dropping(tmp_path)
    assert named(open_store(made.store_path)) == ("v2", "v2")
    capsys.readouterr()
    assert main(["build", *here]) == 0
    assert "this is v1 again, nothing was published; latest now means v1, no longer v2   id " in capsys.readouterr().out
    assert main(["build", *here]) == 0
    assert "nothing changed, still v1" in capsys.readouterr().out
    assert main(["versions", *here]) == 0
    assert "latest is v1: the last build came back to it\nnext: curate show v1" in capsys.readouterr().out
    assert main(["versions", *here, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latest"] == "v1"
    assert sum(open_versions(tmp_path).version().rows.values()) == 30  # what a trainer gets


def test_the_next_build_still_knows_where_every_row_was(tmp_path: Path) -> None:
    """A row that only the newest version had comes back to its split, though `latest` was another version."""
    old = [line(n) for n in range(30)]
    made = workspace(tmp_path, old)
    build(made)
    write(tmp_path, [*old, *(line(n) for n in range(30, 60))])
    build(made)
    store = open_store(made.store_path)
    before = splits_by_id(store, "v2")
    write(tmp_path, old)
    assert build(made).version.name == "v1"
    make_folds(store, "v1", 2)
    assert named(store) == ("v1", "v2")
    write(tmp_path, [*(line(n) for n in range(30, 60)), *old, line(70)])
    again = build(made).version
    assert (again.name, again.parent) == ("v3", store.resolve("v2").id)
    after = splits_by_id(store, "v3")
    assert {number: after[number] for number in before} == before
