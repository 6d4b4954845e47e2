"""A model's metric on an exam from what its evaluations stored of the same answers to the same items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from curation.errors import DataError
from eval.compare.sheet import Sheet
from eval.compare.trained import Bools
from eval.folder import EvalFolder
from eval.measuring import measured
from eval.metrics.metric import Measured
from eval.stored_values import Stored, fits, languages_of, stored_values
from eval.suite import Suite

_MOST_ANEW: Final = 0.5  # of the items; where more have to be measured, all are


@dataclass(frozen=True, slots=True)
class StoredOnce:
    """What evaluations stored, each read once."""

    known: dict[Path, dict[str, Stored]] = field(default_factory=dict)

    def of(self, folder: EvalFolder) -> dict[str, Stored]:
        if folder.path not in self.known:
            self.known[folder.path] = stored_values(folder)
        return self.known[folder.path]


def from_store(sheet: Sheet, alone: Suite, stored: StoredOnce) -> Measured | None:
    """The one metric of this suite; of items that were asked otherwise it is measured. None where nothing stored fits.

    The values are those that measuring gives: tests compare the two.
    """
    (choice,) = alone.metrics
    languages = languages_of(sheet.light["language"], pc.is_valid(sheet.light["reference_chars"]))
    first: Measured | None = None
    anew = np.ones(len(sheet.answered), np.bool_)
    for number in np.unique(sheet.stored.of[sheet.stored.of >= 0]).tolist():
        known = stored.of(sheet.stored.folders[number]).get(choice.name)
        if known is None or not fits(known, alone, choice, languages):
            continue
        mine = sheet.stored.of == number
        if mine.all() and np.array_equal(sheet.stored.row, np.arange(len(known.measured.item))):
            return known.measured  # as it was stored, which needs no second copy
        if first is None:
            first = _room(known.measured, len(anew))
        if known.measured.signature == first.signature:
            _put(first, mine, known.measured, sheet.stored.row[mine])
            anew &= ~mine
    if first is None or anew.mean() > _MOST_ANEW:
        return None
    return first if not anew.any() or _measured_anew(sheet, alone, anew, first) else None


def _room(like: Measured, items: int) -> Measured:
    return replace(like, stats=np.full((items, like.stats.shape[1]), np.nan), item=np.full(items, np.nan))


def _put(into: Measured, mine: Any, values: Measured, places: Any) -> None:
    into.stats[mine] = values.stats[places]
    into.item[mine] = values.item[places]


def _measured_anew(sheet: Sheet, alone: Suite, anew: Bools, into: Measured) -> bool:
    """Put in what is measured of some items alone; False where they cannot be measured alike."""
    try:
        (found,) = measured(sheet.take(anew), alone).values()
    except DataError:
        return False
    if found.signature != into.signature or found.stats.shape[1] != into.stats.shape[1]:
        return False
    _put(into, anew, found, np.arange(len(found.item)))
    return True
