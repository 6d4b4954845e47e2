"""Flips: the items that the primary metric finds changed most, with what both sides said and rows that are near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from eval.compare.changed_rows import ChangedRow, Neighbour, neighbours
from eval.compare.exam import Exam
from eval.compare.measures import Table, item_values
from eval.compare.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Flip:
    """Outputs are those of each side's first model, values the mean over its models. near: a row that asks alike, of
    which nobody says that it is the cause."""

    item_id: str
    prediction_a: str | None
    prediction_b: str | None
    better: bool | None  # None: the metric has no direction
    value_a: float
    value_b: float
    question: str
    reference: str | None
    output_a: str | None
    output_b: str | None
    near: Neighbour | None


def flips(
    exam: Exam, a: Table, b: Table, sheets: tuple[Sheet, Sheet], rows: Sequence[ChangedRow], most: int
) -> list[Flip]:
    """The `most` items that differ most, largest first; of equals the one with the smaller id."""
    metric = exam.suite.primary.metric
    one, two = item_values(a[metric]), item_values(b[metric])
    change = two - one
    ids = exam.items["item_id"].to_pylist()
    told = [i for i in range(len(ids)) if np.isfinite(change[i]) and change[i] != 0]
    chosen = sorted(told, key=lambda i: (-abs(change[i]), ids[i]))[:most]
    at = np.asarray(chosen, np.int64)
    asked = exam.at.take(at).table("items", ["item_id", "messages", "reference"]).to_pylist()
    questions = [_question(row["messages"]) for row in asked]
    texts = [side.take(at).predictions(["output", "prediction_id"]).to_pylist() for side in sheets]
    better = a[metric][0].higher_is_better
    found = []
    for place, (i, row, near) in enumerate(zip(chosen, asked, neighbours(questions, rows), strict=True)):
        left, right = (side[place] for side in texts)
        found.append(
            Flip(
                row["item_id"],
                left["prediction_id"],
                right["prediction_id"],
                None if better is None else bool((change[i] > 0) == better),
                float(one[i]),
                float(two[i]),
                questions[place],
                row["reference"],
                left["output"],
                right["output"],
                near,
            )
        )
    return found


def _question(messages: str) -> str:
    """As rows are compared: all before the answer, without system messages."""
    return "\n".join(message["content"] or "" for message in orjson.loads(messages) if message["role"] != "system")
