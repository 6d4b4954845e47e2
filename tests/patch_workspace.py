"""A small workspace whose rows pass all stages, and a build that applies its patches, for the tests of patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from curation.flow import BuildOptions, run_stages
from curation.progress import Silent
from curation.reading.sources import SourceSpec
from curation.recipe import Recipe
from curation.version_id import version_id
from curation.workspace import Workspace

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "orange", "violet", "brown", "grey", "pink", "gold")


def row(i: int) -> dict[str, Any]:
    """Rows that are near-duplicates of no other."""
    colour = COLOURS[i % len(COLOURS)]
    question = f"{colour} {' '.join(COLOURS[i % 7 : i % 7 + 3])} number {i * 7919}?"
    return {"prompt": question, "completion": f"{i * 104729} {colour} {i * 31}", "topic": colour, "n": i}


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")


def write_workspace(root: Path, count: int = 12) -> None:
    write_rows(root / "raw" / "a.jsonl", [row(i) for i in range(count)])
    write_rows(root / "raw" / "old_export.jsonl", [row(i) for i in range(count, count + 6)])


def patched_build(root: Path) -> tuple[dict[str, Any], Any, str]:
    """(stored tables, patches applied as tables.STORED["patches"], version id) of a build that publishes nothing."""
    recipe = Recipe(sources=(SourceSpec("raw"),))
    workspace = Workspace(root, root / "recipe.yaml")
    stored = run_stages(workspace, recipe, BuildOptions(), Silent()).stored
    return stored, stored["patches"], version_id(stored["members"], recipe.resolved())
