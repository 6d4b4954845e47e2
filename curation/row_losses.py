"""What each row cost each time it was trained on: row_losses.parquet in a run's folder, written by the training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import DataError

FILE: Final = "row_losses.parquet"
# loss: mean over the row's trained tokens, before the step it was part of; tokens: how many those are.
ROW_LOSSES: Final = pa.schema(
    [
        pa.field("row_id", pa.binary(16), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("loss", pa.float32(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
    ]
)
MEMORISED: Final = 0.1  # mean loss at which a model gives each token of an answer about 9 chances in 10


@dataclass(frozen=True, slots=True)
class RowLoss:
    """A row's way through a training: its loss at each visit, oldest first."""

    row_id: str
    losses: tuple[float, ...]
    tokens: int
    rank: int  # 1: the highest last loss of all rows
    rows: int

    @property
    def last(self) -> float:
        return self.losses[-1]


def read_row_losses(folder: Path) -> list[RowLoss]:
    """Every row of a run, the one with the highest last loss first; empty where the run has no such file.

    A loss that is not a number stands above all others.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove it, and the run goes without") from None
    if table.schema.names != ROW_LOSSES.names:
        raise DataError(f"{path}: has the columns {', '.join(table.schema.names)}; remove it, and the run goes without")
    return _ranked(table.sort_by([("step", "ascending")]))


def row_loss(folder: Path, row_id: str) -> RowLoss | None:
    """One row's, by its id."""
    return next((row for row in read_row_losses(folder) if row.row_id == row_id), None)


def memorised(rows: list[RowLoss]) -> list[RowLoss]:
    """Rows that the model now says by heart, the longest answers first."""
    return sorted((row for row in rows if row.last <= MEMORISED), key=lambda row: (-row.tokens, row.row_id))


def _ranked(table: Any) -> list[RowLoss]:
    losses: dict[bytes, list[float]] = {}
    tokens: dict[bytes, int] = {}
    columns = (table[name].to_pylist() for name in ("row_id", "loss", "tokens"))
    for row_id, loss, count in zip(*columns, strict=True):
        losses.setdefault(row_id, []).append(loss)
        tokens[row_id] = count
    # A loss of NaN would order nothing: it counts as infinite.
    last = {row_id: math.inf if math.isnan(found[-1]) else found[-1] for row_id, found in losses.items()}
    order = sorted(losses, key=lambda row_id: (-last[row_id], row_id))
    return [
        RowLoss(str(UUID(bytes=row_id)), tuple(losses[row_id]), tokens[row_id], rank, len(order))
        for rank, row_id in enumerate(order, start=1)
    ]
