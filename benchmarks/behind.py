"""Which training row stands first beside a wrong output: one that taught the answer, or one that is merely alike.

python -m benchmarks.behind WORKSPACE RUN      (WORKSPACE: what `curate loop` made; RUN: experiment_002)

A row taught a wrong answer if it asks the same and says what is wrong in it, and not what the reference says
(eval/lessons.py). Both orders are of the same rows: by likeness alone, and with those first that ask the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from curation.runs import read_run
from curation.store import open_store
from curation.workspace import open_workspace
from eval.folder import evals
from eval.lessons import Lessons
from eval.neighbours import Neighbour, TrainingIndex, training_rows
from eval.tags.finding import Prediction
from eval.tags.runner import predictions_of


def measured(workspace: Path, run: str) -> dict[str, int]:
    """Of the wrong outputs of the run's first evaluation outside test."""
    folder = workspace / "experiments" / run
    version = read_run(folder).version
    assert version is not None, f"{run} was trained on no version of the workspace"
    store = open_store(open_workspace(workspace).store_path)
    rows = training_rows(store, store.resolve(str(version["id"])), folder)
    wrong = _wrong(folder)
    index, taught = TrainingIndex(rows), Lessons(wrong, rows).taught
    alike = [near for (near,) in (index.near([one.asked], [one.text]) for one in wrong)]
    behind = [index.behind(one.asked, one.text) for one in wrong]
    places = [{rows[i].place for i in taught[one.id]} for one in wrong]
    return {
        "wrong outputs": len(wrong),
        "with a row that taught it": sum(map(bool, places)),
        "first by likeness": _first(alike, places, 1),
        "among five by likeness": _first(alike, places, 5),
        "first, those that ask the same before others": _first(behind, places, 1),
        "among five of these": _first(behind, places, 5),
    }


def _wrong(folder: Path) -> list[Prediction]:
    for one in evals(folder):
        if found := predictions_of(one.predictions(), test_too=False):
            values = one.item_metrics(["item_id", "metric", "value"]).to_pylist()
            missed = {row["item_id"] for row in values if (row["metric"], row["value"]) == ("exact_match", 0)}
            items = {row["prediction_id"]: row["item_id"] for row in one.predictions().to_pylist()}
            return [prediction for prediction in found if items[prediction.id] in missed]
    return []


def _first(near: Sequence[Sequence[Neighbour]], places: Sequence[set[str]], most: int) -> int:
    return sum(bool({one.row.place for one in few[:most]} & there) for few, there in zip(near, places, strict=True))


if __name__ == "__main__":
    for name, value in measured(Path(sys.argv[1]), sys.argv[2]).items():
        print(f"{name}: {value:,}")
