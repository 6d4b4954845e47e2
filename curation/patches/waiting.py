"""Which version applied a patch first, and rows that a patch changes which no version holds yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from curation.errors import ConfigError
from curation.patches.files import load_patches
from curation.patches.propose import Target
from curation.store import open_store
from curation.workspace import Workspace


def first_applied(here: Workspace) -> dict[str, str]:
    """Patch -> the first version that applied it."""
    if not here.has_store:
        return {}
    first: dict[str, str] = {}
    for version in open_store(here.store_path).versions():
        for patch in version.stats.get("patches", ()):
            first.setdefault(patch["id"], version.name)
    return first


def refuse_changed(root: Path, targets: Sequence[Target], applied: Mapping[str, str]) -> None:
    """ConfigError for a row that the next build would not find: dropped by a patch, or changed by one not built yet."""
    entries = [entry for entry in load_patches(root) if entry.op != "add"]
    _refuse_dropped(
        targets, {entry.row_id: entry.id for entry in entries if entry.op == "drop" and entry.id in applied}
    )
    waiting = [entry for entry in entries if entry.id not in applied]
    changed = {entry.row_id: entry.id for entry in waiting}
    first = next((target for target in targets if target.row_id in changed), None)
    if first is not None:
        patch = changed[first.row_id]
        what = f"row {first.place} is changed by {patch} already, which is not built yet"
        raise ConfigError(f"add: {what}; run curate build first, or take that back: curate patch drop {patch}")


def _refuse_dropped(targets: Sequence[Target], dropped: Mapping[bytes, str]) -> None:
    first = next((target for target in targets if target.row_id in dropped), None)
    if first is not None:
        patch = dropped[first.row_id]
        what = f"row {first.place} was dropped by {patch}, so there is nothing to change"
        raise ConfigError(f"add: {what}; to have it again: curate patch drop {patch}")
