"""What people said of both sides' outputs, as metrics: paired over the items that both have judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.compare.sheet import Sheet
from eval.metrics.metric import Measured, mean_of
from eval.review.scores import Scores


def judged(sheets: Sequence[Sheet], scores: Scores, notes: list[str]) -> dict[str, list[Measured]]:
    """Verdict and rubrics of every model, NaN where nobody judged; none of which the models share no judged item."""
    ids = [sheet.predictions(["prediction_id"])["prediction_id"].to_pylist() for sheet in sheets]
    found = {}
    for name, values in scores.values.items():
        columns = [np.array([values.get(p, np.nan) for p in column], np.float64) for column in ids]
        if np.logical_and.reduce([~np.isnan(column) for column in columns]).any():
            found[f"{name} (people)"] = [mean_of(f"{name} (people)", f"people|{name}", column) for column in columns]
    picked = sum(p in set(scores.picked) for column in ids for p in column)
    if picked:
        notes.append(
            f"people: {picked:,} judged outputs were found by queues that look at outputs, and count in no comparison"
        )
    return found
