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


def test_new_rows_come_near_the_ratios_and_move_nothing() -> None:
    before = rows_table(distinct(50))
    parent = by_row_id(before, split(before, CONFIG))
    after = rows_table(distinct(600))
    splits = split(after, CONFIG, parent)
    assert parent.items() <= by_row_id(after, splits).items()
    for name, share in (CONFIG.ratios or {}).items():  # four standard errors of 550 draws
        assert abs(splits.report.rows[name] - 600 * share) < 4 * (550 * share * (1 - share)) ** 0.5
    assert splits.report.moved == []


def test_a_new_row_goes_where_it_goes_among_any_others() -> None:
    """Also where a split is full: what came before it decides nothing, or the order of edits would."""
    rows = distinct(60)
    table = rows_table(rows)
    ids = table["row_id"].to_pylist()
    for strongest in SPLITS:
        parent = dict.fromkeys(ids[:20], strongest)
        together = by_row_id(table, split(table, CONFIG, parent))
        for n in range(20, 60):
            few = rows_table([*rows[:20], rows[n]])
            assert by_row_id(few, split(few, CONFIG, parent))[ids[n]] == together[ids[n]]


def test_counts_and_times_are_kept_in_every_version() -> None:
    table = rows_table([{**row, "meta": {"day": i}} for i, row in enumerate(distinct(40))])
    parent = dict.fromkeys(table["row_id"].to_pylist()[:10], "train")
    splits = split(table, SplitConfig(counts={"test": 7, "validation": 5, "train": None}), parent)
    assert splits.report.rows == {"train": 28, "validation": 5, "test": 7}
    timed = split(table, SplitConfig(ratios=CONFIG.ratios, time_field="day"), parent)
    assert [split_of(timed)[pos] for pos in range(32, 40)] == ["test"] * 8


def test_a_new_cluster_above_the_test_quota_stays_in_train() -> None:
    rows = [{"prompt": "the same old question again", "answer": str(i)} for i in range(30)]
    small = [{**row, "prompt": f"{row['prompt']} {i}"} for i, row in enumerate(distinct(10))]
    table = rows_table([*small, *rows])
    parent = dict.fromkeys(table["row_id"].to_pylist()[:10], "train")
    for seed in range(12):
        config = SplitConfig(ratios={"train": 0.2, "validation": 0.1, "test": 0.7}, seed=seed)
        assert split_of(split(table, config, parent))[20] == "train"


def test_shares_are_of_the_rows_that_no_source_fixed() -> None:
    fixed = [{**row, "fixed": "train"} for row in distinct(160)]
    table = rows_table([*fixed, *distinct(40, 160)])
    config = SplitConfig(ratios={"train": 0.9, "test": 0.1})
    splits = split(table, config)
    assert splits.report.rows == {"train": 196, "validation": 0, "test": 4}
    assert splits.report.warnings == []
    assert by_row_id(table, split(table, config, by_row_id(table, splits))) == by_row_id(table, splits)


def test_ratios_that_the_parent_missed_are_its_doing() -> None:
    table = rows_table(distinct(50))
    config = SplitConfig(ratios={"train": 0.9, "test": 0.1})
    splits = split(table, config, dict.fromkeys(table["row_id"].to_pylist(), "train"))
    assert splits.report.warnings == [
        "train holds 100.0 % of the rows, not 90 %; test holds 0.0 % of the rows, not 10 %: rows keep the split they "
        "had in earlier versions; another split.seed draws all of them anew"
    ]


def test_a_fixed_row_moves_and_is_listed() -> None:
    """The user's word about a row is stronger than its past."""
    rows = distinct(3)
    table = rows_table(rows)
    parent = dict.fromkeys(table["row_id"].to_pylist(), "train")
    splits = split(rows_table([{**rows[0], "fixed": "test"}, *rows[1:]]), CONFIG, parent)
    assert split_of(splits) == {0: "test", 1: "train", 2: "train"}
    assert [(m.before, m.after) for m in splits.report.moved] == [("train", "test")]
