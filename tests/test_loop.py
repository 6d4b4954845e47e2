"""The whole loop in one command: every part meets the next one, and what it says comes from what it did."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.cli.demo import SAMPLE
from app.cli.loop import _lay, _shorten
from app.cli.loop_findings import culprit, halves, verdict
from curation.runs import list_runs, read_run
from eval.review.portable import read_reviews
from eval.taxonomy import DEFAULT
from train.config import load_training_config


def blame(source: str, p: float, near: int = 5) -> dict[str, Any]:
    return {"source": source, "p_adjusted": p, "near": near, "n": 9, "rest_near": 1, "rest_n": 90}


def told(**tags: tuple[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """What autotag tells of one seed; a tag: how many outputs, and the sources it points at."""
    found = {
        name.replace("_", " "): {"found": count, "sources": sources, "events": [f"{name} {i}" for i in range(count)]}
        for name, (count, sources) in tags.items()
    }
    return {"tags": found, "reviewed": {"wrong fact": {"found": 7, "sources": [blame("b.jsonl", 0.2, 6)]}}}


def test_the_most_frequent_tag_that_points_somewhere_decides_and_none_is_none() -> None:
    one = told(
        low_overlap=(40, [blame("b.jsonl", 0.01)]),
        wrong_number=(9, [blame("a.jsonl", 0.001)]),
        empty=(99, [blame("c.jsonl", 0.5)]),
    )
    found = culprit([one])
    assert found is not None
    assert (found["tag"], found["source"], len(found["events"])) == ("low overlap", "b.jsonl", 40)
    assert found["reviewed"][0] == {"tag": "wrong fact", "found": 7, "near": blame("b.jsonl", 0.2, 6)}
    assert culprit([told(empty=(99, [blame("c.jsonl", 0.5)]))]) is None
    assert culprit([told(empty=(3, []))]) is None


def test_a_source_is_blamed_only_where_every_seed_points_at_it() -> None:
    one = told(low_overlap=(40, [blame("b.jsonl", 0.01)]), wrong_number=(9, [blame("a.jsonl", 0.001)]))
    other = told(low_overlap=(38, [blame("c.jsonl", 0.01)]), wrong_number=(7, [blame("a.jsonl", 0.02)]))
    found = culprit([one, other])
    assert found is not None
    assert (found["tag"], found["source"]) == ("wrong number", "a.jsonl")
    assert culprit([one, told(wrong_number=(7, [blame("a.jsonl", 0.2)]))]) is None


def test_where_nothing_was_changed_nobody_can_tell_and_seeds_are_compared() -> None:
    assert halves(["a", "b", "c"]) == ["a", "b,c"]
    assert halves(["a"]) == []
    better = {"primary": {"verdict": "better"}}
    assert verdict({"compare": better}) == "cannot tell"  # two seeds of one version, whatever they differ by
    assert verdict({"compare": better, "after": ["c"]}) == "better"


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


def test_fewer_steps_are_looked_at_once(tmp_path: Path) -> None:
    config = tmp_path / "training.yaml"
    shutil.copy(SAMPLE / "training.yaml", config)
    _shorten(config, 7)
    before, after = load_training_config(SAMPLE / "training.yaml"), load_training_config(config)
    assert (after.max_steps, after.eval_steps) == (7, 7)
    assert replace(before, max_steps=7, eval_steps=7) == after


def test_a_folder_that_is_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(tmp_path), "loop", "."]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
def test_the_loop_goes_round(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bitsandbytes")
    assert main(["-C", str(tmp_path), "loop", "w", "--steps", "25", "--seeds", "1", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    root = tmp_path / "w"
    assert told["reviews"]["lines"] == told["reviews"]["used"] + told["reviews"]["other_output"]
    trained = [read_run(p) for p in list_runs(root / "experiments") if read_run(p).kind == "training"]
    assert [run.name for run in trained][: len(told["before"])] == told["before"]
    if told["blamed"] is not None:
        assert [(run.version or {})["name"] for run in trained] == ["v1", "v2"]
        assert told["tags"][0]["tag"] == told["blamed"]["tag"]
        assert told["tags"][0]["patches"] == ["p-001"]
    else:
        assert told["verdict"] == "cannot tell"
        assert list((root / "reports").glob("*.html"))
    assert (root / "experiments" / told["before"][0] / "results.csv").read_text().count("exact_match") >= 2
