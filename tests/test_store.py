"""Publishing, finding and reading versions."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError, StoreError
from curation.store import Store, migrations, open_store
from curation.store.segments import write_segment
from curation.tables import STORED
from tests.store_samples import publish, publish_number, record, tables


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


def test_a_version_reads_back_as_it_was_published(store: Store) -> None:
    content = tables([record(n) for n in range(20)])
    version = publish(store, content, parent=None, message="first")
    assert (version.name, version.message, version.new) == ("v1", "first", True)
    for name in STORED:
        expected = content.get(name, STORED[name].empty_table())
        assert store.table("v1", name).equals(expected), name
        assert store.reader(version, name).read_all().equals(expected), name
    (listed,) = open_store(store.root.parent).versions()
    assert listed.recipe == {"sources": [{"path": "raw"}]}
    assert listed.stats == {"kept": 20}
    assert listed.created == "2030-01-02T03:04:05+00:00"
    assert store.check() == []


def test_the_same_id_publishes_nothing(store: Store) -> None:
    first = publish_number(store, 1)
    files = sorted(store.root.rglob("*"))
    again = publish_number(store, 1)
    assert (first.new, again.new, again.name) == (True, False, "v1")
    assert sorted(store.root.rglob("*")) == files


def test_equal_tables_are_stored_once(store: Store) -> None:
    content = tables([record(n) for n in range(5)])
    one = publish(store, content, "a" * 64)
    two = publish(store, {**content, "flags": STORED["flags"].empty_table()}, "b" * 64, parent="v1")
    assert {name: s.file for name, s in one.segments.items()} == {name: s.file for name, s in two.segments.items()}
    assert two.parent == "v1"


def test_two_generations_are_kept(store: Store) -> None:
    for number in range(1, 5):
        publish_number(store, number)
    assert sorted(p.name for p in store.root.glob("*.duckdb*")) == ["catalog-000003.duckdb", "catalog-000004.duckdb"]
    assert [v.name for v in store.versions()] == ["v1", "v2", "v3", "v4"]


@pytest.mark.parametrize(
    ("ref", "name"), [("latest", "v2"), ("v1", "v1"), ("abcd1", "v1"), ("abcd2", "v2"), ("abcd1" + "0" * 59, "v1")]
)
def test_resolve(store: Store, ref: str, name: str) -> None:
    publish(store, tables([record(1)]), "abcd1" + "0" * 59)
    publish(store, tables([record(2)]), "abcd2" + "0" * 59)
    assert store.resolve(ref).name == name


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("v3", 'version "v3" is not known; known: latest, v1, v2'),
        ("lastest", 'version "lastest" is not known; did you mean "latest"?'),
        ("abcd", 'version "abcd" means 2 versions: v1 (abcd1000), v2 (abcd2000); give more characters'),
        ("abc", 'version "abc": an id prefix needs at least 4 characters'),
        ("base", '"base" names the base model, not a version; name a version such as "latest" or "v1"'),
        ("", 'version "" is not known; known: latest, v1, v2'),
    ],
)
def test_resolve_refuses(store: Store, ref: str, message: str) -> None:
    publish(store, tables([record(1)]), "abcd1" + "0" * 59)
    publish(store, tables([record(2)]), "abcd2" + "0" * 59)
    with pytest.raises(ConfigError) as caught:
        store.resolve(ref)
    assert str(caught.value) == message


def test_no_version_and_no_store(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no version yet; run `curate build` first"):
        store.resolve("latest")
    with pytest.raises(ConfigError, match="no store here; run `curate build` first"):
        open_store(tmp_path / "elsewhere")


def test_rows_by_id(store: Store) -> None:
    content = tables([record(n) for n in range(30)])
    publish(store, content)
    stored = content["rows"]
    wanted = [stored["row_id"][at].as_py() for at in (29, 3, 4)]
    assert store.rows("v1", wanted).equals(stored.take([3, 4, 29]))
    assert store.rows("v1", [b"\0" * 16]).num_rows == 0
    assert store.rows("v1").equals(stored)


def test_rows_by_id_across_row_groups(store: Store) -> None:
    ids = [n.to_bytes(16, "big") for n in range(20_000)]
    columns = {"row_id": ids, "record": [str(n) for n in range(20_000)], "converted": [None] * 20_000}
    content = {"rows": pa.table({**columns, "content_hash": ids}, schema=STORED["rows"])}
    store.publish("a" * 64, content, parent=None, message="", recipe={}, stats={}, created="")
    wanted = [0, 8_191, 8_192, 16_383, 16_384, 19_999]
    assert store.rows("v1", [ids[n] for n in wanted])["record"].to_pylist() == [str(n) for n in wanted]


def test_duckdb_sees_uuids(store: Store) -> None:
    version = publish_number(store, 1)
    path = store.segments_path / version.segments["rows"].file
    with duckdb.connect() as con:
        kinds = con.execute(f"describe from '{path}'").fetchall()
    assert {k[0]: k[1] for k in kinds} == {
        "row_id": "UUID",
        "record": "VARCHAR",
        "converted": "VARCHAR",
        "content_hash": "UUID",
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 39), max_size=6))
def test_a_segment_does_not_depend_on_chunks_or_metadata(tmp_path: Path, cuts: list[int]) -> None:
    whole = tables([record(n) for n in range(40)])["rows"]
    edges = [0, *sorted(cuts), 40]
    pieces = [whole.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    chopped = pa.concat_tables(pieces).replace_schema_metadata({"when": "now"})
    assert write_segment(tmp_path, "rows", chopped) == write_segment(tmp_path, "rows", whole)


def test_a_moved_store_works(store: Store, tmp_path: Path) -> None:
    publish_number(store, 1)
    shutil.move(store.root, tmp_path / "moved")
    moved = open_store(tmp_path / "moved")
    assert moved.table("latest", "rows").num_rows == 40
    assert publish_number(moved, 2).name == "v2"


def test_large_values_survive(store: Store) -> None:
    long = "x" * 3_000_000 + "\u2028\ud7ff\U0010ffff\x00"
    content = tables([record(1, long=long)])
    publish(store, content, message="quotes ' \" ; --", recipe={"big": 2**70, "text": "ü"}, stats={"nan": None})
    assert store.table("v1", "rows").equals(content["rows"])
    assert json.loads(store.table("v1", "rows")["record"][0].as_py())["long"] == long
    assert store.resolve("v1").message == "quotes ' \" ; --"


def test_a_wrong_table_is_our_mistake(store: Store) -> None:
    with pytest.raises(AssertionError, match="members"):
        store.publish(
            "a" * 64, {"members": pa.table({"a": [1]})}, parent=None, message="", recipe={}, stats={}, created=""
        )
    assert store.versions() == []
    assert publish_number(store, 1).name == "v1"


def add_colour(con: Any) -> None:
    con.execute("alter table versions add column colour varchar default 'red'")


def test_an_older_catalogue_is_migrated_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_number(store, 1)
    monkeypatch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS)
    migrations.MIGRATIONS.append(add_colour)
    try:
        for _ in range(2):
            assert [v.name for v in open_store(store.root).versions()] == ["v1"]
        (path,) = store.root.glob("catalog-000002.duckdb")
        with duckdb.connect(str(path), read_only=True) as con:
            assert con.execute("select number from migrations order by 1").fetchall() == [(1,), (2,), (3,)]
            assert con.execute("select colour from versions").fetchall() == [("red",)]
        assert not list(store.root.glob("catalog-000003*"))
    finally:
        migrations.MIGRATIONS.remove(add_colour)


def test_a_newer_catalogue_is_refused(store: Store) -> None:
    migrations.MIGRATIONS.append(add_colour)
    try:
        newer = Store.create(store.root.parent / "newer")
    finally:
        migrations.MIGRATIONS.remove(add_colour)
    with pytest.raises(StoreError, match=r"made by a newer curate .* number 3, this one knows 2\); upgrade curate"):
        open_store(newer.root)
