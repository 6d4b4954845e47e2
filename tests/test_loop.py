"""The whole loop in one command: every part meets the next one, and what it says comes from what it did."""

from __future__ import annotations

import csv
import json
import re
from argparse import Namespace
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.demo import SAMPLE
from app.cli.loop import LEARNING_RATE, STEPS, _lay
from app.cli.loop_findings import culprit, halves, lines_of, review_counts, sides_of, verdict
from curation.patches import load_patches
from curation.runs import list_runs, read_run
from curation.store import Store, VersionInfo, open_store
from eval.review.portable import read_reviews
from eval.taxonomy import DEFAULT
from train.config import load_training_config

EXPORT = "data/raw/export-2023.json.gz"  # in which every second answer is another fault's


def lesson(source: str, p: float, taught: int = 5) -> dict[str, Any]:
    """What autotag tells of a source whose rows say what is wrong."""
    counts = {"taught": taught, "asked": 9, "others_taught": 1, "others_asked": 90}
    return {"source": source, "p_adjusted": p, **counts, "rows": [f"{source}:{i}" for i in range(taught)]}


def told(**tags: tuple[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """What autotag tells of one seed; a tag: how many outputs, and the sources that teach it.

    All of them lie near c.jsonl, as answers to one kind of question do, whatever is wrong with them.
    """
    near = [{"source": "c.jsonl", "p_adjusted": 1e-9, "near": 9, "n": 9, "rest_near": 0, "rest_n": 90}]
    found = {
        name.replace("_", " "): {
            "found": count,
            "sources": near,
            "lessons": lessons,
            "events": [f"{name} {i}" for i in range(count)],
        }
        for name, (count, lessons) in tags.items()
    }
    said = {"wrong fact": {"found": 7, "sources": near, "lessons": [lesson("a.jsonl", 0.2, 6)]}}
    return {"tags": found, "reviewed": said}


def test_the_source_that_teaches_a_fault_most_surely_decides_and_none_is_none() -> None:
    one = told(
        low_overlap=(40, [lesson("b.jsonl", 0.01)]),
        wrong_number=(9, [lesson("a.jsonl", 0.001)]),
        empty=(99, [lesson("c.jsonl", 0.5)]),
    )
    found = culprit([one])
    assert found is not None
    assert (found["tag"], found["source"], len(found["events"])) == ("wrong number", "a.jsonl", 9)
    counts = "5 of 9 outputs that it has rows on are wrong as those say, 1 of 90 for other sources"
    assert found["why"] == f"'wrong number': {counts}"
    assert found["reviewed"][0] == {"tag": "wrong fact", "found": 7, "lesson": lesson("a.jsonl", 0.2, 6)}
    assert culprit([told(empty=(99, [lesson("c.jsonl", 0.5)]))]) is None
    assert culprit([told(empty=(3, []))]) is None  # near a source, and taught by none


def test_a_source_is_blamed_only_where_every_seed_points_at_it_and_as_sure_as_its_least_sure_seed() -> None:
    one = told(low_overlap=(40, [lesson("b.jsonl", 1e-9)]), wrong_number=(9, [lesson("a.jsonl", 0.001)]))
    other = told(low_overlap=(38, [lesson("c.jsonl", 0.01)]), wrong_number=(7, [lesson("a.jsonl", 0.02)]))
    found = culprit([one, other])
    assert found is not None
    assert (found["tag"], found["source"]) == ("wrong number", "a.jsonl")
    assert culprit([one, told(wrong_number=(7, [lesson("a.jsonl", 0.2)]))]) is None
    third = told(low_overlap=(38, [lesson("b.jsonl", 0.03)]), wrong_number=(7, [lesson("a.jsonl", 0.02)]))
    assert (culprit([one, third]) or {})["tag"] == "wrong number"


def test_copies_blame_no_source_for_without_its_rows_there_is_nothing_to_copy() -> None:
    one = told(copied_from_training=(60, [lesson("c.jsonl", 0.0)]), wrong_number=(9, [lesson("a.jsonl", 0.01)]))
    found = culprit([one])
    assert found is not None
    assert (found["tag"], found["source"]) == ("wrong number", "a.jsonl")


def test_the_control_is_the_most_frequent_tag_that_wrong_facts_do_not_cause() -> None:
    rows = [
        {"tag": "contradicts reference", "patches": ["p-001"], "value_a": 0.5},
        {"tag": "unsupported number", "patches": [], "value_a": 0.4},
        {"tag": "cut off", "patches": [], "value_a": 0.01},
        {"tag": "low overlap", "patches": [], "value_a": 0.05},
    ]
    assert sides_of(rows) == (rows[0], rows[3])
    assert sides_of(rows[1:2]) == (None, None)
    assert sides_of([{"tag": "low overlap", "patches": ["p-001"], "value_a": 0.5}])[1] is None


def test_where_nothing_was_changed_nobody_can_tell_and_seeds_are_compared() -> None:
    assert halves(["a", "b", "c"]) == ["a", "b,c"]
    assert halves(["a"]) == []
    better = {"primary": {"verdict": "better"}}
    assert verdict({"compare": better}) == "cannot tell"  # two seeds of one version, whatever they differ by
    assert verdict({"compare": better, "after": ["c"]}) == "better"


def test_the_page_is_named_at_the_end() -> None:
    told = {"reviews": review_counts([]), "blamed": None, "report": {"html": "/w/reports/v1-experiment_002.html"}}
    assert lines_of(told)[-1] == "all of it on one page: /w/reports/v1-experiment_002.html"


def test_other_seeds_and_sound_data_are_drawn_anew(tmp_path: Path) -> None:
    args = Namespace(seed=8, no_defects=True, steps=None, seeds=2)
    assert _lay(tmp_path / "w", args) == [8, 9]
    told = json.loads((tmp_path / "w/data/manifest.json").read_text())
    assert (told["seed"], told["defects"], told["wrong_answers"]["units"]) == (8, [], [])
    raw = (tmp_path / "w/data/raw/handbook.csv").read_bytes()
    assert raw != (SAMPLE / "raw/handbook.csv").read_bytes()
    assert _lay(tmp_path / "same", Namespace(seed=None, no_defects=False, steps=None, seeds=3)) == [1, 2, 3]
    assert (tmp_path / "same/data/raw/handbook.csv").read_bytes() == (SAMPLE / "raw/handbook.csv").read_bytes()


def test_the_committed_reviews_are_of_the_samples_validation_and_fit_the_taxonomy() -> None:
    reviews = read_reviews(SAMPLE / "reviews.jsonl", DEFAULT)
    assert len(reviews) >= 30
    assert {one.verdict for one in reviews} >= {"correct", "wrong"}


def test_the_loop_trains_longer_than_the_sample_or_as_long_as_it_is_told(tmp_path: Path) -> None:
    before = load_training_config(SAMPLE / "training.yaml")
    for number, told in ((STEPS, None), (7, 7)):
        _lay(tmp_path / str(number), Namespace(seed=None, no_defects=False, steps=told, seeds=1))
        after = load_training_config(tmp_path / str(number) / "configs" / "training.yaml")
        assert replace(before, max_steps=number, eval_steps=number, learning_rate=float(LEARNING_RATE)) == after


def test_a_folder_that_is_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(tmp_path), "loop", "."]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
def test_the_loop_goes_round(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One seed, and so long that the wrong answers are learned by heart; how much better v2 is differs by processor."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two would wait for each other wherever something else runs
    assert main(["-C", str(tmp_path), "loop", "w", "--steps", "320", "--seeds", "1", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    root = tmp_path / "w"
    reviews = told["reviews"]
    assert reviews["lines"] == reviews["used"] + reviews["other_output"] + reviews["not_asked"] > 0
    trained = [read_run(p) for p in list_runs(root / "experiments") if read_run(p).kind == "training"]
    assert [run.name for run in trained] == [*told["before"], *told["after"]]
    assert [(run.version or {})["name"] for run in trained] == ["v1", "v2"]
    store = open_store(root / "store")
    kept = [sources_of(store, store.resolve(name)) for name in ("v1", "v2")]
    assert kept[0] - kept[1] == {EXPORT} == {told["blamed"]["source"]}
    (patch,) = {entry.id for entry in load_patches(root)}
    assert (told["tags"][0]["tag"], told["tags"][0]["patches"]) == (told["blamed"]["tag"], [patch])
    compared = told["compare"]
    shown = [exact_match(root, run) for run in (*told["before"], *told["after"])]
    assert shown == [compared["primary"]["value_a"], compared["primary"]["value_b"]]
    assert {"slice=seen_fact", "slice=unseen_fact"} <= set(compared["slices"])
    assert "perplexity" in {one["name"] for one in compared["secondary"]}
    assert [one["name"] for one in compared["benchmarks"]] == ["science"]
    assert "nearest training answer" in {one["name"] for one in compared["baselines"]}
    assert told["verdict"] == compared["primary"]["verdict"]
    (page,) = (root / "reports").rglob("*.html")
    words = unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))  # its numbers are links to where they come from
    assert compared["sentence"].partition(", p ")[0] in words


def sources_of(store: Store, version: VersionInfo) -> set[str]:
    """Those of the rows that a version trains on."""
    ledger = store.table(version, "ledger", ["source", "verdict", "split"]).to_pylist()
    return {row["source"] for row in ledger if (row["verdict"], row["split"]) == ("kept", "train")}


def exact_match(root: Path, run: str) -> float:
    """Of a training's answers to the exam, as its results say."""
    with (root / "experiments" / run / "results.csv").open(newline="", encoding="utf-8") as file:
        wanted = {"split": "test", "slice": "all", "metric": "exact_match"}
        (row,) = (row for row in csv.DictReader(file) if wanted.items() <= row.items())
    return float(row["value"])
