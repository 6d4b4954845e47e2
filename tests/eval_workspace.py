"""A built workspace of three splits with a small run in it, for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from curation.runs import RunPlace, read_run, run_place, write_run
from curation.workspace import Workspace, open_workspace
from eval.prepare import Where

_THINGS = ("pump", "crane", "oven", "press", "drill", "mill", "saw", "fan", "belt", "valve", "motor", "lamp")
_PLACES = ("hall", "yard", "cellar", "office", "garage", "kitchen", "attic")
SUITE = (
    "metrics: [exact_match, chrf, perplexity, bits_per_char]\nbenchmarks: []\n"
    "generation: {max_new_tokens: 6, batch_size: 4}\nslices: [topic]\n"
)
_RECIPE = """\
sources:
  - {path: raw/train.jsonl, split: train}
  - {path: raw/validation.jsonl, split: validation}
  - {path: raw/test.jsonl, split: test}
"""


def row(i: int) -> dict[str, Any]:
    thing, place = _THINGS[i % 12], _PLACES[i % 7]
    question = f"Number {i * 7919}: {thing} {place} {_THINGS[(i * 5 + 1) % 12]} {_PLACES[(i * 3 + 2) % 7]}, which key?"
    return {"prompt": question, "completion": f"Key {i * 104729 % 9973} opens it.", "topic": thing}


def eval_workspace(root: Path, *, counts: Sequence[int] = (12, 14, 5), more: str = "", **settings: Any) -> Path:
    """The workspace, built, suites/small.yaml in it; `more` ends the recipe. Needs no torch."""
    from curation.library import build

    start = 0
    for split, count in zip(("train", "validation", "test"), counts, strict=True):
        write_jsonl(root / "raw" / f"{split}.jsonl", [row(i) for i in range(start, start + count)])
        start += count
    (root / "curate.yaml").write_text("curate: 1\n")
    (root / "recipe.yaml").write_text(_RECIPE + more)
    (root / "suites").mkdir()
    (root / "suites" / "small.yaml").write_text(SUITE)
    build(root)
    return root


def with_run(root: Path, **settings: Any) -> Path:
    """A small run on the workspace's latest version; needs torch."""
    from curation.store import open_store
    from tests.small_run import small_run

    folder = small_run(root, **settings)
    version = open_store(root / "store").resolve("latest")
    write_run(folder, replace(read_run(folder), version={"name": version.name, "id": version.id, "source": "store"}))
    return folder


def where(root: Path) -> Where:
    workspace: Workspace = open_workspace(root)
    place: RunPlace = run_place(workspace)
    return Where(workspace, place, root)


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def question(number: int, stem: str, *choices: str, right: int = 0) -> dict[str, Any]:
    """A benchmark item in ARC's layout."""
    labels = "ABCDE"
    told = [{"text": text, "label": labels[at]} for at, text in enumerate(choices)]
    return {"id": f"q{number}", "question": {"stem": stem, "choices": told}, "answerKey": labels[right]}
