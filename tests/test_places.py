"""Texts of items are read from the evaluations they stand in, in any order, and never all held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.runs import RunPlace
from eval.compare.exam import learned_by, open_exam
from eval.compare.places import PART, Places
from eval.compare.sheet import Sheet, sheet
from eval.compare.sides import chosen
from eval.compare.trained import Exposure
from eval.folder import EvalFolder
from eval.imported_predictions import Wanted, import_predictions
from eval.suite import MetricChoice, Primary, Suite

EXACT = Suite(metrics=(MetricChoice("exact_match"),), primary=Primary("exact_match"))
COUNT, LONG = 2 * PART + 100, 900


def line(i: int, who: str) -> dict[str, Any]:
    said = f"{who} says {i}. " + "x" * LONG
    return {"prompt": f"Question {i}?", "output": said, "reference": f"It is {i}. " + "y" * LONG}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recorded models; the second file is in another order, and has nothing on every tenth question."""
    root = tmp_path_factory.mktemp("places")
    other = [i for i in np.random.default_rng(7).permutation(COUNT).tolist() if i % 10]
    for who, order in (("one", range(COUNT)), ("two", other)):
        file = root / f"{who}.jsonl"
        file.write_text("".join(json.dumps(line(i, who)) + "\n" for i in order), "utf-8")
        import_predictions(Wanted(file), EXACT, RunPlace(root / "experiments", root / "journal.sqlite"), root)
    return root / "experiments"


def folders(experiments: Path) -> list[EvalFolder]:
    return [EvalFolder.open(experiments / f"experiment_00{n}" / "eval-1") for n in (1, 2)]


@pytest.mark.parametrize("order", ["as stored", "shuffled", "few"])
def test_rows_come_from_where_they_stand(experiments: Path, order: str) -> None:
    both = folders(experiments)
    tables = [one.predictions(["item_id", "output"]).to_pylist() for one in both]
    whole = Places.whole(both, [len(table) for table in tables])
    want = np.arange(len(whole.of))
    if order != "as stored":
        want = np.random.default_rng(3).permutation(len(want))
    if order == "few":
        want = want[:9]
    want[::4] = -1
    found = whole.take(want)
    rows = [*tables[0], *tables[1]]
    expected = [rows[at] if at >= 0 else {"item_id": None, "output": None} for at in want.tolist()]
    assert found.table("predictions", ["item_id", "output"]).to_pylist() == expected
    sizes = [part.num_rows for part in found.parts("predictions", ["output"])]
    assert sum(sizes) == len(want)
    assert all(size == PART for size in sizes[:-1])
    kept = want >= 0
    assert found.take(kept).table("predictions", ["item_id", "output"]).to_pylist() == [
        row for row, there in zip(expected, kept, strict=True) if there
    ]


def sheets(experiments: Path) -> list[Sheet]:
    sides = chosen(experiments, ["001", "002"])
    exam = open_exam(sides[::-1], Exposure(None))  # of the first, which has all items in their order
    assert exam.items.num_rows == COUNT
    models = [side.models[0] for side in sides]
    return [sheet(exam, model, learned_by(exam, model, Exposure(None), [])) for model in models]


def test_answers_stand_beside_what_was_asked(experiments: Path) -> None:
    for one, who in zip(sheets(experiments), ("one", "two"), strict=True):
        table = one.predictions(["prompt", "output", "reference", "finish_reason"]).to_pylist()
        for i, row in enumerate(table):
            there = who == "one" or i % 10
            assert row["prompt"].startswith(f'[{{"content":"Question {i}?')
            assert row["reference"] == line(i, who)["reference"]
            assert row["output"] == (line(i, who)["output"] if there else None)
            assert row["finish_reason"] == ("stop" if there else "missing")
        assert one.answered.sum() == (COUNT if who == "one" else COUNT - -(-COUNT // 10))


def test_what_is_held_of_an_item_does_not_grow_with_its_texts(experiments: Path) -> None:
    for one in sheets(experiments):
        assert one.light.nbytes / COUNT < LONG / 2
