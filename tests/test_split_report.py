"""What a split reports: twins under a random split, repeated answers, avoided pairs, and the edges it lists."""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from curation.splits import split
from curation.splits.config import SplitConfig
from curation.splits.measure import answer_overlap, twins
from curation.splits.ties import ties
from tests.shared_data import shared
from tests.split_rows import question_set, rows_table, split_of, tied

HALF = {"train": 0.5, "test": 0.5}


def letters(i: int) -> str:
    return chr(97 + i % 26) * 9 + chr(97 + i // 26) * 9


def test_half_of_all_pairs_are_torn_by_a_random_half() -> None:
    rows = [{"prompt": letters(i // 2), "answer": str(i)} for i in range(200)]
    report = split(rows_table(rows), SplitConfig(ratios=HALF)).report
    assert report.twins is not None
    assert report.twins.ours == 0
    assert report.twins.test_rows == 100
    # A test row's twin is one of 199 others, 100 of which are in train.
    assert abs(report.twins.random - 100 / 199) < 0.05
    assert report.twins.random_min < report.twins.random < report.twins.random_max
    percent = f"{100 * report.twins.random:.0f} %"
    assert report.sentence() == f"random split: {percent} of test questions would have a twin in train; this split: 0"


def test_a_leak_would_be_measured() -> None:
    table = rows_table([{"prompt": p} for p in ("How do I reset my badge?", "How can I reset my badge?", "Canteen?")])
    tied_rows = ties(table, np.full(3, -1), SplitConfig())
    measured = twins(tied_rows, tied_rows.near.ties, np.array([0, 2, 2]), seed=0)
    assert measured is not None
    assert measured.ours == 0.5


def test_questions_that_differ_in_a_fact_are_twins_only_when_any_fact_counts() -> None:
    rows = [{"prompt": f"What is a tip of {i} % on the bill of {2 * i} euros, please?"} for i in range(1, 101)]
    splits = split(rows_table(rows), SplitConfig(ratios=HALF))
    report = splits.report
    assert report.twins is not None
    assert report.twins_any_fact is not None
    assert (report.twins.ours, report.twins.random) == (0, 0)
    assert report.twins_any_fact.ours > 0.9
    where = split_of(splits)
    crossing = [e for e in splits.edges.to_pylist() if where[e["left"]] != where[e["right"]]]
    assert len(crossing) == report.crossing_fact_edges > 0
    assert {e["kind"] for e in crossing} == {"differs_in_fact"}
    one = next(e for e in crossing if (e["left"], e["right"]) == min((c["left"], c["right"]) for c in crossing))
    assert one["fact"] == f"number {one['left'] + 1} -> {one['right'] + 1}"
    test = {pos for pos, name in where.items() if name == "test"}
    assert set(splits.flagged["pos"].to_pylist()) <= test
    assert all(where[f["matched"]] == "train" and f["detail"] for f in splits.flagged.to_pylist())


def test_answers_repeat_word_for_word_but_for_case_and_space() -> None:
    answers = ["Yes.", "yes. ", "No", "no\n", "Ja, gern!", "", "unique", "ÉTÉ", "été", "n o"]
    where = np.array([0, 2, 0, 2, 2, 2, 2, 0, 2, 2])
    overlap = answer_overlap(rows_table([{"prompt": "q", "answer": a} for a in answers]), where)
    assert overlap is not None
    assert overlap.answers == 6
    assert overlap.share == 3 / 6
    assert answer_overlap(rows_table([{"prompt": "q", "answer": ""}]), np.array([2])) is None


def test_closest_avoided_pairs_are_near_and_in_test() -> None:
    stems = [
        "reset my badge pin today",
        "book the large meeting room",
        "claim travel costs in March",
        "find the canteen",
    ]
    rows = [{"prompt": f"{how} {stem}?"} for stem in stems for how in ("How do I", "How can I", "How should I")]
    splits = split(rows_table(rows), SplitConfig(ratios={"train": 0.25, "test": 0.75}))
    where, found = split_of(splits), splits.report.closest_avoided
    assert len(found) == 3
    assert len({pair.left // 3 for pair in found}) == 3, "one pair a cluster"
    for pair in found:
        assert where[pair.left] == where[pair.right] == "test"
        assert pair.left_text == rows[pair.left]["prompt"]
        one, other = question_set(pair.left_text), question_set(pair.right_text)
        assert pair.similarity == round(len(one & other) / len(one | other), 4) < 1


def test_long_questions_are_cut_where_they_begin_to_differ() -> None:
    common = "write me a long and winding letter about the weather, the harvest, our three cats, and the old mill "
    rows = [{"prompt": f"Please {common}{end}"} for end in ("by hand alone", "by mail instead")]
    pair = split(rows_table(rows), SplitConfig(ratios={"test": 1.0})).report.closest_avoided[0]
    assert pair.left_text.startswith("...")
    assert pair.left_text.endswith("by hand alone")
    assert pair.right_text.endswith("by mail instead")
    assert max(len(pair.left_text), len(pair.right_text)) <= 80


def test_equal_questions_are_shown_where_there_are_no_near_ones() -> None:
    rows = [{"prompt": letters(i // 2), "answer": str(i)} for i in range(8)]
    found = split(rows_table(rows), SplitConfig(ratios={"test": 1.0})).report.closest_avoided
    assert len(found) == 3
    assert all(pair.left + 1 == pair.right and pair.left % 2 == 0 and pair.similarity == 1 for pair in found)


def grouped(sizes: dict[str, int], fixed: dict[str, str]) -> list[str]:
    """The warnings of a split 90/5/5 of groups with so many rows, some in a given split."""
    rows = [
        {"prompt": letters(i), "answer": str(i), "meta": {"group": group}, "fixed": fixed.get(group)}
        for i, group in enumerate(name for name, size in sizes.items() for _ in range(size))
    ]
    ratios = {"train": 0.9, "validation": 0.05, "test": 0.05}
    return split(rows_table(rows), SplitConfig(ratios=ratios, group_by="group")).report.warnings


MISSED = (("train", "100.0", "90"), ("validation", "0.0", "5"), ("test", "0.0", "5"))


def test_splits_that_miss_their_share_are_one_note_and_the_first() -> None:
    first, second = grouped({"a": 80, "b": 20}, {})
    missed = [f"{n} holds {g} % of the rows, not {w} %" for n, g, w in MISSED]
    assert first.startswith(f"{'; '.join(missed)}: clusters are indivisible; to come closer: ")
    assert second.startswith("one cluster holds 80 of 100 rows")


def test_a_given_split_silences_no_note_on_the_others() -> None:
    first = grouped({"a": 225, "b": 25}, {"b": "test"})[0]
    base = "of the rows whose split nothing fixes"
    assert first.startswith(f"train holds 100.0 % {base}, not 95 %; validation holds 0.0 % {base}, not 5 %: ")
    assert "test holds" not in first


@pytest.mark.parametrize("validation", [0, 5])  # 5 of 100 rows, as where these were split before others were given
def test_a_given_split_may_have_any_size(validation: int) -> None:
    sizes = {"given": 100, "held": validation, **{f"g{i}": 1 for i in range(100 - validation)}}
    rows: list[dict[str, Any]] = [
        {"prompt": letters(i), "meta": {"group": group}, "fixed": "test" if group == "given" else None}
        for i, group in enumerate(name for name, size in sizes.items() for _ in range(size))
    ]
    table = rows_table(rows)
    ids = zip(table["row_id"].to_pylist(), rows, strict=True)
    splits = {"given": "test", "held": "validation"}
    parent = {row_id: splits.get(row["meta"]["group"], "train") for row_id, row in ids} if validation else None
    config = SplitConfig(ratios={"train": 0.9, "validation": 0.05, "test": 0.05}, group_by="group")
    assert not [note for note in split(table, config, parent).report.warnings if "of the rows" in note]


def lamini() -> list[dict[str, Any]]:
    lines = gzip.decompress(shared("lamini/lamini_docs.jsonl.gz").read_bytes()).splitlines()
    raw = [json.loads(line) for line in lines]
    cut = [r["question"].removeprefix("### Question:\n").removesuffix("\n\n### Answer:") for r in raw]
    return [{"prompt": prompt, "answer": r["answer"]} for prompt, r in zip(cut, raw, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("edge", ["strict", "default"])
def test_lamini_leaks_nothing(edge: Any) -> None:
    """Every test question against every train question, by brute force."""
    rows = lamini()
    splits = split(rows_table(rows), SplitConfig(ratios={"train": 0.9, "test": 0.1}, edge=edge))
    where = split_of(splits)
    assert splits.report.rows == {"train": 1260, "validation": 0, "test": 140}
    listed = {(e["left"], e["right"]) for e in splits.edges.to_pylist() if e["kind"] == "differs_in_fact"}
    sets = [question_set(row["prompt"]) for row in rows]
    for one, other in combinations(range(len(rows)), 2):
        if where[one] != where[other] and len(sets[one]) <= 2 * len(sets[other]) <= 4 * len(sets[one]):
            assert not tied(rows[one]["prompt"], rows[other]["prompt"]) or (one, other) in listed
    assert edge == "default" or not listed
    assert splits.report.twins is not None
    assert splits.report.twins.ours == 0
    assert splits.report.twins_any_fact is not None
    assert 0.2 < splits.report.twins_any_fact.random < 0.3
