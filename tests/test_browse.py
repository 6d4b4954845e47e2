"""Pages of a version: what is asked for comes, counted right, in build order; a search finds it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from curation.errors import ConfigError
from curation.store import open_store
from curation.store.browse import PAGE, Asked, choices, clusters, measured, noted, page, search
from curation.store.sql import query
from tests.compared import words
from tests.lineage_workspace import workspace

ROWS = 130


def rows() -> list[dict[str, Any]]:
    """Unlike rows; every tenth is there twice, two contradict each other, one is long and one has an empty answer."""
    made = [{"prompt": f"{words(i, 5, 'q')}?", "completion": f"{words(i, 4, 'a')}."} for i in range(ROWS)]
    made += [dict(made[i]) for i in range(0, ROWS, 10)]
    made += [{**made[1], "completion": f"{words(999, 4, 'other')}."}]
    made += [{"prompt": "A long one?", "completion": words(77, 300, "long")}, {"prompt": "Nothing?", "completion": ""}]
    return [{"id": number, **row} for number, row in enumerate(made)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from curation.library import build

    made = workspace(tmp_path_factory.mktemp("browse") / "w", rows())
    build(made)
    return open_store(made.store_path)


def lines(store: Any, condition: str) -> list[tuple[str, int]]:
    table = query(store, f"select source, line from ledger where {condition} order by source, unit")
    return list(zip(table["source"].to_pylist(), table["line"].to_pylist(), strict=True))


def paged(store: Any, asked: Asked) -> list[tuple[str, int]]:
    """All pages, one after the other."""
    version = store.resolve("latest")
    first = page(store, version, asked)
    found: list[tuple[str, int]] = []
    for number in range(1, first.pages + 1):
        units = page(store, version, asked, number).units
        assert units.num_rows <= PAGE
        found += zip(units["source"].to_pylist(), units["line"].to_pylist(), strict=True)
    assert len(found) == first.total
    return found


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        (Asked(), "true"),
        (Asked(verdict="kept"), "verdict = 'kept'"),
        (Asked(split="test"), "split = 'test'"),
        (Asked(reason="exact_duplicate"), "reason = 'exact_duplicate'"),
        (Asked(language="en"), "answer_language = 'en'"),
        (Asked(shortest=1000), "byte_length >= 1000"),
        (Asked(shortest=40, longest=90), "byte_length between 40 and 90"),
        (Asked(row="a"), "cast(row_id as varchar) like 'a%'"),
        (Asked(split="train", row="0", longest=200), "split = 'train' and cast(row_id as varchar) like '0%'"),
        (Asked(source="nowhere' or 1=1 --"), "false"),
    ],
)
def test_pages_hold_what_was_asked_for_in_build_order(store: Any, asked: Asked, condition: str) -> None:
    assert paged(store, asked) == lines(store, condition)


def test_a_reason_may_be_that_of_a_flag(store: Any) -> None:
    flagged = "(source, unit) in (select source, unit from flags where reason = 'conflict')"
    assert paged(store, Asked(reason="conflict")) == lines(store, flagged) != []


def test_no_row_id_is_said_to_begin_with_letters_of_none(store: Any) -> None:
    with pytest.raises(ConfigError, match="begins no row id"):
        page(store, store.resolve("latest"), Asked(row="xyz"))


def test_every_unit_shows_how_its_row_begins(store: Any) -> None:
    units = page(store, store.resolve("latest"), Asked()).units.to_pylist()
    assert [unit["begins"] for unit in units] == [row["prompt"] for row in rows()[:PAGE]]


def test_choices_are_those_there_are(store: Any) -> None:
    found = choices(store, store.resolve("latest"))
    assert {"exact_duplicate", "conflict", "empty_answer"} <= set(found["reason"])
    assert len(found["source"]) == 1


def test_a_search_looks_at_every_row_and_says_how_far_it_is(store: Any) -> None:
    version = store.resolve("latest")
    wanted = words(10, 5, "q").upper()
    steps = list(search(store, version, wanted))
    assert steps[-1].looked == steps[-1].rows == version.segments["rows"].rows + version.segments["quarantine"].rows
    assert steps[-1].units["line"].to_pylist() == [11, ROWS + 2]
    kept = list(search(store, version, wanted, Asked(verdict="kept")))
    assert kept[-1].units.num_rows == 1
    assert list(search(store, version, "no such words"))[-1].units is None


def test_notes_name_both_rows(store: Any) -> None:
    found = noted(store, store.resolve("latest"), ["conflict"])
    assert found.total == 2
    told = found.units.to_pylist()
    assert {told[0]["row_id"], told[1]["row_id"]} == {told[0]["matched_row_id"], told[1]["matched_row_id"]}


def test_clusters_hold_their_rows(store: Any) -> None:
    version = store.resolve("latest")
    found = clusters(store, version).to_pylist()
    assert found
    assert [one["rows"] for one in found] == sorted((one["rows"] for one in found), reverse=True)
    for one in found:
        assert page(store, version, Asked(cluster=one["cluster"])).total == one["rows"]


def test_measured_values_are_counted_with_their_limit(store: Any) -> None:
    found = measured(store, store.resolve("latest")).to_pylist()
    doubled = [row for row in found if row["reason"] == "exact_duplicate"]
    assert sum(row["rows"] for row in doubled) == ROWS // 10
    total = query(store, "select count(*) n from (select value from ledger union all select value from flags)"
                         " where value is not null")  # fmt: skip
    assert sum(row["rows"] for row in found) == total["n"][0].as_py()


def test_units_of_a_source_without_bytes_are_as_long_as_their_record(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from curation.library import build
    from curation.workspace import init_workspace

    made = init_workspace(tmp_path / "w")
    told = [*rows()[:20], {"id": 20, "prompt": "A long one?", "completion": words(77, 300, "long")}]
    pq.write_table(pa.Table.from_pylist(told), made.root / "data" / "raw" / "a.parquet")
    build(made)
    found = open_store(made.store_path)
    long = page(found, found.resolve("latest"), Asked(shortest=1500))
    assert long.units["line"].to_pylist() == [21]
    assert page(found, found.resolve("latest"), Asked(longest=1499)).total == 20
    record = query(found, "select max(strlen(record)) as n from rows")["n"][0].as_py()
    assert page(found, found.resolve("latest"), Asked(longest=record - 1)).total == 20
    assert orjson.loads(query(found, "select record from rows limit 1")["record"][0].as_py())["messages"]
