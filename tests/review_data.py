"""Small evaluations on disk, to review, tag, draw and report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from curation.runs import Run, new_run_folder, utc_now, write_run
from eval.folder import EvalFolder, new_eval
from eval.suite import Suite

Output = Callable[[int], str]


def evaluation(
    experiments: Path,
    output: Output = lambda i: f"answer {i}",
    *,
    items: int = 30,
    split: str = "validation",
    metrics: Mapping[str, Sequence[float]] | None = None,
) -> EvalFolder:
    """A finished evaluation of a run of its own: item i asks "question i", and the reference is "answer i"."""
    folder = new_run_folder(experiments)
    base = {"name": "tiny"}
    template = {"name": "plain", "sha256": "0" * 64}
    version = {"name": "v1", "id": "12345678", "rows": {"train": 10}}
    run = Run(
        folder.name,
        "training",
        "done",
        utc_now(),
        base,
        template=template,
        version=version,
        config={},
        metrics={"train_loss": 1.5},
    )
    write_run(folder, run)
    found = new_eval(folder)
    write_run(
        found.path,
        Run(found.name, "evaluation", "done", utc_now(), base, version=version, settings={"suite": "default"}),
    )
    found.write_suite(Suite())
    rows = [
        {
            "prediction_id": hashlib.sha256(f"{folder.name} {i} {output(i)}".encode()).hexdigest()[:16],
            "item_id": f"row{i}:1",
            "row_id": f"row{i}",
            "turn": 1,
            "cluster": i,
            "split": split,
            "sample": 0,
            "prompt": json.dumps([{"role": "user", "content": f"question {i}"}]),
            "output": output(i),
            "reference": f"answer {i}",
            "finish_reason": "stop",
            "detail": "",
            "output_tokens": 3,
            "logprob_mean": -(i % 7) / 5,
            "logprob_min": -2.0,
            "logprob_first": -0.5,
            "seconds": 0.1,
        }
        for i in range(items)
    ]
    found.write("predictions", rows)
    measured = dict(metrics or {"exact_match": [float(output(i) == f"answer {i}") for i in range(items)]})
    found.write(
        "item_metrics",
        [
            {"item_id": f"row{i}:1", "metric": name, "value": value, "stats": [value, 1.0]}
            for name, values in measured.items()
            for i, value in enumerate(values)
        ],
    )
    found.write(
        "metrics",
        [
            {
                "split": split,
                "slice": "all",
                "metric": name,
                "value": sum(values) / len(values),
                "ci_low": 0.1,
                "ci_high": 0.9,
                "n": len(values),
                "signature": "test",
            }
            for name, values in measured.items()
        ],
    )
    return found
