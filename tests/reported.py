"""A workspace with all that a report tells of: two versions, seeds, a base, answers, benchmarks, tags, curves."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import Draw, Tag, add_tags, new_id
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.measuring import Trust
from eval.recompute import write_numbers
from tests.compared import Answer, base_of, build, built, right_at, row, run_of, sit
from tests.lineage_workspace import write

RATIOS = {"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}}
SUITE: dict[str, Any] = {
    "split": "validation",
    "metrics": ["token_f1", "exact_match", "perplexity", "bits_per_char"],
    "primary": {"metric": "token_f1", "margin": 0.05},
    "benchmarks": [{"name": "arc-easy"}],
    "slices": ["topic"],
}


def reported(root: Path, rows: int = 300, seeds: int = 2) -> Workspace:
    """v1, and v2 with rows added; a base, `seeds` runs of each version, every one evaluated on its own version."""
    made = built(root, rows, split=RATIOS)
    base = base_of(made)
    first = [run_of(made, seed=seed) for seed in range(1, seeds + 1)]
    write(made.root, [row(number) for number in range(5, rows + 60)])
    build(made)
    second = [run_of(made, seed=seed) for seed in range(1, seeds + 1)]
    evaluated(made, base, right_at(0.25, "base"), arc(0.50, 0))
    for number, folder in enumerate(first):
        evaluated(made, folder, right_at(0.5, f"one {number}"), arc(0.49, number + 1))
    for number, folder in enumerate(second):
        evaluated(made, folder, right_at(0.7, f"two {number}"), arc(0.49, number + 1))
        tagged(made, folder)
    for number, folder in enumerate([*first, *second]):
        curves(made, folder, number)
    return made


def evaluated(made: Workspace, folder: Path, answer: Answer, questions: list[float]) -> EvalFolder:
    found = sit(made, folder, answer, suite=SUITE, arc=questions)
    told = found.predictions().to_pylist()
    found.write("predictions", [{**line, **_sure(line)} for line in told])
    write_numbers(found, found.suite, Trust())
    return found


def _sure(line: dict[str, Any]) -> dict[str, Any]:
    """More sure where right, as a real model is, but not always."""
    draw = int.from_bytes(hashlib.sha256(line["prediction_id"].encode()).digest()[:4]) / 2**32
    right = line["output"] == line["reference"]
    return {"logprob_mean": -0.05 - draw * (0.6 if right else 1.4), "reference_nll": 2.0 + 4 * draw}


def arc(share: float, name: int, n: int = 400) -> list[float]:
    rng = np.random.default_rng(7)
    ease = 0.95 * rng.random(n) + 0.05 * np.random.default_rng(name).random(n)
    return [float(value < share) for value in ease]


def curves(made: Workspace, folder: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    with open_journal(run_place(made).journal) as book:
        for step in range(5, 105, 5):
            loss = 0.6 + 2.2 * np.exp(-step / 30) + 0.03 * rng.standard_normal()
            book.metric(folder.name, step, {"train_loss": loss})
            if step % 25 == 0:
                book.metric(folder.name, step, {"validation_loss": loss + 0.1})


def tagged(made: Workspace, folder: Path) -> None:
    """Two people look at random draws, and one rule at everything."""
    found = EvalFolder.open(folder / "eval-1").predictions(["prediction_id", "output", "reference"]).to_pylist()
    given, drawn = [], []
    for place, line in enumerate(found):
        wrong, prediction = line["output"] != line["reference"], line["prediction_id"]
        if wrong:
            told = Tag(
                new_id(), prediction, folder.name, "low overlap", author="rules", kind="rule", rule="low overlap/1"
            )
            given.append(told)
        if place % 4:
            continue
        for author in ("ana", "bo"):
            missed = author == "bo" and place % 12 == 0
            tag = "hallucination" if wrong and not missed else "OK"
            given.append(Tag(new_id(), prediction, folder.name, tag, taxonomy="1", author=author))
            drawn.append(Draw(prediction, folder.name, author, "random", 0.25))
    with open_journal(run_place(made).journal) as book:
        add_tags(book, given, drawn)
