"""A small workspace whose rows pass all stages, and a build that applies its patches, for the tests of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from curation.gather import gather
from curation.ingest import IngestOptions
from curation.ledger import Outcome, stored_tables
from curation.patches import Patched, PatchPlan, apply_patches, load_patches, with_added, with_rows
from curation.preferences import with_preferences
from curation.progress import Silent
from curation.reading.sources import SourceSpec, expand
from curation.recipe import Recipe
from curation.splits import split
from curation.stages.exact import exact
from curation.stages.near import near
from curation.stages.normalise import normalise
from curation.stages.turns import turns
from curation.version_id import version_id

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


def patched_build(root: Path) -> tuple[dict[str, Any], Patched, str]:
    """(stored tables, what the patches did, version id), the stages in the order of a build."""
    recipe = Recipe(sources=(SourceSpec("raw"),))
    sources = expand(recipe.sources, root)
    gathered = gather(sources, IngestOptions(root=root), 1, Silent())
    entries = load_patches(root)
    names = [source.name for source in sources]
    gathered, more = with_added(gathered, entries, root)
    patched = apply_patches(gathered.rows, PatchPlan(entries, [*names, *(s.name for s in more)], gathered.units))
    gathered = replace(gathered, rows=with_rows(gathered.rows, patched.changed))
    dropped = [("read", gathered.dropped), ("patches", patched.verdict.dropped)]
    flagged = [("patches", patched.verdict.flagged)]
    judged = turns(patched.verdict.kept, recipe.turns)
    final = normalise(judged.kept, recipe.normalise).kept
    rows = with_preferences(final, [*sources, *more], None)
    once = exact(rows, recipe.exact)
    apart = near(once.kept, recipe.near)
    splits = split(apart.kept, recipe.split)
    dropped += [("turns", judged.dropped), ("exact", once.dropped), ("near", apart.dropped), ("split", splits.dropped)]
    stored = stored_tables(Outcome(gathered, final, dropped, flagged, splits.table, splits.edges))
    return stored, patched, version_id(stored["members"], recipe.resolved())
