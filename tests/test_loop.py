"""The whole loop in one command: every part meets the next one, and what it says comes from what it did."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import main
from app.cli.demo import SAMPLE
from app.cli.loop import _culprit, _shorten
from curation.runs import list_runs, read_run
from train.config import load_training_config


def blame(source: str, p: float, near: int = 5) -> dict[str, object]:
    return {"source": source, "p_adjusted": p, "near": near, "n": 9, "rest_near": 1, "rest_n": 90}


def test_the_most_frequent_tag_that_points_somewhere_decides_and_none_is_none() -> None:
    told = {
        "tags": {
            "low overlap": {"found": 40, "sources": [blame("b.jsonl", 0.01)]},
            "wrong number": {"found": 9, "sources": [blame("a.jsonl", 0.001)]},
            "empty": {"found": 99, "sources": [blame("c.jsonl", 0.5)]},
        }
    }
    found = _culprit(told)
    assert found is not None
    assert (found["tag"], found["source"]) == ("low overlap", "b.jsonl")
    assert _culprit({"tags": {"empty": told["tags"]["empty"]}}) is None
    assert _culprit({"tags": {"empty": {"found": 3, "sources": []}}}) is None


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
    trained = [read_run(p) for p in list_runs(root / "experiments") if read_run(p).kind == "training"]
    assert [run.name for run in trained][: len(told["before"])] == told["before"]
    if told["blamed"] is not None:
        assert [(run.version or {})["name"] for run in trained] == ["v1", "v2"]
        assert told["tags"][0]["tag"] == told["blamed"]["tag"]
        assert list((root / "reports").glob("*.html"))
    assert (root / "experiments" / told["before"][0] / "results.csv").read_text().count("exact_match") >= 2
