"""Read-only SQL: what it answers, and everything it must not reach."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from curation.errors import ConfigError
from curation.store import Store
from curation.store.sql import query
from curation.tables import STORED
from tests.store_samples import publish, record, tables


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.create(tmp_path_factory.mktemp("sql") / "store")
    publish(store, tables([record(n) for n in range(10)]), "a" * 64)
    content = tables([record(n) for n in range(12)])
    publish(store, content, "b" * 64, parent="v1", message="more")
    publish(store, content, "c" * 64, parent="v2", message="the same members")
    return store


def answer(store: Store, sql: str, version: str | None = None) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query(store, sql, version).to_pylist()]


@pytest.mark.parametrize(
    ("sql", "version", "expected"),
    [
        ("select count(*) from rows", None, [(12,)]),
        ("select count(*) from rows", "v1", [(10,)]),
        (
            "from members select split, count(*) group by 1 order by 1",
            "v1",
            [("test", 1), ("train", 8), ("validation", 1)],
        ),
        ("select version, count(*) from all_members group by 1 order by 1", None, [("v1", 10), ("v2", 12), ("v3", 12)]),
        ("select name, parent, message from versions where name = 'v2'", None, [("v2", "v1", "more")]),
        ("select recipe->>'$.sources[0].path' from versions limit 1", None, [("raw",)]),
        (
            "select verdict, count(*), count(row_id) from ledger group by 1 order by 1",
            "v1",
            [("kept", 10, 10), ("quarantined", 1, 0)],
        ),
        ("select count(*) from ledger where matched_row_id is null", "v1", [(11,)]),
        ("select hex(raw) from quarantine", None, [("7BFF",)]),
        (
            "select (select count(*) from flags) + (select count(*) from edges) + (select count(*) from sources)",
            None,
            [(0,)],
        ),
        ("select count(*) from rows r join members m using (row_id)", "v1", [(10,)]),
        ("select count(*) from rows where (sha256(coalesce(converted, record))[1:32])::uuid = row_id", None, [(12,)]),
        ("select 1 -- a comment; with a semicolon", None, [(1,)]),
        ("select 1;", None, [(1,)]),
    ],
)
def test_answers(store: Store, sql: str, version: str | None, expected: list[tuple[object, ...]]) -> None:
    assert answer(store, sql, version) == expected


def test_a_row_by_its_uuid(store: Store) -> None:
    row_id = str(uuid.UUID(bytes=store.table("v1", "members")["row_id"][3].as_py()))
    found = query(store, f"select row_id, record->>'$.meta.n' as n from rows where row_id = '{row_id}'")
    assert found.to_pylist() == [{"row_id": row_id, "n": "3"}]


SECRET = "/etc/passwd"
REFUSED = [
    f"select * from read_text('{SECRET}')",
    f"select * from read_csv('{SECRET}')",
    f"select * from sniff_csv('{SECRET}')",
    f"select * from read_json('{SECRET}')",
    f"select * from read_blob('file://{SECRET}')",
    f"select * from '{SECRET}'",
    "select * from glob('/etc/*')",
    "select * from read_text('{other}')",
    "select * from read_parquet('{segment}')",
    "select * from read_duckdb('{catalogue}')",
    "select getenv('HOME')",
    "copy (select 1) to '{other}'",
    "copy (select 1) to '{segment}' (use_tmp_file false)",
    "with x as (copy (select 1) to '{other}') select * from x",
    "with x as (copy (select 1) to '{segment}' (use_tmp_file false)) select * from x",
    "with x as (copy (select 1) to 'segment://{name}' (use_tmp_file false)) select * from x",
    "select * from query('with x as (copy (select 1) to ''segment://{name}'' (use_tmp_file false)) select * from x')",
    "with x as (insert into versions values ('v9') returning *) select * from x",
    "attach '{catalogue}' as c",
    "attach ':memory:' as c",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset allowed_directories",
    "pragma enable_profiling",
    "call enable_logging()",
    "select * from enable_logging('QueryLog', storage = 'file', storage_path = '{other}')",
    "install httpfs",
    "load httpfs",
    "export database '{folder}/out'",
    "import database '{folder}'",
    "create table t (i int)",
    "drop view rows",
    "insert into versions (name) values ('v9')",
    "delete from versions",
    "explain analyze copy (select 1) to '{other}'",
    "select 1; select 2",
    "begin",
    "checkpoint",
    "vacuum",
    "",
    "-- nothing",
    "selct 1",
    "select * from rwos",
    "select nothing from rows",
    "select 1 / 'a'",
    "select error('x\ny')",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_refused_in_one_line_and_nothing_changes(
    store: Store, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = store.resolve("latest").segments["rows"].file
    other = tmp_path / "other.txt"
    other.write_text("other")
    places = {"segment": store.segments_path / name, "name": name, "folder": tmp_path, "other": other}
    places["catalogue"] = store.root / "catalog-000003.duckdb"
    for key, place in places.items():
        sql = sql.replace(f"{{{key}}}", str(place))
    with pytest.raises(ConfigError) as caught:
        query(store, sql)
    assert str(caught.value).startswith("sql: ")
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert store.check() == []
    assert os.listdir(tmp_path) == ["other.txt"]
    assert other.read_text() == "other"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("drop view rows", "sql: only SELECT is allowed, not DROP; the store is read-only"),
        ("select 1; select 2", "sql: one SELECT at a time, not 2 statements"),
        ("select * from rwos", 'sql: Catalog Error: Table with name rwos does not exist! Did you mean "rows"?'),
        ("selct 1", 'sql: Parser Error: syntax error at or near "selct"'),
        (
            f"select * from read_text('{SECRET}')",
            'sql: files outside the store are out of reach; Permission Error: Cannot access file "/etc/passwd" - '
            "file system operations are disabled by configuration",
        ),
    ],
)
def test_messages(store: Store, sql: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        query(store, sql)
    assert str(caught.value) == message


@pytest.mark.parametrize("path", ["segment:///etc/passwd", "segment://../CURRENT", "segment://*", "segment://../../**"])
def test_the_segment_file_system_holds_nothing_else(store: Store, path: str) -> None:
    assert answer(store, f"select * from read_blob('{path}')") == []


def test_variables_of_this_program_are_out_of_reach(store: Store) -> None:
    secret = tables([record(1)])["rows"]
    with pytest.raises(ConfigError, match="secret does not exist"):
        query(store, "select * from secret")
    assert secret.num_rows == 1


def test_what_names_a_unit_has_its_line(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    content = tables([record(n) for n in range(300)])
    names = STORED["flags"].names
    at = [(n * 7) % 300 for n in range(300)]
    flags = [{"source": "raw/a.jsonl", "unit": n, "stage": "s", "reason": f"r{k}"} for k, n in enumerate(at)]
    content["flags"] = pa.Table.from_pylist([{k: f.get(k) for k in names} for f in flags], schema=STORED["flags"])
    publish(store, content, "d" * 64)
    found = query(store, "from flags", "v1")
    assert found.column_names == ["source", "unit", "line", *names[2:]]
    assert list(zip(found["unit"].to_pylist(), found["line"].to_pylist(), strict=True)) == [(n, n + 1) for n in at]
    assert found["reason"].to_pylist() == [f"r{k}" for k in range(300)]  # in stored order
    assert answer(store, "select line from quarantine", "v1") == [(301,)]
    assert answer(store, "select count(line) from contamination", "v1") == [(0,)]
