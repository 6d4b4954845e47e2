"""Rows that were in the parent version are in the split they were in, unless the version says that they moved."""

from __future__ import annotations

from collections import defaultdict

from curation.verification.check import Found
from curation.verification.stored import Stored, named


def sticky_splits(stored: Stored) -> Found:
    """Nothing is promised to folds, to a first version, and where the split settings changed."""
    version, split = stored.version, stored.version.recipe.get("split")
    parent = next((v for v in stored.store.versions() if v.id == version.parent), None)
    if parent is None or version.is_fold:
        return Found([], "a fold draws its own splits" if version.is_fold else "no parent in the store to compare with")
    if parent.recipe.get("split") != split:
        return Found([], f"other split settings than {parent.name}, so splits were drawn anew")
    moved = {(row["row_id"], row["before"], row["after"]) for row in version.stats["split"]["moved"]}
    before, now = _splits(Stored(stored.store, parent)), _splits(stored)
    places = stored.places()
    problems = []
    shared = sorted(before.keys() & now.keys())
    for row_id in shared:
        if len(before[row_id]) > 1 or before[row_id] == now[row_id]:
            continue
        (was,) = before[row_id]
        here = min(now[row_id] - {was})
        if (row_id.hex(), was, here) not in moved:
            place = places.get(row_id, named(row_id))
            problems.append(f"{place}: in {here}, but in {was} in {parent.name}, and not listed as moved")
    said = f"{len(shared):,} rows of {parent.name} are in the split they were in there"
    return Found(problems, said + (f", or listed as moved ({len(moved):,})" if moved else ""))


def _splits(stored: Stored) -> dict[bytes, set[str]]:
    members = stored.columns("members")
    found: defaultdict[bytes, set[str]] = defaultdict(set)
    for row_id, split in zip(members["row_id"], members["split"], strict=True):
        found[row_id].add(split)
    return dict(found)
