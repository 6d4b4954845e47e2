"""Conflicts: rows that ask the same and contradict each other. Removing duplicates never resolves one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import ConfigError
from curation.ranking import priorities, reviewed
from curation.stages.conflict_pairs import Asked, Ints, asked_alike
from curation.stages.contradiction import Answers
from curation.tables import DROPPED, FLAGGED, Verdict, dropped_table, empty, flagged_table

CONFLICT: Final = "conflict"
ALTERNATIVE: Final = "alternative_answers"


@dataclass(frozen=True, slots=True)
class ConflictsConfig:
    action: Literal["report", "drop", "source_priority", "off"] = "report"
    threshold: float = 0.9

    def __post_init__(self) -> None:
        if self.action not in ("report", "drop", "source_priority", "off"):
            raise ConfigError(f"conflicts: no action {self.action!r}; use report, drop, source_priority or off")
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"conflicts: threshold {self.threshold} must be above 0 and at most 1")


def conflicts(rows: Any, config: ConflictsConfig) -> Verdict:
    """Flag every row whose answer contradicts that of a row asking the same, if both stay; matched is the first.

    drop: all of them go. source_priority: those go that contradict a reviewed row or one of higher priority.
    Different answers that can both be right (open questions, long texts) are flagged `alternative_answers`.
    """
    if config.action == "off" or rows.num_rows < 2:
        return Verdict(rows, empty(DROPPED), empty(FLAGGED))
    asked = asked_alike(rows, config.threshold)
    what = Answers(rows, asked.involved).contradictions(asked.left, asked.right)
    against = np.array([said is not None for said in what], np.bool_)
    hostile, open_ = _both_ways(asked, against), _both_ways(asked, ~against)
    lost = _lost(rows, hostile, config)
    gone = np.zeros(rows.num_rows, np.bool_)
    gone[hostile.row[lost]] = True
    noted = hostile.first_of_each_row(~gone[hostile.row] & ~gone[hostile.other])  # what is settled needs no look
    spoken = gone.copy()
    spoken[noted.row] = True
    alternative = open_.first_of_each_row(~spoken[open_.row] & ~gone[open_.other])
    pos, plain = rows["pos"].to_numpy(), ["answers differ"] * len(what)
    flagged = [
        flagged_table(pos[noted.row], CONFLICT, **_evidence(noted, pos, config, what)),
        flagged_table(pos[alternative.row], ALTERNATIVE, **_evidence(alternative, pos, config, plain)),
    ]
    out = hostile.first_of_each_row(lost)
    dropped = dropped_table(pos[out.row], CONFLICT, **_evidence(out, pos, config, what))
    kept = rows.filter(pa.array(~gone)) if gone.any() else rows
    return Verdict(kept, dropped, pa.concat_tables(flagged).sort_by("pos"))


@dataclass(frozen=True, slots=True)
class _Sides:
    """Each pair of rows seen from both of its sides."""

    row: Ints
    other: Ints
    pair: Ints  # index into the pairs
    similarity: npt.NDArray[np.float64]  # of the prompts

    def first_of_each_row(self, chosen: npt.NDArray[np.bool_]) -> _Sides:
        """Among the chosen, for each row the line with the first other row."""
        lines = np.flatnonzero(chosen)
        lines = lines[np.lexsort((self.other[lines], self.row[lines]))]
        lines = lines[np.unique(self.row[lines], return_index=True)[1]]
        return _Sides(self.row[lines], self.other[lines], self.pair[lines], self.similarity[lines])


def _both_ways(asked: Asked, chosen: npt.NDArray[np.bool_]) -> _Sides:
    pair = np.flatnonzero(chosen)
    left, right = asked.involved[asked.left[pair]], asked.involved[asked.right[pair]]
    return _Sides(np.r_[left, right], np.r_[right, left], np.r_[pair, pair], np.tile(asked.similarity[pair], 2))


def _lost(rows: Any, hostile: _Sides, config: ConflictsConfig) -> npt.NDArray[np.bool_]:
    """Which lines cost their row its place."""
    if config.action != "source_priority":
        return np.full(len(hostile.row), config.action == "drop")
    standing = 2**32 * reviewed(rows).astype(np.int64) + priorities(rows)
    lower: npt.NDArray[np.bool_] = standing[hostile.other] > standing[hostile.row]
    return lower


def _evidence(sides: _Sides, pos: Ints, config: ConflictsConfig, what: list[Any]) -> dict[str, Any]:
    return {
        "value": sides.similarity,
        "threshold": config.threshold,
        "matched": pos[sides.other],
        "detail": [what[pair] for pair in sides.pair.tolist()],
    }
