"""What people said of outputs, right or wrong, kept beside an evaluation so that its numbers can be computed again."""

from __future__ import annotations

from pathlib import Path

import orjson

from curation.runs import RunPlace
from curation.store.files import disk_errors, replace_file
from eval.folder import VERDICTS_FILE, EvalFolder
from eval.review.scores import scores_of
from eval.taxonomy import VERDICT


def take_verdicts(folder: EvalFolder, place: RunPlace, root: Path) -> int:
    """Keep what holds now of people's verdicts on the evaluation's outputs; gives how many were judged.

    Of several people the mean, or what was decided; outputs that a queue put forward for what they are do not count.
    """
    said = scores_of(place, root).values.get(VERDICT, {})
    ids = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()
    found = {prediction: said[prediction] for prediction in sorted(set(ids)) if prediction in said}
    path = folder.path / VERDICTS_FILE
    if found or path.is_file():
        with disk_errors(path, "the verdicts were not kept"):
            replace_file(path, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return len(found)
