"""`curate diff`: which rows two versions do not share, which read or stand differently, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.diffing import reasons
from curation.diffing.edits import FieldChange, Turn, changed_fields, changed_turns
from curation.diffing.sides import Ints, Joined, Side, joined, looked_up, numbers
from curation.diffing.sizes import Counter, Size, size_of
from curation.lineage import edited, links_of
from curation.settings import flat_settings
from curation.store import Store, VersionInfo

# One line a changed row: added, removed, edited, then moved; each in the order of its version.
CHANGES: Final = pa.schema(
    [
        ("change", pa.string()),  # added | removed | edited | moved; an edited row may also be in another split now
        ("row_id", pa.binary(16)),
        ("before_row_id", pa.binary(16)),  # of an edited row
        ("source", pa.string()),
        ("line", pa.int64()),
        ("split_before", pa.string()),
        ("split_after", pa.string()),
        ("why", pa.string()),
        ("stage", pa.string()),  # that drops the row now (removed), or dropped it before (added)
        ("reason", pa.string()),
        ("value", pa.float64()),
        ("matched_row_id", pa.binary(16)),
        ("detail", pa.string()),
    ]
)
_BY: Final = {"id": "same id", "patch": reasons.BY_PATCH}
_CLEANED: Final = "cleaned otherwise"  # the same row, exported with another text
_EVIDENCE: Final = ("why", "stage", "reason", "value", "matched_row_id", "detail")


@dataclass(frozen=True, slots=True)
class EditedRow:
    line: dict[str, Any]  # of CHANGES
    turns: list[Turn]
    fields: list[FieldChange]


@dataclass(repr=False)
class VersionDiff:
    """Everything that differs between two versions."""

    old: Side
    new: Side
    changes: Any  # CHANGES
    notes: list[str]
    tokens: Counter | None = None

    def __repr__(self) -> str:
        counts = ", ".join(f"{change} {self.count(change):,}" for change in ("added", "removed", "edited", "moved"))
        return f"<VersionDiff {self.old.version.name} -> {self.new.version.name}: {counts}>"

    def count(self, change: str) -> int:
        return int(pc.sum(pc.equal(self.changes["change"], change)).as_py() or 0)

    @cached_property
    def moved(self) -> Any:
        """Lines of `changes` whose row is in both versions and in different splits, edited ones included."""
        return self.changes.filter(pc.not_equal(self.changes["split_before"], self.changes["split_after"]))

    def by(self, *names: str) -> list[dict[str, Any]]:
        """How many changes there are for each combination of values, most first."""
        counted = self.changes.group_by(list(names)).aggregate([([], "count_all")]).to_pylist()
        lines = [{**{name: line[name] for name in names}, "rows": line["count_all"]} for line in counted]
        return sorted(lines, key=lambda line: (-line["rows"], *[line[name] or "" for name in names]))

    def settings(self) -> dict[str, tuple[Any, Any]]:
        """Settings of the recipe that differ: name -> (before, after)."""
        before, after = flat_settings(self.old.version.recipe), flat_settings(self.new.version.recipe)
        names = sorted(before.keys() | after.keys())
        return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}

    def sizes(self) -> dict[str, Size]:
        """Text of added and removed rows, and of edited rows before and after."""
        rows = {change: self._lines(change) for change in ("added", "removed", "edited")}
        records = {
            "added": self.new.records(rows["added"]["row_id"]),
            "removed": self.old.records(rows["removed"]["row_id"]),
            "edited, before": self.old.records(rows["edited"]["before_row_id"]),
            "edited, after": self.new.records(rows["edited"]["row_id"]),
        }
        return {name: size_of(texts.to_pylist(), self.tokens) for name, texts in records.items()}

    def edits(self, limit: int | None = None) -> Iterator[EditedRow]:
        """The edited rows, each with the turns and fields that differ."""
        lines = self._lines("edited").slice(0, limit) if limit is not None else self._lines("edited")
        before = self.old.records(lines["before_row_id"]).to_pylist()
        after = self.new.records(lines["row_id"]).to_pylist()
        for line, one, other in zip(lines.to_pylist(), before, after, strict=True):
            old, new = orjson.loads(one), orjson.loads(other)
            yield EditedRow(line, changed_turns(old, new), changed_fields(old, new))

    def prompts(self, lines: Any) -> list[str]:
        """How each of these lines of `changes` begins to speak: its first user turn."""
        texts = pc.coalesce(self.new.records(lines["row_id"]), self.old.records(lines["row_id"]))
        return [_first_user_turn(text) for text in texts.to_pylist()]

    def by_language(self) -> list[dict[str, Any]]:
        """Changes by language (`en -> de`: answered in another), most first; nothing where no version has any.

        The language is the row's in the version that has it, for rows of both in the new one. und: cannot be told;
        None: that version did not look.
        """
        ids = self.changes["row_id"]
        language = pc.coalesce(self.new.languages(ids), self.old.languages(ids))
        if language.null_count == len(language):
            return []
        with_language = self.changes.append_column("language", language)
        return VersionDiff(self.old, self.new, with_language, []).by("language", "change")

    def _lines(self, change: str) -> Any:
        return self.changes.filter(pc.equal(self.changes["change"], change))


def diff(store: Store, old: str | VersionInfo, new: str | VersionInfo, tokens: Counter | None = None) -> VersionDiff:
    """What differs from `old` to `new`. `tokens` counts the tokens of texts, for sizes in tokens.

    An edited row is one that a patch says it replaces, or that has the same value in the recipe's id field.
    """
    one, other = (Side(store, store.resolve(v) if isinstance(v, str) else v) for v in (old, new))
    rows = joined(one, other)
    edits, notes = _edited(one, other, rows)
    gone = np.setdiff1d(rows.gone, edits.before, assume_unique=True)
    come = np.setdiff1d(rows.come, edits.after, assume_unique=True)
    before, after = rows.common_old, rows.common_new
    changed = _differing(one, other, rows, "content_hash")
    moved = np.setdiff1d(_differing(one, other, rows, "split"), changed, assume_unique=True)
    parts = [
        _lines("added", one, other, (None, come), reasons.added(one, other, come)),
        _lines("removed", one, other, (gone, None), reasons.removed(one, other, gone)),
        _lines("edited", one, other, (edits.before, edits.after), reasons.edited(other, edits.after, edits.by)),
        _lines(
            "edited", one, other, (before[changed], after[changed]), reasons.edited(other, after[changed], _CLEANED)
        ),
        _lines("moved", one, other, (before[moved], after[moved]), reasons.moved(one, other, rows, moved)),
    ]
    return VersionDiff(one, other, pa.concat_tables(parts).combine_chunks(), notes, tokens)


@dataclass(frozen=True, slots=True)
class _Edits:
    """Members that are one row edited: places before and after, and how that is known."""

    before: Ints
    after: Ints
    by: list[str]


def _edited(old: Side, new: Side, rows: Joined) -> tuple[_Edits, list[str]]:
    id_field = new.version.recipe.get("id_field")
    links = [*links_of(new.store, new.version), *links_of(old.store, old.version)]
    if not (len(rows.gone) and len(rows.come)) or (id_field is None and not links):
        return _Edits(np.zeros(0, np.int64), np.zeros(0, np.int64), []), []
    found = edited(old.of_members(), new.of_members(), id_field, links)
    before, after = _places(old, rows.gone), _places(new, rows.come)
    before_at, after_at, by = [], [], []
    for edit in found.found:
        if edit.before in before and edit.row_id in after:  # each row once, whatever patches made of it
            before_at.append(before.pop(edit.before))
            after_at.append(after.pop(edit.row_id))
            by.append(_BY[edit.by])
    order = np.argsort(after_at)
    edits = _Edits(np.array(before_at, np.int64)[order], np.array(after_at, np.int64)[order], [by[i] for i in order])
    many = f"{found.repeated:,} values of {id_field} stand in several rows; these rows count as removed and added"
    return edits, [many] * bool(found.repeated)


def _places(side: Side, at: Ints) -> dict[bytes, int]:
    ids = side.members["row_id"].take(pa.array(at)).to_pylist()
    return dict(zip(ids, at.tolist(), strict=True))


def _differing(old: Side, new: Side, rows: Joined, column: str) -> Ints:
    """Common rows in which a column of members differs."""
    one, other = (_column(side, column, at) for side, at in ((old, rows.common_old), (new, rows.common_new)))
    return numbers(pc.indices_nonzero(pc.not_equal(one, other)))


def _column(side: Side, column: str, at: Any) -> Any:
    return side.members[column].take(pa.array(at))


def _lines(change: str, old: Side, new: Side, at: tuple[Ints | None, Ints | None], why: Any) -> Any:
    """CHANGES of one kind: places among the members before and after (None: not there), and why."""
    before, after = at
    home: Side = new if after is not None else old
    mine: Any = after if after is not None else before
    row_id = _column(home, "row_id", mine)
    found = looked_up(home.kept, row_id, ["source", "line"])
    edit = change == "edited" and before is not None
    columns = {
        "change": pa.array([change] * len(mine), pa.string()),
        "row_id": row_id,
        "before_row_id": _column(old, "row_id", before) if edit else pa.nulls(len(mine), pa.binary(16)),
        "source": found["source"],
        "line": found["line"],
        "split_before": _column(old, "split", before) if before is not None else pa.nulls(len(mine), pa.string()),
        "split_after": _column(new, "split", after) if after is not None else pa.nulls(len(mine), pa.string()),
        **{name: why[name] for name in _EVIDENCE},
    }
    return pa.table(columns, schema=CHANGES)


def _first_user_turn(record: str | None) -> str:
    messages = orjson.loads(record)["messages"] if record else []
    return next((m["content"] for m in messages if m["role"] == "user" and m["content"]), "")
