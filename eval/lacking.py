"""What a model did not give: outputs, likelihoods of references and of labels, counted with the first reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from eval.folder import EvalFolder

_READ: Final = ["output", "reference_nll", "label_logliks", "detail"]
_WHAT: Final = ("items have no output", "references have no likelihood", "items have no likelihoods of their labels")


def lacking(folder: EvalFolder) -> list[str]:
    """A line for each that is lacking. Of likelihoods only where a reason is known: recorded outputs and endpoints
    have none by nature."""
    whole, count, why = 0, [0, 0, 0], ["", "", ""]
    of_labels = bool(folder.suite.labels)
    for batch in folder.batches("predictions", _READ):
        whole += batch.num_rows
        for line in batch.to_pylist():
            for at in _lacks(line, of_labels):
                count[at] += 1
                why[at] = why[at] or line["detail"] or ""
    told = zip(count, _WHAT, why, strict=True)
    return [f"{lost:,} of {whole:,} {what}{f': {reason}' * bool(reason)}" for lost, what, reason in told if lost]


def _lacks(line: dict[str, Any], of_labels: bool) -> Iterator[int]:
    """Places in _WHAT. Without an output nothing else is counted: its reason is all that is known of the item."""
    if line["output"] is None:
        yield 0
    elif line["detail"]:
        if line["reference_nll"] is None:
            yield 1
        if of_labels and line.get("label_logliks") is None:
            yield 2
