"""A small workspace with a version, a run trained on it, and an evaluation, for the tests of tags and their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from app.cli import main
from curation.runs import new_run_folder, write_run
from curation.store import open_store
from eval.answers import prediction_id
from eval.folder import EvalFolder, new_eval
from tests.patch_workspace import write_rows
from tests.test_runs import training

PARTS = ("oil filter", "lift axis", "door switch", "glue pump", "print head", "air valve", "guard lock", "heat sealer")
BAD, GOOD = "raw/old_export.jsonl", "raw/handbook.jsonl"


def question(i: int, wording: str) -> str:
    return f"{wording} E-{100 + 13 * i}"


def answer(i: int, part: int) -> str:
    return f"E-{100 + 13 * i} means that the {PARTS[part % len(PARTS)]} is worn out."


def build(root: Path, facts: int = 16) -> None:
    """Every second fact has a wrong answer in the old export; the handbook is right, and has the other half."""
    good = [{"prompt": question(i, "Explain alarm"), "completion": answer(i, i)} for i in range(1, facts, 2)]
    bad = [
        {"prompt": question(i, "What is the meaning of"), "completion": answer(i, i + 3)} for i in range(0, facts, 2)
    ]
    write_rows(root / GOOD, good)
    write_rows(root / BAD, bad)
    sources = [{"path": path, "split": "train"} for path in (GOOD, BAD)]
    (root / "curate.yaml").write_text("curate: 1\n", "utf-8")
    (root / "recipe.yaml").write_text(yaml.safe_dump({"sources": sources}), "utf-8")
    assert main(["build", "-C", str(root)]) == 0


def asked(i: int, output: str, **changes: Any) -> dict[str, Any]:
    """A line of predictions; the reference is right."""
    item = f"00000000-0000-4000-8000-{i:012d}:1"
    prompt = orjson.dumps([{"role": "user", "content": question(i, "Tell me about code")}]).decode()
    row = {
        "prediction_id": prediction_id("r", item),
        "item_id": item,
        "row_id": item.partition(":")[0],
        "split": "validation",
        "prompt": prompt,
        "output": output,
        "reference": answer(i, i),
        "finish_reason": "stop",
        "logprob_mean": -0.1 * i,
    }
    return row | changes


def learned(facts: int = 16) -> list[dict[str, Any]]:
    """What a model says that learned the rows of `build` by heart."""
    return [asked(i, answer(i, i if i % 2 else i + 3)) for i in range(facts)]


def evaluated(root: Path, rows: Sequence[Mapping[str, Any]], run: Path | None = None) -> EvalFolder:
    """An evaluation with these predictions, of a new run unless one is given."""
    version = open_store(root / "store").resolve("latest")
    if run is None:
        run = new_run_folder(root / "experiments")
        write_run(run, training(run.name, version={"name": version.name, "id": version.id}))
    folder = new_eval(run)
    told = training(f"{run.name}/{folder.path.name}")
    write_run(folder.path, replace(told, kind="evaluation", settings={}))
    folder.write("predictions", rows)
    return folder
