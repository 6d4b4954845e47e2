"""One of the two versions of a diff: its members in order, what became of other units, records on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.store import Store, VersionInfo

_UNTOLD = "und"
Ints = npt.NDArray[np.int64]
_LANGUAGES = ("prompt_language", "answer_language")
_LEDGER = ("row_id", "source", "line", "verdict", "stage", "reason", "value", "matched_row_id", "detail", *_LANGUAGES)


def spoken(asked: Any, answered: Any) -> Any:
    """One language of each row of its prompt's and its answer's, `en -> de` where they differ."""
    told = [pc.if_else(pc.equal(code, _UNTOLD), None, code) for code in (asked, answered)]
    both = pc.binary_join_element_wise(*told, " -> ")  # null where one cannot be told
    same = pc.or_(pc.equal(*told), pc.is_null(both))
    return pc.if_else(pc.fill_null(same, True), pc.coalesce(*told, asked), both)


@dataclass
class Side:
    store: Store
    version: VersionInfo

    @cached_property
    def members(self) -> Any:
        return self.store.table(self.version, "members").combine_chunks()

    @cached_property
    def ledger(self) -> Any:
        return self.store.table(self.version, "ledger", _LEDGER).combine_chunks()

    @cached_property
    def rows(self) -> Any:
        return self.store.table(self.version, "rows", ["row_id", "record"]).combine_chunks()

    @cached_property
    def sources(self) -> Any:
        return self.store.table(self.version, "sources", ["source"])["source"].combine_chunks()

    @cached_property
    def kept(self) -> Any:
        """The kept lines of the ledger."""
        return self.ledger.filter(pc.equal(self.ledger["verdict"], "kept")).combine_chunks()

    @cached_property
    def lost(self) -> Any:
        """The lines of units that became a row, and were dropped or merged."""
        out = pc.and_(pc.not_equal(self.ledger["verdict"], "kept"), pc.is_valid(self.ledger["row_id"]))
        return self.ledger.filter(out).combine_chunks()

    def languages(self, row_ids: Any) -> Any:
        """The language of each row, `en -> de` where the answer is in another; null where nobody looked."""
        if not set(_LANGUAGES) <= set(self.ledger.column_names):  # a version from before languages were stored
            return pa.nulls(len(row_ids), pa.string())
        return spoken(*looked_up(self.ledger, row_ids, _LANGUAGES).columns)

    def records(self, row_ids: Any) -> Any:
        """The record of each row, null where this version has none."""
        return self.rows["record"].take(pc.index_in(row_ids, value_set=self.rows["row_id"].combine_chunks()))

    def of_members(self) -> Any:
        """The rows table of the members alone, each row once."""
        return self.rows.filter(pc.is_in(self.rows["row_id"], value_set=self.members["row_id"].combine_chunks()))


def numbers(column: Any) -> Ints:
    """A column of whole numbers without nulls."""
    found: Ints = column.to_numpy().astype(np.int64)
    return found


def looked_up(table: Any, row_ids: Any, names: Sequence[str]) -> Any:
    """The first line of `table` for each row, with these columns; nulls where there is none."""
    at = pc.index_in(row_ids, value_set=table["row_id"].combine_chunks())
    return pa.table({name: table[name].take(at) for name in names})


@dataclass(frozen=True, slots=True)
class Joined:
    """Places among the members of each side."""

    common_old: Ints  # parallel to common_new: the same row
    common_new: Ints
    gone: Ints
    come: Ints


def joined(old: Side, new: Side) -> Joined:
    """Members by row_id. A row that is a member several times is matched as often as both sides have it."""
    both = pa.chunked_array([*old.members["row_id"].chunks, *new.members["row_id"].chunks], pa.binary(16))
    codes = numbers(both.combine_chunks().dictionary_encode().indices)
    size = old.members.num_rows
    keys_old, keys_new = _unique(codes[:size], len(codes)), _unique(codes[size:], len(codes))
    _, common_old, common_new = np.intersect1d(keys_old, keys_new, assume_unique=True, return_indices=True)
    order = np.argsort(common_new)
    return Joined(
        common_old[order],
        common_new[order],
        np.setdiff1d(np.arange(len(keys_old)), common_old, assume_unique=True),
        np.setdiff1d(np.arange(len(keys_new)), common_new, assume_unique=True),
    )


def _unique(codes: Ints, step: int) -> Ints:
    """Codes with how often each stood before: unique, and equal on both sides for the same row."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    before = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    keys = np.empty(len(codes), np.int64)
    keys[order] = codes[order] + before * step
    return keys
