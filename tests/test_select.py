"""Selection: what each step takes, that order means nothing, and what is said of rows left out."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.conformance import check_stage, rows_table
from curation.errors import ConfigError
from curation.ingest import IngestOptions, ingest
from curation.reading.sources import SourceSpec, expand
from curation.selection.config import SelectConfig, Step
from curation.selection.diversity import k_centre
from curation.selection.steps import _shares
from curation.shingles import shingle
from curation.stages.conservation import problem
from curation.stages.select import Selection, select, selection
from tests.shared_data import shared


def rows_of(count: int) -> Any:
    """Row i has an answer of i characters, score i (as text where odd), and one of three topics."""
    return rows_table(
        [
            {
                "prompt": f"question {i}",
                "answer": "x" * i,
                "meta": {"score": str(i) if i % 2 else i, "topic": "abc"[min(i // 2, 2)], "deep": {"n": i}},
            }
            for i in range(count)
        ]
    )


def selected(rows: Any, *steps: dict[str, Any]) -> Selection:
    done = selection(rows, SelectConfig(steps))
    assert problem(rows, done.verdict) is None
    return done


def answers(rows: Any, *steps: dict[str, Any]) -> list[int]:
    return [len(a) for a in selected(rows, *steps).verdict.kept["answer"].to_pylist()]


def left_out(done: Selection) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = done.verdict.dropped.to_pylist()
    return lines


def test_no_steps_take_every_row() -> None:
    rows = rows_of(3)
    assert select(rows, SelectConfig()).kept is rows


@pytest.mark.parametrize(
    ("step", "taken"),
    [
        ({"by": "length", "n": 3}, [7, 8, 9]),
        ({"by": "length", "n": 3, "order": "shortest", "on": "answer"}, [0, 1, 2]),
        ({"by": "length", "n": 3, "order": "closest_to", "target": 4, "on": "answer"}, [3, 4, 5]),
        ({"by": "length", "n": 2, "on": "answer"}, [8, 9]),
        ({"by": "score", "field": "score", "n": 4}, [6, 7, 8, 9]),
        ({"by": "score", "field": "score", "n": 4, "order": "lowest"}, [0, 1, 2, 3]),
        ({"by": "score", "field": "deep.n", "n": 1}, [9]),
    ],
)
def test_length_and_score(step: dict[str, Any], taken: list[int]) -> None:
    assert answers(rows_of(10), step) == taken


def test_a_row_left_out_says_by_how_much() -> None:
    done = selected(rows_of(5), {"by": "length", "n": 3, "on": "answer"})
    said = [(line["pos"], line["reason"], line["value"], line["threshold"]) for line in left_out(done)]
    assert said == [(0, "not_selected_length", 0.0, 2.0), (1, "not_selected_length", 1.0, 2.0)]
    notes = done.verdict.flagged.to_pylist()
    assert [(n["pos"], n["reason"], n["value"], n["threshold"]) for n in notes] == [
        (i, "selected_length", float(i), 2.0) for i in (2, 3, 4)
    ]


def test_ten_then_three_is_one_recipe() -> None:
    done = selected(rows_of(40), {"by": "random", "n": 10, "seed": 3}, {"by": "length", "n": 3})
    assert Counter(line["reason"] for line in left_out(done)) == {"not_selected_random": 30, "not_selected_length": 7}
    kept = done.verdict.kept["pos"].to_pylist()
    assert len(kept) == 3
    assert [n["reason"] for n in done.verdict.flagged.to_pylist()] == ["selected_random", "selected_length"] * 3
    rank = {line["pos"]: line["value"] for line in left_out(done) if line["reason"] == "not_selected_random"}
    assert sorted(rank.values()) == list(range(11, 41))
    assert done.notes == []


def test_random_depends_on_seed_and_row_alone() -> None:
    rows = rows_of(200)
    first = set(answers(rows, {"by": "random", "n": 50}))
    assert set(answers(rows.take(np.arange(200)[::-1].copy()).sort_by("pos"), {"by": "random", "n": 50})) == first
    other = set(answers(rows, {"by": "random", "n": 50, "seed": 1}))
    assert other != first
    assert set(answers(rows, {"by": "random", "n": 20})) < first  # a smaller draw is part of a larger one
    few = rows.filter(pa.array([i in first or i % 3 == 0 for i in range(200)]))
    assert len(first & set(answers(few, {"by": "random", "n": 50}))) == 50  # others gone: the same rows still win


def test_random_is_even() -> None:
    """Over 400 seeds each of 20 rows is drawn about 100 times; five standard deviations are 43."""
    rows = rows_of(20)
    drawn = Counter(n for seed in range(400) for n in answers(rows, {"by": "random", "n": 5, "seed": seed}))
    assert all(57 <= drawn[i] <= 143 for i in range(20))


def test_quota_in_all_is_spread_evenly() -> None:
    rows = rows_of(20)  # 2 of topic a, 2 of b, 16 of c
    taken = selected(rows, {"by": "quota", "field": "topic", "n": 10}).verdict
    assert [Counter("abc"[min(len(a) // 2, 2)] for a in taken.kept["answer"].to_pylist())[t] for t in "abc"] == [
        2,
        2,
        6,
    ]
    line = taken.dropped.to_pylist()[0]
    assert (line["reason"], line["threshold"], line["detail"]) == ("not_selected_quota", 6.0, "topic = c")
    assert line["value"] > 6


def test_quota_per_value_and_of_the_source() -> None:
    done = selected(rows_of(20), {"by": "quota", "field": "topic", "per_value": 3})
    assert done.verdict.kept.num_rows == 7
    assert done.notes == ["select: by quota topic: 9 rows asked for, 20 there; 7 are taken"]
    rows = rows_of(20).append_column("source_name", pa.array(["old", "new"] * 10))
    even = selected(rows, {"by": "quota", "field": "source", "n": 5}).verdict.kept
    assert Counter(even["source_name"].to_pylist()) == {"new": 3, "old": 2}


def test_fewer_rows_than_asked_are_all_taken_and_said() -> None:
    done = selected(rows_of(5), {"by": "random", "n": 10_000}, {"by": "diversity", "n": 1000})
    assert done.verdict.kept.num_rows == 5
    assert done.notes == [
        "select: by random: 10,000 rows asked for, 5 there; all are taken",
        "select: by diversity: 1,000 rows asked for, 5 there; all are taken",
    ]
    assert set(done.verdict.flagged["threshold"].to_pylist()) == {5.0, None}  # so many were taken


def test_rows_with_a_fixed_split_stay_and_do_not_count() -> None:
    fixed = ["test" if i < 3 else None for i in range(10)]
    rows = rows_of(10).append_column("fixed_split", pa.array(fixed, pa.string()))
    done = selected(rows, {"by": "length", "n": 2})
    assert done.verdict.kept["pos"].to_pylist() == [0, 1, 2, 8, 9]
    assert done.verdict.flagged["reason"].to_pylist()[:3] == ["selected_fixed"] * 3


def test_rows_without_a_score_come_last() -> None:
    rows = rows_table(
        [{"prompt": str(i), "answer": "x", "meta": m} for i, m in enumerate([{"s": 1}, {}, {"s": "bad"}])]
    )
    done = selected(rows, {"by": "score", "field": "s", "n": 1})
    assert [line["detail"] for line in left_out(done)] == ["no number in s"] * 2
    assert [line["value"] for line in left_out(done)] == [None, None]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            {"by": "score", "field": "scor", "n": 1},
            'select: by score: no row has a field "scor"; did you mean "score"?',
        ),
        ({"by": "score", "field": "topic", "n": 1}, 'select: by score: no row has a number in "topic"'),
        ({"by": "quota", "field": "none", "n": 1}, 'select: by quota: no row has a field "none"'),
        ({"by": "rndom", "n": 1}, 'select.steps.0: by: "rndom" is not known; did you mean "random"?'),
        ({"n": 1}, "select.steps.0.by is missing; add it"),
        ({"by": "random"}, "select.steps.0: n is missing; say how many rows to take"),
        ({"by": "random", "n": 0}, "select.steps.0: n must be at least 1, not 0"),
        ({"by": "random", "n": 1, "field": "x"}, "select.steps.0: field has no meaning for by: random; leave it out"),
        ({"by": "random", "n": 1, "sed": 2}, 'select.steps.0.sed is not a known key; did you mean "seed"?'),
        ({"by": "score", "n": 1}, "select.steps.0: field is missing"),
        ({"by": "length", "n": 1, "order": "long"}, 'order: "long" is not known; did you mean "longest"?'),
        ({"by": "length", "n": 1, "order": "closest_to"}, "target, in characters, goes with order: closest_to"),
        ({"by": "length", "n": 1, "on": "question"}, 'on: "question" is not known'),
        ({"by": "quota", "field": "x"}, "quota needs either n, the rows in all, or per_value"),
        ({"by": "quota", "field": "x", "n": 3, "per_value": 2}, "quota needs either n, the rows in all, or per_value"),
    ],
)
def test_mistakes_are_one_line(step: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        selected(rows_of(4), step)
    assert said in str(caught.value)


def test_the_resolved_step_shows_its_defaults() -> None:
    (step,) = SelectConfig([{"by": "diversity", "n": 5}]).steps
    assert step == Step("diversity", 5, seed=0, on="both", size=1)


@pytest.mark.parametrize("by", ["random", "length", "diversity", "quota"])
def test_the_laws_of_a_stage(by: str) -> None:
    step: dict[str, Any] = {"by": by, "n": 9, **({"field": "n"} if by == "quota" else {})}
    if by == "quota":  # needs a field that some row has
        check_stage(select, SelectConfig([step]), [rows_table([{"prompt": "a", "answer": "b", "meta": {"n": 1}}])])
    else:
        check_stage(select, SelectConfig([step]))


# ---- k-centre

WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=5).map(" ".join)


def jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=12), st.integers(1, 6))
def test_k_centre_is_the_greedy_one(texts: list[str], k: int) -> None:
    """Against the definition, text by text."""
    sets = [set(text.split()) for text in texts]
    centres: list[int] = []
    for _ in range(min(k, len(texts))):
        waiting = [i for i in range(len(texts)) if i not in centres]
        near = {i: max((jaccard(sets[i], sets[c]) for c in centres), default=0.0) for i in waiting}
        centres.append(min(waiting, key=lambda i: (not sets[i], near[i], i)))
    found = k_centre(pa.array(texts, pa.large_string()), k, 1)
    assert np.flatnonzero(found.chosen).tolist() == sorted(centres)
    for i in set(range(len(texts))) - set(centres):
        if found.nearest[i] >= 0:
            assert found.similarity[i] == max(jaccard(sets[i], sets[c]) for c in centres)
            assert jaccard(sets[i], sets[found.nearest[i]]) == found.similarity[i]


def test_k_centre_covers_within_a_factor_of_two() -> None:
    texts = [" ".join(pair) for pair in itertools.combinations("abcdef", 3)]
    sets = [set(text.split()) for text in texts]

    def radius(centres: Any) -> float:
        return max(min(1 - jaccard(s, sets[c]) for c in centres) for s in sets)

    found = np.flatnonzero(k_centre(pa.array(texts, pa.large_string()), 3, 1).chosen)
    best = min(radius(some) for some in itertools.combinations(range(len(texts)), 3))
    assert radius(found) <= 2 * best


def test_diverse_rows_name_the_row_they_are_like() -> None:
    topics = ["red green blue", "one two three", "cat dog cow"]
    rows = rows_table([{"prompt": f"{t} {i}", "answer": t} for t in topics for i in range(4)])
    done = selected(rows, {"by": "diversity", "n": 3})
    assert {pos // 4 for pos in done.verdict.kept["pos"].to_pylist()} == {0, 1, 2}
    for line in left_out(done):
        assert line["matched"] // 4 == line["pos"] // 4
        assert line["value"] == 3 / 5  # three words of five
        assert line["threshold"] == 0.0


def test_diversity_does_not_depend_on_order() -> None:
    texts = [f"{a} {b} {c}" for a in "abc" for b in "def" for c in "ghi"]
    table = rows_table([{"prompt": t, "answer": "y"} for t in texts])
    back = rows_table([{"prompt": t, "answer": "y"} for t in reversed(texts)])
    step = {"by": "diversity", "n": 7}
    one, other = (selected(rows, step).verdict.kept["prompt"].to_pylist() for rows in (table, back))
    assert sorted(one) == sorted(other)


def test_a_thousand_of_ten_thousand_of_fifty_thousand() -> None:
    """On real rows: the chosen are less alike than a random thousand, and cover what was left out."""
    path = shared("mixed/instructions_50k.jsonl.gz")
    (source,) = expand([SourceSpec(path=str(path))], path.parent)
    rows = ingest(source, IngestOptions()).rows.combine_chunks()
    done = selected(rows, {"by": "random", "n": 10_000}, {"by": "diversity", "n": 1_000})
    assert (done.verdict.kept.num_rows, done.verdict.dropped.num_rows) == (1_000, 49_000)
    values = [x["value"] >= x["threshold"] for x in left_out(done) if x["reason"] == "not_selected_diversity"]
    assert len(values) == 9_000
    assert all(values)
    words = [len(set(shingle(v.kept["answer"], "auto", 1).values.tolist())) for v in (done.verdict,)]
    chance = selected(rows, {"by": "random", "n": 1_000}).verdict
    assert words[0] > len(set(shingle(chance.kept["answer"], "auto", 1).values.tolist()))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 200))
def test_a_quota_gives_all_it_can_and_as_evenly_as_it_can(size: list[int], n: int) -> None:
    """What small values cannot give goes to the others, round after round."""
    share = _shares(np.array(size), Step(by="quota", field="topic", n=n))
    assert share.sum() == min(n, sum(size))
    assert all(share <= size)
    open_ = [given for given, there in zip(share.tolist(), size, strict=True) if given < there]
    if open_:
        assert max(share) <= min(open_) + 1
