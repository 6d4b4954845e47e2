"""Rules on outputs that share next to nothing with their reference, and on those that were wrong and sure."""

from __future__ import annotations

import re
from typing import Final

from eval.tags.contradiction import contradicts_reference
from eval.tags.finding import Finding, Prediction, content, stems, whole
from eval.tags.support import OPEN

_LEAST: Final = 0.1  # share of the reference's key words
_FEWEST: Final = 2  # key words of a reference that says what must be said
_MOST: Final = 40  # more, and it is a text that may be written in many ways
_QUESTION: Final = re.compile(r"\b(?:who|what|when|where|which|how|why|wer|was|wann|wo|cine|ce|când|unde|care)\b", re.I)
_SURE: Final = 0.75  # more sure than three quarters of the run's outputs


def low_overlap(prediction: Prediction) -> Finding | None:
    """Hardly a key word of the reference is in the output."""
    if not prediction.words or prediction.reference is None or not _QUESTION.search(prediction.asked):
        return None
    if OPEN.search(prediction.asked):
        return None
    wanted, given = stems(content(prediction.reference_words)), stems(content(prediction.words))
    if not _FEWEST <= len(wanted) <= _MOST or len(wanted & given) > _LEAST * len(wanted):
        return None
    return Finding("low overlap", whole(prediction), 0.97, f"{len(wanted & given)} of {len(wanted)} key words")


def confident_and_wrong(prediction: Prediction) -> Finding | None:
    """Contradicts the reference though the model was surer of it than of most of its outputs."""
    if prediction.rank is None or prediction.rank < _SURE:
        return None
    wrong = contradicts_reference(prediction)
    if wrong is None:
        return None
    detail = f"surer than of {prediction.rank:.0%} of its outputs; {wrong.detail}"
    return Finding("confident and wrong", wrong.span, wrong.confidence, detail)
