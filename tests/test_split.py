"""Cases and laws of the leak-proof split."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError
from curation.splits import split
from curation.splits.config import SplitConfig
from tests.split_rows import by_row_id, messages, question_set, rows_table, split_of, tied

CASES = [json.loads(line) for line in (Path(__file__).parent / "fixtures" / "split.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_case(case: dict[str, Any]) -> None:
    config, rows = SplitConfig(**case.get("config", {})), rows_table(case["rows"])
    if "error" in case:
        with pytest.raises(ConfigError) as raised:
            split(rows, config)
        assert str(raised.value) == case["error"]
        return
    splits = split(rows, config)
    cluster = dict(zip(splits.table["pos"].to_pylist(), splits.table["cluster"].to_pylist(), strict=True))
    for group in case.get("together", []):
        assert len({cluster[pos] for pos in group}) == 1
    for one, other in case.get("apart", []):
        assert cluster[one] != cluster[other]
    if "edges" in case:
        assert [[e["left"], e["right"], e["kind"]] for e in splits.edges.to_pylist()] == case["edges"]
    for pos, name in case.get("split", {}).items():
        assert split_of(splits)[int(pos)] == name
    if "dropped" in case:
        assert [[d["pos"], d["reason"], d["matched"]] for d in splits.dropped.to_pylist()] == case["dropped"]
    if "flagged" in case:
        assert [[f["pos"], f["reason"], f["matched"]] for f in splits.flagged.to_pylist()] == case["flagged"]
    if "warning" in case:
        assert case["warning"] in splits.report.warnings
    json.dumps(asdict(splits.report))


WORDS = ("reset", "open", "close", "badge", "garden door", "old red account", "today", "in Rome", "for 3 days", "not")
PROMPTS = st.lists(st.sampled_from(WORDS), max_size=5).map(
    lambda words: " ".join(["How do I", *words]) if words else ""
)
ROW = st.fixed_dictionaries(
    {"answer": st.sampled_from("abc"), "meta": st.fixed_dictionaries({"doc": st.sampled_from([None, "x", "y", "z"])})},
    optional={"fixed": st.sampled_from(["train", "validation", "test", None])},
)


@st.composite
def row_lists(draw: st.DrawFn, *, fixed: bool = False, largest: int = 25) -> list[dict[str, Any]]:
    rows = []
    for i, row in enumerate(draw(st.lists(ROW, min_size=1, max_size=largest))):
        talk = draw(st.lists(PROMPTS, min_size=1, max_size=2))
        turns = [text for prompt in talk for text in (prompt, row["answer"])]
        rows.append({"turns": turns, "id": i, "meta": row["meta"], "fixed": row.get("fixed") if fixed else None})
    return rows


CONFIGS = st.builds(
    SplitConfig,
    ratios=st.sampled_from([{"train": 0.6, "validation": 0.2, "test": 0.2}, {"train": 0.5, "test": 0.5}]),
    seed=st.integers(-3, 3),
    edge=st.sampled_from(["default", "strict"]),
    threshold=st.sampled_from([0.4, 0.5, 0.8]),
    group_by=st.sampled_from([None, "doc"]),
    stratify=st.sampled_from([None, "doc", "source"]),
)


def as_asked(rows: list[dict[str, Any]], config: SplitConfig) -> SplitConfig:
    """Without the fields that no row has, which are an error of their own."""
    known = any(row["meta"]["doc"] is not None for row in rows)
    return config if known else SplitConfig(ratios=config.ratios, seed=config.seed, edge=config.edge)


def texts(row: dict[str, Any]) -> list[str]:
    """What a row asks: everything before the last answer, and its opening if that is long enough to tell."""
    talk = messages(row)
    asked = ["\n".join(m["content"] for m in talk[:-1])]
    if len(talk) > 2 and len(" ".join(talk[0]["content"].split())) >= 20:
        asked.append(talk[0]["content"])
    return asked


def leaks(rows: list[dict[str, Any]], splits: Any, config: SplitConfig) -> list[tuple[int, int]]:
    """Pairs of rows in two splits with a tie between them, found without any code of curation/splits."""
    where, found = split_of(splits), []
    for one, other in combinations(sorted(where), 2):
        if where[one] == where[other]:
            continue
        group = rows[one]["meta"]["doc"] if config.group_by else None
        near = any(tied(a, b, config.threshold) for a in texts(rows[one]) for b in texts(rows[other]))
        if near or (group is not None and group == rows[other]["meta"]["doc"]):
            found.append((one, other))
    return found


@settings(max_examples=100, deadline=None)
@given(row_lists(fixed=True), CONFIGS)
def test_no_tie_crosses_splits(rows: list[dict[str, Any]], config: SplitConfig) -> None:
    config = as_asked(rows, config)
    splits = split(rows_table(rows), config)
    found = leaks(rows, splits, config)
    if config.edge == "strict":
        assert found == []
        return
    listed = [(e["left"], e["right"]) for e in splits.edges.to_pylist() if e["kind"] == "differs_in_fact"]
    pairs = {
        frozenset((question_set(a), question_set(b)))
        for left, right in listed
        for a in texts(rows[left])
        for b in texts(rows[right])
    }
    for one, other in found:  # only questions that differ in a fact, and each such pair is listed for its texts
        asked = [(question_set(a), question_set(b)) for a in texts(rows[one]) for b in texts(rows[other])]
        assert any(frozenset(pair) in pairs for pair in asked)
        assert not any(a == b and a for a, b in asked)


@settings(max_examples=100, deadline=None)
@given(row_lists(fixed=True), CONFIGS, st.randoms(use_true_random=False))
def test_order_of_rows_decides_nothing(rows: list[dict[str, Any]], config: SplitConfig, random: Any) -> None:
    config = as_asked(rows, config)
    table = rows_table(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = rows_table([rows[i] for i in order])
    assert by_row_id(table, split(table, config)) == by_row_id(shuffled, split(shuffled, config))
    spread = table.set_column(0, "pos", pa.array([7 * i + 3 for i in range(len(rows))]))
    assert by_row_id(table, split(table, config)) == by_row_id(spread, split(spread, config))


@settings(max_examples=100, deadline=None)
@given(row_lists(fixed=True), CONFIGS)
def test_every_row_is_kept_or_dropped_and_fixed_rows_stay(rows: list[dict[str, Any]], config: SplitConfig) -> None:
    config = as_asked(rows, config)
    splits = split(rows_table(rows), config)
    where, dropped = split_of(splits), splits.dropped["pos"].to_pylist()
    assert sorted([*where, *dropped]) == list(range(len(rows)))
    for pos, row in enumerate(rows):
        if row["fixed"] == "test" or (row["fixed"] and pos in where):
            assert where[pos] == row["fixed"]
    if any(row["fixed"] == "test" for row in rows):
        assert all(rows[pos]["fixed"] == "test" for pos, name in where.items() if name == "test")
    for line in splits.dropped.to_pylist():
        strength = ("train", "validation", "test").index
        matched = rows[line["matched"]]["fixed"]
        assert line["reason"].endswith(f"_fixed_{matched}")
        own = rows[line["pos"]]["fixed"]
        assert own is None or strength(own) < strength(matched)
    assert splits.report.twins is None or splits.report.twins.ours == 0


@settings(max_examples=60, deadline=None)
@given(row_lists(largest=40), st.integers(0, 5))
def test_ratios_are_met_where_single_rows_allow(rows: list[dict[str, Any]], seed: int) -> None:
    extra = [{"prompt": f"{chr(97 + i) * 12}", "id": i, "meta": {"doc": None}} for i in range(26)]
    config = SplitConfig(ratios={"train": 0.7, "validation": 0.1, "test": 0.2}, seed=seed)
    sizes = Counter(split_of(split(rows_table([*rows, *extra]), config)).values())
    n = len(rows) + 26
    for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs(sizes[name] - share * n) < 1


def test_place_follows_build_order_in_each_split() -> None:
    rows = [{"prompt": f"{chr(97 + i) * 9}"} for i in range(20)]
    lines = split(rows_table(rows), SplitConfig(ratios={"train": 0.5, "test": 0.5})).table.to_pylist()
    for name in ("train", "test"):
        assert [line["place"] for line in lines if line["split"] == name] == list(range(10))


def test_seed_changes_the_draw() -> None:
    rows = rows_table([{"prompt": f"{chr(97 + i) * 9}"} for i in range(26)])
    draws = {
        tuple(split(rows, SplitConfig(ratios={"train": 0.5, "test": 0.5}, seed=s)).table["split"].to_pylist())
        for s in range(4)
    }
    assert len(draws) == 4


def test_no_rows_at_all() -> None:
    splits = split(rows_table([]), SplitConfig())
    assert splits.table.num_rows == 0
    assert splits.report.sentence() == "no test rows, so no question can leak"


def test_equal_rows_are_one_row() -> None:
    """Two units with one row_id cannot be in two splits, even if they ask nothing."""
    rows = rows_table([{"prompt": "", "answer": "same"} for _ in range(10)])
    assert split(rows, SplitConfig(ratios={"train": 0.5, "test": 0.5})).report.clusters["train"] == 1


def test_strata_keep_their_shares() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows: list[dict[str, Any]] = [
        {"prompt": f"{a * 6}{b * 6}", "meta": {"kind": "rare" if a in "abc" else "usual"}}
        for a in letters
        for b in letters
    ]
    config = SplitConfig(ratios={"train": 0.8, "validation": 0.1, "test": 0.1}, stratify="kind")
    where = split_of(split(rows_table(rows), config))
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        rare = sum(1 for pos, s in where.items() if s == name and rows[pos]["meta"]["kind"] == "rare")
        assert abs(rare - share * 78) <= 1


def test_time_goes_backwards_through_the_splits() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rows: list[dict[str, Any]] = [
        {"prompt": letter * 9, "meta": {"t": (i * 7) % 26 // 2}} for i, letter in enumerate(letters)
    ]
    config = SplitConfig(ratios={"train": 0.7, "validation": 0.15, "test": 0.15}, time_field="t")
    where = split_of(split(rows_table(rows), config))
    times = {name: {rows[p]["meta"]["t"] for p, s in where.items() if s == name} for name in set(where.values())}
    assert max(times["train"]) < min(times["validation"])
    assert max(times["validation"]) < min(times["test"])


def test_too_many_pairs_to_list_keep_their_texts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts around one boilerplate, each with a number of its own: listed pairs are capped, and no pair is cut."""
    monkeypatch.setattr("curation.splits.ties.MOST_LISTED", 100)
    boilerplate = "Read the notes of the meeting below and answer in one short sentence, please. Item "
    rows = [{"prompt": f"{boilerplate}{n}", "answer": str(n)} for n in range(60)]
    rows += [
        {"prompt": f"{word * 4} {word[::-1] * 3}"} for word in ("alpha", "beta", "gamma", "delta", "omega", "iota")
    ]
    splits = split(rows_table(rows), SplitConfig(ratios={"train": 0.9, "validation": 0.05, "test": 0.05}))
    assert len({split_of(splits)[pos] for pos in range(60)}) == 1
    assert splits.edges.num_rows == 100
    assert any("over 100 pairs" in warning for warning in splits.report.warnings)
    fixed = [{**row, "fixed": "test"} if pos == 7 else row for pos, row in enumerate(rows)]
    held = split(rows_table(fixed), SplitConfig(ratios={"train": 0.9, "validation": 0.05, "test": 0.05}))
    assert held.dropped["pos"].to_pylist() == [pos for pos in range(60) if pos != 7]
