"""Where items stand in evaluations on disk, and their texts from there, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eval.folder import SCHEMAS, EvalFolder

Ints = npt.NDArray[np.int64]
PART: Final = 1024  # rows


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """For each item the evaluation (`of`, its number among `folders`) and the row there (`row`); -1 where in none."""

    folders: tuple[EvalFolder, ...]
    of: Ints
    row: Ints

    @classmethod
    def whole(cls, folders: Sequence[EvalFolder], lengths: Sequence[int]) -> Places:
        """All rows of evaluations, one after the other."""
        of = np.repeat(np.arange(len(folders)), lengths)
        return cls(tuple(folders), of, np.concatenate([np.arange(length) for length in (*lengths, 0)]))

    def take(self, chosen: npt.NDArray[Any]) -> Places:
        """Of some items, by a mask or by their numbers; a number of -1 is of none."""
        at = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        if not len(self.of):
            nowhere = np.full(len(at), -1)
            return Places(self.folders, nowhere, nowhere)
        of, row = (np.where(at >= 0, one[at], -1) for one in (self.of, self.row))
        return Places(self.folders, of, row)

    def parts(self, name: str, columns: Sequence[str]) -> Iterator[Any]:
        """Columns of one of the evaluations' tables, PART items at a time in their order; null where an item stands
        nowhere."""
        readers = [_Reader(folder, name, columns, self.row[self.of == at]) for at, folder in enumerate(self.folders)]
        nothing = pa.table({one: pa.nulls(1, SCHEMAS[name].field(one).type) for one in columns})
        for start in range(0, len(self.of), PART):
            of, row = self.of[start : start + PART], self.row[start : start + PART]
            order, found = np.zeros(len(of), np.int64), [nothing]  # the first row is that of no place
            for at in np.unique(of[of >= 0]).tolist():
                mine = np.flatnonzero(of == at)
                order[mine] = sum(one.num_rows for one in found) + np.arange(len(mine))
                found.append(readers[at].take(row[mine]))
            yield pa.concat_tables(found).combine_chunks().take(pa.array(order))

    def table(self, name: str, columns: Sequence[str]) -> Any:
        """All of them at once."""
        none = pa.schema([SCHEMAS[name].field(one) for one in columns]).empty_table()
        return pa.concat_tables([none, *self.parts(name, columns)]).combine_chunks()


class _Reader:
    """Rows of one table, wanted part after part: where they ascend, no more than a batch is in memory."""

    def __init__(self, folder: EvalFolder, name: str, columns: Sequence[str], wanted: Ints) -> None:
        batches = (pa.Table.from_batches([one]) for one in folder.batches(name, list(columns)))
        self._first, self._held = 0, pa.schema([SCHEMAS[name].field(one) for one in columns]).empty_table()
        if np.any(np.diff(wanted) < 0):
            self._held = pa.concat_tables([self._held, *batches]).combine_chunks()
        self._batches = batches

    def take(self, rows: Ints) -> Any:
        found = []
        while True:
            end = self._first + self._held.num_rows
            here = rows[rows < end]
            found.append(self._held.take(pa.array(here - self._first)))
            rows = rows[len(here) :]
            if not len(rows):
                return pa.concat_tables(found)
            self._first, self._held = end, next(self._batches)
