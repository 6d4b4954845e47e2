"""Laws of a split with a parent: a cluster keeps its split, and what moves is listed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.splits import split
from curation.splits.config import SPLITS, SplitConfig
from tests.split_rows import by_row_id, rows_table, split_of
from tests.test_split import row_lists

CONFIG = SplitConfig(ratios={"train": 0.6, "validation": 0.2, "test": 0.2})


def clusters(table: Any, splits: Any) -> list[set[bytes]]:
    ids = dict(zip(table["pos"].to_pylist(), table["row_id"].to_pylist(), strict=True))
    found: dict[int, set[bytes]] = {}
    for line in splits.table.to_pylist():
        found.setdefault(line["cluster"], set()).add(ids[line["pos"]])
    return list(found.values())


@settings(max_examples=60, deadline=None)
@given(row_lists(), st.data())
def test_a_cluster_keeps_its_split_and_the_strongest_wins_where_clusters_merge(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    config = data.draw(st.sampled_from([CONFIG, SplitConfig(ratios=CONFIG.ratios, edge="strict", seed=9)]))
    first = rows_table(data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row["id"])))
    parent = by_row_id(first, split(first, config))
    table = rows_table(rows)
    splits = split(table, config, parent)
    where = by_row_id(table, splits)
    for cluster in clusters(table, splits):
        known = [SPLITS.index(parent[row]) for row in cluster if row in parent]
        if known:
            assert {where[row] for row in cluster} == {SPLITS[max(known)]}
    moved = {(bytes.fromhex(m.row_id), m.before, m.after) for m in splits.report.moved}
    assert moved == {(row, parent[row], where[row]) for row in parent if row in where and parent[row] != where[row]}


@settings(max_examples=40, deadline=None)
@given(row_lists(), st.data())
def test_the_same_rows_or_fewer_move_nothing(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    table = rows_table(rows)
    parent = by_row_id(table, split(table, CONFIG))
    again = split(table, SplitConfig(ratios=CONFIG.ratios, seed=5), parent)
    assert by_row_id(table, again) == parent
    fewer = rows_table(data.draw(st.lists(st.sampled_from(rows), min_size=1, unique_by=lambda row: row["id"])))
    assert by_row_id(fewer, split(fewer, CONFIG, parent)).items() <= parent.items()


def distinct(n: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"prompt": chr(97 + i % 26) * 9 + chr(97 + i // 26) * 9} for i in range(first, first + n)]


def test_new_rows_restore_the_ratios() -> None:
    before = rows_table(distinct(50))
    parent = by_row_id(before, split(before, CONFIG))
    after = rows_table(distinct(100))
    splits = split(after, CONFIG, parent)
    assert parent.items() <= by_row_id(after, splits).items()
    assert splits.report.rows == {"train": 60, "validation": 20, "test": 20}
    assert splits.report.moved == []


def test_a_split_that_is_full_gets_no_new_rows() -> None:
    table = rows_table(distinct(20))
    ids = table["row_id"].to_pylist()
    splits = split(table, CONFIG, dict.fromkeys(ids[:10], "test"))
    assert splits.report.rows == {"train": 6, "validation": 4, "test": 10}


def test_a_fixed_row_moves_and_is_listed() -> None:
    """The user's word about a row is stronger than its past."""
    rows = distinct(3)
    table = rows_table(rows)
    parent = dict.fromkeys(table["row_id"].to_pylist(), "train")
    splits = split(rows_table([{**rows[0], "fixed": "test"}, *rows[1:]]), CONFIG, parent)
    assert split_of(splits) == {0: "test", 1: "train", 2: "train"}
    assert [(m.before, m.after) for m in splits.report.moved] == [("train", "test")]
