"""gc removes what no version needs and nothing else; a dropped version's name is never given again."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest

from app.cli import gc as command
from app.cli.arguments import Parser
from curation.errors import ConfigError, StoreBusyError
from curation.store import Store, open_store
from curation.store import collect as collecting
from tests.store_samples import publish, publish_number, record, tables, whole


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    made = Store.create(tmp_path / "store")
    for number in range(1, 4):
        publish_number(made, number)
    return made


def litter(store: Store) -> set[str]:
    """What killed writers leave behind."""
    (store.root / ".tmp-catalog-000009.duckdb").write_bytes(b"x" * 10)
    (store.segments_path / ".tmp-1-rows.parquet").write_bytes(b"x" * 20)
    (store.segments_path / "rows-feed.parquet").write_bytes(b"x" * 30)
    (store.root / "catalog-000001.duckdb").write_bytes(b"x" * 40)
    return {".tmp-catalog-000009.duckdb", ".tmp-1-rows.parquet", "rows-feed.parquet", "catalog-000001.duckdb"}


def test_it_lists_and_removes_leavings_and_nothing_else(store: Store) -> None:
    before = {path.name for path in store.root.rglob("*")}
    assert collecting.plan(store).files == ()
    left = litter(store)
    planned = collecting.plan(store)
    assert {file.path.name for file in planned.files} == left
    assert planned.bytes == 100
    assert sorted({file.why for file in planned.files}) == ["in no version", "old catalogue", "unfinished write"]
    assert collecting.collect(store) == planned
    assert {path.name for path in store.root.rglob("*")} == before | {"writer.lock"}
    assert all(whole(store, version) for version in store.versions())
    assert store.check() == []


def test_a_dropped_version_is_gone_and_its_name_is_not_given_again(store: Store) -> None:
    planned = collecting.plan(store, ["v2"])
    assert [version.name for version in planned.dropped] == ["v2"]
    assert [version.name for version in store.versions()] == ["v1", "v2", "v3"]  # a plan changes nothing
    done = collecting.collect(store, ["v2"])
    assert {file.path for file in planned.files} <= {file.path for file in done.files}
    assert done.bytes == sum(file.bytes for file in done.files) > 0
    assert [version.name for version in store.versions()] == ["v1", "v3"]
    assert all(whole(store, version) for version in store.versions())
    with pytest.raises(ConfigError, match=r'version "v2" was dropped with curate gc'):
        store.resolve("v2")
    collecting.collect(store, ["v1"])
    assert publish_number(store, 7).name == "v4"
    again = publish_number(store, 2)  # the same content under a name of its own
    assert (again.name, again.new) == ("v5", True)
    assert store.check() == []


def test_the_generation_before_is_a_way_back_too(store: Store) -> None:
    collecting.collect(store, ["v1"])
    number = max(int(path.name[8:14]) for path in store.root.glob("catalog-*"))
    (store.root / "CURRENT").write_text(f"catalog-{number - 1:06d}.duckdb\n")
    back = open_store(store.root)
    assert [version.name for version in back.versions()] == ["v2", "v3"]
    assert back.check() == []


def test_a_lineage_goes_on_across_a_dropped_version(store: Store) -> None:
    first = store.resolve("v3")
    second = publish(store, tables([record(1)]), "b" * 64, parent=first.id)
    third = publish(store, tables([record(2)]), "c" * 64, parent=second.id)
    collecting.collect(store, [second.name])
    assert [version.name for version in store.lineage(third)] == ["v5", "v3"]


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("latest", "v3 is the latest version and is never dropped; the next build goes on from it"),
        ("v1", "v1 is needed by run experiment_001; remove that first, or keep the version"),
        ("v9", 'version "v9" is not known; known: latest, v1, v2, v3'),
    ],
)
def test_refused(store: Store, drop: str, message: str) -> None:
    run = store.root.parent / "experiments" / "experiment_001" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"version": {"id": store.resolve("v1").id}}))
    tied = command.tied_to_runs(store.root.parent / "experiments")
    for attempt in (collecting.plan, collecting.collect):
        with pytest.raises(ConfigError) as caught:
            attempt(store, [drop], tied)
        assert str(caught.value) == message
    assert len(store.versions()) == 3


def test_readers_of_other_versions_are_not_disturbed(store: Store) -> None:
    reader = open_store(store.root)
    version = reader.resolve("v3")
    stream = reader.reader(version, "rows")
    collecting.collect(store, ["v1", "v2"])
    assert stream.read_all().num_rows == 40
    assert whole(reader, version)


def test_equal_tables_of_a_dropped_version_stay(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    publish(store, tables([record(1), record(2)]), "a" * 64)
    publish(store, tables([record(1), record(2)]), "b" * 64)
    assert all("catalog" in file.path.name for file in collecting.collect(store, ["v1"]).files)
    assert store.check() == []


@pytest.mark.parametrize("at", ["commit", "unlink"])
def test_a_crash_leaves_a_whole_store(store: Store, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the catalogue is published, or in the middle of removing files."""

    class KilledError(BaseException):
        pass

    calls = 0
    real = os.replace if at == "commit" else Path.unlink

    def die(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KilledError
        return real(*args, **kwargs)  # type: ignore[arg-type]  # whatever it was given

    monkeypatch.setattr(os if at == "commit" else Path, "replace" if at == "commit" else "unlink", die)
    with pytest.raises(KilledError):
        collecting.collect(store, ["v1"])
    monkeypatch.undo()
    survivor = open_store(store.root)
    assert {"v2", "v3"} <= {version.name for version in survivor.versions()}
    assert all(whole(survivor, version) for version in survivor.versions())
    collecting.collect(survivor, ["v1"] if len(survivor.versions()) == 3 else [])
    assert collecting.plan(survivor).files == ()
    assert [version.name for version in survivor.versions()] == ["v2", "v3"]


def test_a_busy_store_is_left_alone(store: Store) -> None:
    with Store(store.root).writer(), pytest.raises(StoreBusyError):
        collecting.plan(store)


def run(store: Store, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    parser = Parser(prog="curate")
    command.add_parser(parser)
    heard = Namespace(command=None, json="--json" in words, directory=str(store.root.parent))
    assert command.run(parser.parse_args(["gc", *words], heard)) == 0
    return capsys.readouterr().out.splitlines()


def test_the_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, capsys) == ["nothing to remove: every file of the store belongs to a version"]
    litter(store)
    assert run(store, capsys)[-2:] == ["would free 4 files, 100 bytes", "next: curate gc --yes"]
    assert run(store, capsys, "--drop", "v1")[-1] == "next: curate gc --drop v1 --yes"
    lines = run(store, capsys, "--drop", "v1", "--yes")
    assert lines[-2] == "dropped v1; the name is not given again"
    assert lines[-1].startswith("removed ")
    (line,) = run(store, capsys, "--json")
    assert json.loads(line) == {"removed": False, "bytes": 0, "dropped": [], "files": []}
