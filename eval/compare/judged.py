"""What people said of both sides' outputs, as metrics: paired over the items that both have judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eval.compare.sheet import Sheet
from eval.metrics.metric import Measured, mean_of
from eval.recompute import JUDGED
from eval.review.scores import Scores
from eval.suite import Suite
from eval.taxonomy import VERDICT


def with_verdicts(sheets: Sequence[Sheet], scores: Scores, suite: Suite, notes: list[str]) -> list[Sheet]:
    """The sheets with what people said of right and wrong, where some item's outputs of all models were judged; then
    AUROC goes by people, as in an evaluation, over those items. Else a metric says it, of all sides alike."""
    ranking = [choice.name for choice in suite.metrics if choice.name in JUDGED]
    said = scores.values.get(VERDICT, {})
    if not ranking or not said:
        return list(sheets)
    ids = [sheet.predictions(["prediction_id"])["prediction_id"].to_pylist() for sheet in sheets]
    if any(all(one in said for one in item) for item in zip(*ids, strict=True)):
        return [
            replace(one, said={p: said[p] for p in mine if p in said}) for one, mine in zip(sheets, ids, strict=True)
        ]
    names = [sheet.name for sheet, mine in zip(sheets, ids, strict=True) if any(one in said for one in mine)]
    if names:
        of = ", ".join(names)
        notes.append(f"{', '.join(ranking)}: goes by a metric, for people judged outputs of {of} and no item's of all")
    return list(sheets)


def judged(sheets: Sequence[Sheet], scores: Scores, notes: list[str]) -> dict[str, list[Measured]]:
    """Verdict and rubrics of every model, NaN where nobody judged; none of which the models share no judged item."""
    ids = [sheet.predictions(["prediction_id"])["prediction_id"].to_pylist() for sheet in sheets]
    found = {}
    for name in scores.values:
        rows = [scores.paired(name, item) for item in zip(*ids, strict=True)]
        columns = list(np.array(rows, np.float64).reshape(-1, len(ids)).T)
        if np.logical_and.reduce([~np.isnan(column) for column in columns]).any():
            found[f"{name} (people)"] = [mean_of(f"{name} (people)", f"people|{name}", column) for column in columns]
    picked = sum(p in set(scores.picked) for column in ids for p in column)
    if picked:
        notes.append(
            f"people: {picked:,} judged outputs were found by queues that look at outputs, and count in no comparison"
        )
    return found
