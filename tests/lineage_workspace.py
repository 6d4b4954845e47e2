"""Small workspaces whose rows the tests edit between builds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from curation.store import Store, open_store
from curation.workspace import Workspace, open_workspace

SUBJECTS = ("printer", "badge", "router", "invoice", "laptop", "calendar", "backup", "scanner", "archive", "projector")
PLACES = ("Bern", "Oslo", "Turin", "Lyon", "Graz", "Cork")


def line(number: int, **changes: Any) -> dict[str, Any]:
    """A row unlike any other row of another number."""
    subject, place = SUBJECTS[number % len(SUBJECTS)], PLACES[number // len(SUBJECTS) % len(PLACES)]
    word = "".join(chr(97 + (number * 7 + k * k * 3 + number * k) % 26) for k in range(12))
    prompt = f"Where do I find the {subject} {word} in {place}?"
    return {"id": number, "prompt": prompt, "completion": f"Ask {word} at the desk of {place}.", **changes}


def workspace(root: Path, rows: Sequence[dict[str, Any]], **recipe: Any) -> Workspace:
    """A workspace that reads `rows` from raw/rows.jsonl; settings are added to the recipe."""
    (root / "raw").mkdir(parents=True)
    (root / "curate.yaml").write_text("curate: 1\n", "utf-8")
    settings = {
        "sources": [{"path": "raw"}],
        "id_field": "id",
        "split": {"ratios": {"train": 0.6, "validation": 0.2, "test": 0.2}},
        **recipe,
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    write(root, rows)
    return open_workspace(root)


def write(root: Path, rows: Sequence[dict[str, Any]], name: str = "rows.jsonl") -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / "raw" / name).write_text(text, "utf-8")


def splits_by_id(store: Store, version: str) -> dict[Any, str]:
    """The user's id of each row -> its split."""
    members = store.table(version, "members")
    split = dict(zip(members["row_id"].to_pylist(), members["split"].to_pylist(), strict=True))
    rows = store.table(version, "rows").to_pylist()
    return {json.loads(row["record"])["meta"]["id"]: split[row["row_id"]] for row in rows if row["row_id"] in split}


def store_of(made: Workspace) -> Store:
    return open_store(made.store_path)
