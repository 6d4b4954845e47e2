"""What rows inherit from earlier versions: the split of the row they were, by row_id, patch, or the user's id."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import DataError, StoreError
from curation.meta_fields import field_in, meta_of
from curation.records import canonical
from curation.splits.config import SPLITS

if TYPE_CHECKING:
    from curation.store import Store, VersionInfo

Link = tuple[bytes, bytes]  # row_id before and after a patch
_DUPLICATES: Final = ("exact", "near")  # stages that drop a row for one it repeats


@dataclass(frozen=True, slots=True)
class Inherited:
    """The `parent` of splits.split: row_id -> the split it was in. It may name rows that are no longer there."""

    splits: dict[bytes, str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Edit:
    """A row of a child that is an edited row of its parent."""

    row_id: bytes
    before: bytes  # its row_id in the parent
    by: str  # patch | id


@dataclass(frozen=True, slots=True)
class Edits:
    found: list[Edit]
    repeated: int  # id values that several rows bear, so that nobody can say which row is which


class Inherit(Protocol):
    """`rows` as tables.ROWS; `links` are this build's patches."""

    def __call__(self, rows: Any, links: Sequence[Link] = ()) -> Inherited: ...


def inheritance(store: Store, parent: VersionInfo | None, recipe: Mapping[str, Any]) -> Inherit:
    """What the rows of a build with this resolved recipe inherit, asked once they are known.

    Versions before the parent count as well, so that a row that was away for a while comes back to its split. The
    lineage ends where the split settings were others: then splits were drawn anew.
    """
    line = []
    for version in store.lineage(parent) if parent else []:
        if version.recipe.get("split") != recipe.get("split"):
            break
        line.append(version)

    def inherit(rows: Any, links: Sequence[Link] = ()) -> Inherited:
        if not line:
            return Inherited({}, [])
        known: dict[bytes, str] = {}
        for version in reversed(line):
            with _needed(version):
                known |= placed(version.name, store.table(version, "members"), store.table(version, "ledger"))
        with _needed(line[0]):
            links = [*links, *links_of(store, line[0])]  # the parent's too: a patch may have been taken back
            before = store.table(line[0], "rows")
        return _with_edits(known, before, rows, recipe.get("id_field"), links)

    return inherit


@contextmanager
def _needed(version: VersionInfo) -> Iterator[None]:
    """Building again does not help where the build itself needs the damaged file: says what does."""
    try:
        yield
    except StoreError as error:
        what = str(error).partition("; restore it")[0]
        raise StoreError(
            f"{what}; a build needs it for the splits that rows had in {version.name}: restore it from a backup, or "
            f"give it up with curate gc --drop {version.name}, and build again (rows that only it had are split anew)"
        ) from None


def inherited_splits(
    parent_members: Any, parent_rows: Any, rows: Any, id_field: str | None, links: Sequence[Link] = ()
) -> Inherited:
    """What `rows` (row_id, record) inherit from a parent's tables `members` and `rows`."""
    return _with_edits(placed("the parent", parent_members), parent_rows, rows, id_field, links)


def links_of(store: Store, version: VersionInfo) -> list[Link]:
    """The rows that the version's patches changed."""
    if "patches" not in version.segments:
        return []
    applied = store.table(version, "patches", ["row_id", "result_row_id"])
    pairs = zip(applied["row_id"].to_pylist(), applied["result_row_id"].to_pylist(), strict=True)
    return [(before, after) for before, after in pairs if before and after and before != after]


def placed(name: str, members: Any, ledger: Any = None) -> dict[bytes, str]:
    """Row_id -> split of a version's members, and of the duplicates that were dropped for one of them.

    A duplicate whose twin leaves the data takes its place, and must not bring a test question into train.
    """
    unknown = sorted(set(pc.unique(members["split"]).to_pylist()) - set(SPLITS))
    if unknown:
        raise DataError(
            f'{name}: holds rows in split "{unknown[0]}", which is none of {", ".join(SPLITS)}; '
            "build it again, or start a new workspace"
        )
    held = dict(zip(members["row_id"].to_pylist(), members["split"].to_pylist(), strict=True))
    return {**_of_duplicates(held, ledger), **held} if ledger is not None else held


def _of_duplicates(held: Mapping[bytes, str], ledger: Any) -> dict[bytes, str]:
    lost = ledger.filter(pc.is_in(ledger["stage"], value_set=pa.array(_DUPLICATES)))
    twin = dict(zip(lost["row_id"].to_pylist(), lost["matched_row_id"].to_pylist(), strict=True))
    found = {}
    for row_id in twin:
        at, steps = row_id, 0
        while at in twin and at not in held and steps < len(twin):  # a twin may itself have gone at a later stage
            at, steps = twin[at], steps + 1
        if at in held:
            found[row_id] = held[at]
    return found


def _with_edits(known: dict[bytes, str], old: Any, new: Any, id_field: str | None, links: Sequence[Link]) -> Inherited:
    old = old.filter(pc.is_in(old["row_id"], value_set=pa.array(known, pa.binary(16))))
    edits = edited(old, new, id_field, links)
    strongest = sorted(edits.found, key=lambda edit: SPLITS.index(known[edit.before]))  # of several the last one stays
    splits = known | {edit.row_id: known[edit.before] for edit in strongest}
    notes = []
    if edits.repeated:
        one = edits.repeated == 1
        notes.append(
            f"id_field {id_field}: {edits.repeated:,} value{'' if one else 's'} of edited rows "
            f"{'stands' if one else 'stand'} in several rows, which therefore count as new"
        )
    return Inherited(splits, notes)


def edited(old: Any, new: Any, id_field: str | None, links: Sequence[Link] = ()) -> Edits:
    """Rows of `new` that are edited rows of `old`, both (row_id, record): by patches, else by equal ids.

    A row with an unchanged row_id is no edit. Never guessed by similarity. Patches may have made one row of several:
    then it is named once for each.
    """
    before, after = old["row_id"].combine_chunks(), new["row_id"].combine_chunks()
    gone = pc.invert(pc.is_in(before, value_set=after))
    fresh = pc.invert(pc.is_in(after, value_set=before))
    by_patch = list(_by_patch(set(before.to_pylist()), after.filter(fresh), links)) if links else []
    if id_field is None:
        return Edits(by_patch, 0)
    was, now = _values(old.filter(gone), id_field), _values(new.filter(fresh), id_field)
    shared = {value for value in now.values() if value is not None} & set(was.values())
    if not shared:
        return Edits(by_patch, 0)
    single = _borne_once(was) & _borne_once(now)
    single -= set(_values(old.filter(pc.invert(gone)), id_field).values())
    whose = {value: row_id for row_id, value in was.items()}
    named = {edit.row_id for edit in by_patch}
    by_id = [Edit(row_id, whose[v], "id") for row_id, v in now.items() if v in shared & single and row_id not in named]
    return Edits([*by_patch, *by_id], len(shared - single))


def _by_patch(old: set[bytes], fresh: Any, links: Sequence[Link]) -> Iterator[Edit]:
    """Along links either way to the nearest old rows."""
    near: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for before, after in links:
        near[before].add(after)
        near[after].add(before)
    for row_id in fresh.to_pylist():
        seen = ring = {row_id}
        while ring and not ring & old:
            ring = {other for name in ring for other in near.get(name, ())} - seen
            seen = seen | ring
        for before in sorted(ring & old):
            yield Edit(row_id, before, "patch")


def _borne_once(values: Mapping[bytes, str | None]) -> set[str]:
    return {value for value, n in Counter(values.values()).items() if n == 1 and value is not None}


def _values(rows: Any, id_field: str) -> dict[bytes, str | None]:
    """The id of each row as canonical JSON, so that 1 and "1" are two; None for a missing or empty one."""
    records = rows["record"].cast(pa.large_binary()).to_pylist()
    values = [_value(meta_of(record), id_field) for record in records]
    return dict(zip(rows["row_id"].to_pylist(), values, strict=True))


def _value(meta: dict[str, Any], id_field: str) -> str | None:
    value = field_in(meta, id_field)
    if type(value) is int:
        return str(value)  # as JSON writes it
    return None if value is None or value == "" else canonical(value).decode()
