"""Decontamination: which rows hold an evaluation item, with what evidence, and what becomes of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.decontamination.words import words
from curation.errors import ConfigError
from curation.ingest import IngestOptions, ingest
from curation.reading.sources import SourceSpec, expand
from curation.stages.decontaminate import (
    CONTAMINATION,
    Contamination,
    DecontaminateConfig,
    decontaminate,
    find_contamination,
    row_texts,
)
from tests.decontam_layouts import Turns, arc_item, layouts, rows_of
from tests.shared_data import shared

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
CASES = [json.loads(line) for line in (HERE / "fixtures/decontamination/cases.jsonl").read_text("utf-8").splitlines()]
INNOCENT: list[Turns] = [
    [("user", "Which of the following is an example of a good title?"), ("assistant", "The first of them.")],
    [("user", "Write a haiku about rain."), ("assistant", "Grey morning window")],
    [("user", "What is the main reason?"), ("assistant", "The wind carries damp air away.")],
]


def search(rows: Any, items: list[dict[str, Any]], folder: Path, **config: Any) -> Contamination:
    """Write the items as one evaluation set and look for them."""
    (folder / "exam.jsonl").write_bytes(b"\n".join(orjson.dumps(item) for item in items))
    return find_contamination(rows, DecontaminateConfig(against=("exam.jsonl",), **config), folder)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    item, system = case["item"], case.get("system", "")
    if item["choices"]:
        line = arc_item("one", item["stem"], item["choices"], item["key"])
    else:
        line = {"id": "one", "question": item["stem"], "answer": item["key"]}
    turns: Turns = [("system", system)] if system else []
    rows = rows_of([[*turns, ("user", case["prompt"]), ("assistant", case["answer"])]])
    found = search(rows, [line], tmp_path).matches.to_pylist()
    assert [match["how"] for match in found] == ([case["how"]] if case["how"] else [])
    if "span" in case:
        assert row_texts(rows)[0].as_py()[found[0]["start"] : found[0]["end"]] == case["span"]


def science() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (REPO / "data/eval/science_sample.jsonl").read_bytes().splitlines()]


def test_every_layout_of_our_own_items_is_found_and_nothing_else(tmp_path: Path) -> None:
    planted = [(item["id"], turns) for item in science() for turns in layouts(item).values()]
    conversations = [turns for _, turns in planted] + INNOCENT
    found = search(rows_of(conversations), science(), tmp_path).matches.to_pylist()
    assert [(match["pos"], match["item"]) for match in found] == [(pos, name) for pos, (name, _) in enumerate(planted)]


def test_the_leaks_of_the_sample_data_are_found_and_nothing_else() -> None:
    manifest = orjson.loads((REPO / "data/manifest.json").read_bytes())
    expected = {(d["file"], d["unit"]): d["found"] for d in manifest["defects"] if d["kind"] == "leaked_item"}
    config = DecontaminateConfig(against=("eval/science_sample.jsonl",))
    found: dict[tuple[str, int], list[str]] = {}
    for source in expand([SourceSpec("raw")], REPO / "data"):
        rows = ingest(source, IngestOptions()).rows
        for match in find_contamination(rows, config, REPO / "data").matches.to_pylist():
            found.setdefault((source.name, match["pos"]), []).append(match["item"])
    assert found == expected
    assert expected


def test_drop_takes_rows_out_with_their_best_evidence(tmp_path: Path) -> None:
    item = science()[0]
    rows = rows_of([INNOCENT[0], layouts(item)["dots"], INNOCENT[1], layouts(item)["verbatim"]])
    found = search(rows, [item], tmp_path)
    verdict = decontaminate(rows, DecontaminateConfig(), found)
    assert verdict.kept["pos"].to_pylist() == [0, 2]
    assert verdict.dropped.select(["pos", "verdict", "reason", "value", "threshold", "detail"]).to_pylist() == [
        {
            "pos": pos,
            "verdict": "dropped",
            "reason": "contaminated",
            "value": 1.0,
            "threshold": 0.8,
            "detail": f"exam.jsonl: orvelin-science-00 ({how})",
        }
        for pos, how in ((1, "stem+choices"), (3, "stem+answer"))
    ]
    assert found.matches["dropped"].to_pylist() == [True, True]
    assert found.matches["set_sha256"].to_pylist() == [found.sets[0].sha256] * 2


def test_report_keeps_every_row_and_all_evidence(tmp_path: Path) -> None:
    first, second = science()[:2]
    both = [*layouts(first)["dots"], *layouts(second)["dots"]]
    rows = rows_of([INNOCENT[0], both])
    found = search(rows, [first, second], tmp_path, action="report")
    verdict = decontaminate(rows, DecontaminateConfig(action="report"), found)
    assert verdict.kept is rows
    assert not verdict.dropped.num_rows
    assert verdict.flagged["pos"].to_pylist() == [1]
    assert found.matches["item"].to_pylist() == [first["id"], second["id"]]
    assert found.matches["dropped"].to_pylist() == [False, False]


def test_rows_fixed_to_test_are_no_training_rows(tmp_path: Path) -> None:
    item = science()[0]
    rows = rows_of([layouts(item)["dots"]] * 3)
    rows = rows.append_column("fixed_split", pa.array(["test", None, "train"], pa.string()))
    assert search(rows, [item], tmp_path).matches["pos"].to_pylist() == [1, 2]


def test_off_reads_no_file() -> None:
    config = DecontaminateConfig(against=("nowhere.jsonl",), action="off")
    assert not find_contamination(rows_of(INNOCENT), config, Path("/nowhere")).sets


def test_twins_in_two_sets_are_both_named(tmp_path: Path) -> None:
    item = science()[0]
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_bytes(orjson.dumps(item))
    rows = rows_of([layouts(item)["verbatim"]])
    found = find_contamination(rows, DecontaminateConfig(against=("two.jsonl", "one.jsonl")), tmp_path)
    assert found.matches["set"].to_pylist() == ["two.jsonl", "one.jsonl"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"action": "remove"}, "decontaminate: no action 'remove'; use drop, report or off"),
        (
            {"coverage": 0.2},
            "decontaminate: coverage 0.2 and coverage_with_choices 0.3 must be above 0 and at most 1, "
            "the second not above the first",
        ),
    ],
)
def test_config_is_checked(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        DecontaminateConfig(**config)
    assert str(error.value) == message


_WORD = st.text("abcdefghijklmnopqrstuvwxyzäöüșț", min_size=3, max_size=9)


@settings(max_examples=40, deadline=None)
@given(
    stem=st.lists(_WORD, min_size=12, max_size=30, unique=True),
    before=st.lists(_WORD, max_size=20),
    after=st.lists(_WORD, max_size=20),
    layout=st.sampled_from([" ", "\n", "  ", ", ", " - "]),
)
def test_a_question_is_found_whatever_stands_around_it(
    stem: list[str], before: list[str], after: list[str], layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked = layout.join(stem)
    text = " ".join([*before, asked.upper(), *after])
    rows = rows_of([INNOCENT[1], [("user", text), ("assistant", "Yes.")]])
    folder = tmp_path_factory.mktemp("law")
    found = search(rows, [arc_item("x", " ".join(stem), ["up", "down"])], folder).matches.to_pylist()
    assert [(match["pos"], match["coverage"]) for match in found] == [(1, 1.0)]
    spanned = row_texts(rows)[1].as_py()[found[0]["start"] : found[0]["end"]]
    assert words(pa.array([spanned])).hashes.tolist() == words(pa.array([asked])).hashes.tolist()


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(8)))
def test_the_order_of_rows_changes_nothing(order: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    conversations = [*list(layouts(science()[3]).values())[:5], *INNOCENT]
    folder = tmp_path_factory.mktemp("order")
    found = search(rows_of([conversations[i] for i in order]), science(), folder).matches.to_pylist()
    plain = search(rows_of(conversations), science(), folder).matches.to_pylist()
    assert sorted((order[match["pos"]], match["start"], match["how"]) for match in found) == [
        (match["pos"], match["start"], match["how"]) for match in plain
    ]


# ---- real data ----


def alpaca_rows() -> Any:
    path = shared("alpaca/alpaca_data.json.gz")
    return ingest(expand([SourceSpec(path.name, format="alpaca")], path.parent)[0], IngestOptions()).rows


def arc_tests() -> list[dict[str, Any]]:
    items = []
    for name in ("Easy", "Challenge"):
        with gzip.open(shared(f"arc/ARC-{name}-Test.jsonl.gz")) as file:
            items += [orjson.loads(line) for line in file]
    return items


@pytest.fixture(scope="module")
def alpaca() -> Any:
    return alpaca_rows()


def test_the_leak_in_alpaca_is_found_and_at_most_two_rows_are_flagged(alpaca: Any) -> None:
    config = DecontaminateConfig(against=("ARC-Easy-Test.jsonl.gz", "ARC-Challenge-Test.jsonl.gz"))
    found = find_contamination(alpaca, config, shared("arc/ARC-Easy-Test.jsonl.gz").parent)
    leaked = {(match["pos"], match["item"]) for match in found.matches.to_pylist()}
    # "What is the largest organ in the human body?" - "... is the skin."
    assert (29446, "Mercury_SC_416167") in leaked
    assert len({pos for pos, _ in leaked}) <= 2


def test_fifty_arc_items_laid_out_anew_among_alpaca_rows(alpaca: Any, tmp_path: Path) -> None:
    draw = random.Random(11)
    items = arc_tests()
    chosen = draw.sample(items, 50)
    ways = list(layouts(chosen[0]))
    planted = rows_of([layouts(item)[ways[i // 5]] for i, item in enumerate(chosen)])
    some = alpaca.slice(0, 20_000)
    places = sorted(draw.sample(range(some.num_rows), 50))
    slices = [some.slice(low, high - low) for low, high in zip([0, *places], [*places, some.num_rows], strict=True)]
    mixed = [part for i, piece in enumerate(slices) for part in (piece, planted.slice(i, 1))]
    rows = pa.concat_tables(mixed)
    rows = rows.set_column(0, "pos", pa.array(range(rows.num_rows), pa.int64()))
    found = search(rows, items, tmp_path).matches.to_pylist()
    by_row = {place + i: chosen[i]["id"] for i, place in enumerate(places)}
    met = {match["pos"] for match in found if by_row.get(match["pos"]) == match["item"]}
    assert len(met) >= 48
    assert len({match["pos"] for match in found} - set(by_row)) <= 2


def test_evidence_bears_the_hash_of_the_set_that_holds_the_item(tmp_path: Path) -> None:
    first, second = science()[:2]
    hashes = {}
    for name, item in (("one.jsonl", first), ("two.jsonl", second)):
        (tmp_path / name).write_bytes(orjson.dumps(item))
        hashes[name] = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    rows = rows_of([layouts(second)["verbatim"], layouts(first)["verbatim"]])
    found = find_contamination(rows, DecontaminateConfig(against=("one.jsonl", "two.jsonl")), tmp_path).matches
    told = {(line["pos"], line["set"], line["set_sha256"]) for line in found.to_pylist()}
    assert told == {(0, "two.jsonl", hashes["two.jsonl"]), (1, "one.jsonl", hashes["one.jsonl"])}


@pytest.mark.parametrize("action", ["drop", "report"])
def test_a_row_is_told_for_its_best_covered_item(action: str) -> None:
    coverages = {"a": 0.4, "b": 0.9, "c": 0.6}
    about = {"set": "exam", "set_sha256": "", "pos": 1, "start": 0, "end": 1, "how": "stem", "dropped": True}
    lines = [{**about, "item": item, "coverage": coverage} for item, coverage in coverages.items()]
    found = Contamination(pa.Table.from_pylist(lines, CONTAMINATION), ())
    verdict = decontaminate(rows_of(INNOCENT), DecontaminateConfig(action=action), found)  # type: ignore[arg-type]
    (line,) = (verdict.dropped if action == "drop" else verdict.flagged).to_pylist()
    assert (line["pos"], line["value"], line["detail"]) == (1, 0.9, "exam: b (stem)")
