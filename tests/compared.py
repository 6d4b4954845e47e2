"""A workspace with versions, and runs whose evaluations say what a test wants them to say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.cli import main
from curation.runs import Run, new_run_folder, read_run, write_run
from curation.source import open_source
from curation.workspace import Workspace
from eval.answers import prediction
from eval.exam import open_exam
from eval.folder import EvalFolder, new_eval
from eval.items import Item
from eval.suite import Suite, suite_of
from tests.lineage_workspace import store_of, workspace
from tests.test_runs import training
from train.config import training_config

SUITE: Mapping[str, Any] = {
    "split": "validation",
    "metrics": ["token_f1", "exact_match", "perplexity"],
    "primary": {"metric": "token_f1", "margin": 0.05},
    "benchmarks": [{"name": "arc-easy"}],
}
_LETTERS = list("abcdefghijklmnopqrstuvwxyz")
Answer = Callable[[Item], str | None]


def words(number: int, count: int, what: str) -> str:
    rng = np.random.default_rng([number, count, *what.encode()])
    return " ".join("".join(rng.choice(_LETTERS, 7)) for _ in range(count))


def row(number: int, **changes: Any) -> dict[str, Any]:
    """Unlike any row of another number."""
    asked, said = words(number, 6, "question"), words(number, 4, "answer")
    told = {"id": number, "topic": "ab"[number % 2], "prompt": f"{asked}?", "completion": f"{said}."}
    return {**told, **changes}


def built(root: Path, rows: int = 300, **recipe: Any) -> Workspace:
    made = workspace(root, [row(number) for number in range(rows)], **recipe)
    build(made)
    return made


def build(made: Workspace) -> None:
    assert main(["build", "-C", str(made.root)]) == 0


def run_of(made: Workspace, version: str = "latest", seed: int = 1, **settings: Any) -> Path:
    """A run on a version, as a training leaves it."""
    folder = new_run_folder(made.root / "experiments")
    found = store_of(made).resolve(version)
    config = training_config({"base_model": "models/tiny", "seed": seed, **settings}).as_json()
    told = {"name": found.name, "id": found.id, "source": "store", "rows": {"train": 9, "validation": 3}}
    write_run(folder, training(folder.name, version=told, config=config, seeds=(seed,)))
    return folder


def base_of(made: Workspace, quantization: str = "nf4") -> Path:
    folder = new_run_folder(made.root / "experiments")
    config = {"quantization": quantization}
    run = training(folder.name, kind="base", version=None, config=config, seeds=(), metrics={})
    write_run(folder, replace(run, checkpoints=(), config_sha256=None))
    return folder


def sit(
    made: Workspace,
    folder: Path,
    answer: Answer,
    *,
    version: str = "latest",
    suite: Mapping[str, Any] = SUITE,
    arc: Sequence[float] | None = None,
    nll: float = 4.0,
    limit: int | None = None,
) -> EvalFolder:
    """An evaluation in the run's folder, its answers given by `answer`; arc: right (1) or wrong (0), a question."""
    chosen = suite_of(dict(suite), "small")
    opened = open_exam(chosen, open_source(chosen.pinned or version, made), made.root, limit)
    found = new_eval(folder)
    rows = [item.as_row() for item in opened.read()]
    answers = {item.item_id: answer(item) for item in opened.read()}
    asked = {name: _asked(text) for name, text in answers.items()}
    found.write("items", rows)
    likely = {"nll": nll, "tokens": 4}
    found.write("predictions", [prediction(line, folder.name, asked[line["item_id"]], likely) for line in rows])
    if arc is not None:
        found.write("benchmarks", [_question(number, right) for number, right in enumerate(arc)])
    found.write_suite(chosen)
    write_run(found.path, _evaluation(found, chosen, opened.exam.as_json(), arc, limit is not None))
    return found


def right_at(share: float, name: str, better_on: Sequence[str] = ()) -> Answer:
    """Right on about this share of the items; an item is as hard for one model as for another, but for some noise."""

    def answer(item: Item) -> str:
        assert item.reference is not None
        ease = 0.9 * _draw(item.item_id) + 0.1 * _draw(item.item_id + name)
        right = ease < share or item.item_id in better_on
        return item.reference if right else "nobody knows this"

    return answer


def _draw(text: str) -> float:
    """0 to 1, and not by the hash that a limited exam draws its items with."""
    return int.from_bytes(hashlib.sha256(f"ease of {text}".encode()).digest()[:6]) / 2**48


def _asked(text: str | None) -> dict[str, Any]:
    if text is None:
        return {"text": None, "finish_reason": "missing", "detail": "the endpoint timed out"}
    return {"text": text, "finish_reason": "stop", "tokens": 3, "logprob_mean": -0.5}


def _question(number: int, right: float) -> dict[str, Any]:
    line = {"benchmark": "arc-easy", "regime": "separate", "item_id": f"q{number}", "gold": 0, "clean": True}
    return {**line, "logliks": [-1.0, -2.0, -3.0, -4.0], "lengths": [5, 5, 5, 5], "acc": right, "acc_norm": right}


def _evaluation(
    found: EvalFolder, suite: Suite, exam: Mapping[str, Any], arc: Sequence[float] | None, partial: bool
) -> Run:
    of = read_run(found.of)
    sat = {"benchmark": "arc-easy", "sha256": "cd" * 32, "signature": "separate, 0-shot, plain", "items": 4, "whole": 4}
    settings = {
        "suite": suite.name,
        "exam": dict(exam),
        "generation": suite.generation.as_json(),
        "benchmarks": [sat] if arc is not None else [],
        "partial": partial,
    }
    told = replace(of, name=found.name, kind="evaluation", checkpoints=(), settings=settings)
    return replace(told, metrics={}, selected_step=None, merge=None)
