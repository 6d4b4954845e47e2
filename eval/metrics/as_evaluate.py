"""Our metrics as evaluate.Metric objects, so that evaluate.combine works on them, offline and without files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curation.errors import ConfigError
from eval.metrics import measure
from eval.metrics.metric import Items


def as_evaluate(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """An evaluate.Metric that computes {name: corpus value}, for metrics of outputs and references (text) alone.

    References are one text an item or a list of texts. ConfigError if evaluate is not installed.
    """
    try:
        import datasets
        import evaluate
    except ImportError:
        raise ConfigError('evaluate is not installed; run: pip install "curate[eval]"') from None
    text = datasets.Value("string")

    class CurateMetric(evaluate.Metric):  # type: ignore[misc, unused-ignore]  # evaluate ships no types
        def _info(self) -> Any:
            return evaluate.MetricInfo(
                description=f"{name} as Curate computes it",
                citation="",
                features=[
                    datasets.Features({"predictions": text, "references": text}),
                    datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                ],
            )

        def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, float]:
            lists = [[given] if isinstance(given, str) else given for given in references]
            return {name: measure(name, Items(predictions, references=lists), {**(options or {}), **kwargs}).value}

    made = CurateMetric(keep_in_memory=True, experiment_id=name)
    made.module_name = name
    return made
