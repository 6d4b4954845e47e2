"""Why a row was added, removed, or moved, as far as the two versions' ledgers can tell."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.diffing.sides import Ints, Joined, Side, looked_up, numbers

_EVIDENCE: Final = ("stage", "reason", "value", "matched_row_id", "detail")
# Why something changed, in the words of the report.
DROPPED: Final = "dropped"  # the unit is there, and a stage took it out
NOT_THERE: Final = "no longer in the source"
SOURCE_GONE: Final = "source gone"
WAS_DROPPED: Final = "was dropped"  # the unit was there before, and a stage took it out then
NEW_ROW: Final = "new in the source"
NEW_SOURCE: Final = "new source"
BY_PATCH: Final = "patch"


def removed(old: Side, new: Side, gone: Ints) -> Any:
    """why, stage, reason, value, matched_row_id, detail of each old member that is a member no more."""
    ids = old.members["row_id"].take(pa.array(gone))
    evidence = looked_up(new.lost, ids, _EVIDENCE)
    source = looked_up(old.kept, ids, ["source"])["source"]
    there = pc.is_in(source, value_set=new.sources)
    why = pc.if_else(pc.is_valid(evidence["stage"]), DROPPED, pc.if_else(there, NOT_THERE, SOURCE_GONE))
    return _with_patches(evidence, why)


def added(old: Side, new: Side, come: Ints) -> Any:
    """The same for each new member that was none before."""
    ids = new.members["row_id"].take(pa.array(come))
    evidence = looked_up(old.lost, ids, _EVIDENCE)
    source = looked_up(new.kept, ids, ["source"])["source"]
    there = pc.is_in(source, value_set=old.sources)
    why = pc.if_else(pc.is_valid(evidence["stage"]), WAS_DROPPED, pc.if_else(there, NEW_ROW, NEW_SOURCE))
    patched = patch_notes(new, ids)
    note = pc.if_else(pc.is_valid(evidence["stage"]), None, patched)
    why = pc.if_else(pc.is_valid(note), BY_PATCH, why)
    return _set(_with_patches(evidence, why), "detail", pc.coalesce(note, evidence["detail"]))


def edited(new: Side, at: Ints, by: str | list[str]) -> Any:
    """The same for edited rows; `by` says how it is known that they are."""
    notes = patch_notes(new, new.members["row_id"].take(pa.array(at)))
    why = pa.array([by] * len(at) if isinstance(by, str) else by, pa.string())
    return _plain(why, pa.nulls(len(at), pa.binary(16)), notes)


def patch_notes(side: Side, row_ids: Any) -> Any:
    """`p-014 by ana: reason` for rows that a patch of this version made or changed; else null."""
    flags = side.store.table(side.version, "flags", ["row_id", "reason", "detail"])
    made = flags.filter(pc.starts_with(flags["reason"], "patch_"))
    return looked_up(made, row_ids, ["detail"])["detail"]


def moved(old: Side, new: Side, rows: Joined, at: Ints) -> Any:
    """The same for rows whose split changed; `at` are places in rows.common_new."""
    ids = new.members["row_id"].take(pa.array(rows.common_new[at]))
    tied = _tied_to(old, new, rows, at)
    fixed = _fixed(new, ids)
    why = pc.if_else(
        fixed, "split given by the recipe", pc.if_else(pc.is_valid(tied), "clusters merged", _general(old, new))
    )
    return _plain(why, tied, pa.nulls(len(at), pa.string()))


def _plain(why: Any, matched: Any, detail: Any) -> Any:
    """Reasons that no stage gave."""
    nothing = pa.nulls(len(detail), pa.string())
    numbers = pa.nulls(len(detail), pa.float64())
    columns = {"why": _text(why), "stage": nothing, "reason": nothing, "value": numbers}
    return pa.table({**columns, "matched_row_id": matched, "detail": detail})


def _general(old: Side, new: Side) -> str:
    """Why rows move that nothing in particular moved."""
    fold = new.version.stats.get("fold") or old.version.stats.get("fold")
    if fold:
        return "fold"
    if old.version.recipe.get("split") != new.version.recipe.get("split"):
        return "split settings changed"
    line = {version.id for version in new.store.lineage(new.version)}
    return "given by a row's past" if old.version.id in line else "another lineage"


def _tied_to(old: Side, new: Side, rows: Joined, at: Ints) -> Any:
    """For each moved row one of its cluster that was in its new split before; null where there is none."""
    cluster = numbers(new.members["cluster"])[rows.common_new]
    before, after = _split(old)[rows.common_old], _split(new)[rows.common_new]
    stayed = np.flatnonzero(before == after)
    there = np.full(int(cluster.max(initial=-1)) + 1, -1)
    there[cluster[stayed][::-1]] = stayed[::-1]
    anchor = there[cluster[at]]
    tied = new.members["row_id"].combine_chunks().take(pa.array(np.where(anchor >= 0, rows.common_new[anchor], 0)))
    return pc.if_else(pc.greater_equal(pa.array(anchor), 0), tied, None)


def _fixed(new: Side, row_ids: Any) -> Any:
    """Whether the recipe names the split of the row's source."""
    specs = new.version.recipe.get("sources", [])
    if not any(spec.get("split") for spec in specs):
        return pa.array([False] * len(row_ids), pa.bool_())
    from curation.rerun import source_item  # brings the compiled stages along

    named = [
        name
        for name in new.sources.to_pylist()
        if (i := source_item(name, specs)) is not None and specs[i].get("split")
    ]
    return pc.is_in(looked_up(new.kept, row_ids, ["source"])["source"], value_set=pa.array(named, pa.string()))


def _split(side: Side) -> Any:
    return numbers(pc.index_in(side.members["split"], value_set=pa.array(["train", "validation", "test"])))


def _with_patches(evidence: Any, why: Any) -> Any:
    """A patch that drops a row is a stage like the others, except that a person decided."""
    by_patch = pc.fill_null(pc.equal(evidence["reason"], "patch_drop"), False)
    return evidence.add_column(0, "why", _text(pc.if_else(by_patch, BY_PATCH, why)))


def _text(column: Any) -> Any:
    return column.cast(pa.string())


def _set(table: Any, name: str, column: Any) -> Any:
    return table.set_column(table.schema.get_field_index(name), name, column)
