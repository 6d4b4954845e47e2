"""What each stage and each source came to: rows in, kept, flagged, dropped by reason. The sums must add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_COPIES: Final = ("conflicts", "exact", "near")


@dataclass(frozen=True, slots=True)
class StageAccount:
    stage: str
    rows_in: int
    kept: int
    flagged: int  # rows with at least one note of this stage
    dropped: dict[str, int]  # reason -> rows, commonest first; merged and quarantined rows included
    flags: dict[str, int]  # reason -> notes
    seconds: float

    def __post_init__(self) -> None:
        lost = self.rows_in - self.kept - sum(self.dropped.values())
        assert lost == 0, f"stage {self.stage} lost {lost} of {self.rows_in} rows"

    def as_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "in": self.rows_in,
            "kept": self.kept,
            "flagged": self.flagged,
            "dropped": sum(self.dropped.values()),
            "reasons": self.dropped,
            "flags": self.flags,
            "seconds": round(self.seconds, 3),
        }


def account(stage: str, rows_in: int, kept: int, dropped: Any, flagged: Any, seconds: float) -> StageAccount:
    """The account of one stage from its tables.DROPPED and tables.FLAGGED."""
    flagged = flagged.filter(pc.invert(pc.starts_with(flagged["reason"], "selected_")))  # why a row is in, no remark
    return StageAccount(
        stage,
        rows_in,
        kept,
        flagged=pc.count_distinct(flagged["pos"]).as_py(),
        dropped=counts(dropped["reason"]),
        flags=counts(flagged["reason"]),
        seconds=seconds,
    )


def counts(column: Any) -> dict[str, int]:
    """How often each value stands in a column; commonest first, ties by name."""
    pairs = [(str(entry["values"]), int(entry["counts"])) for entry in pc.value_counts(column).to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def source_accounts(sources: Sequence[dict[str, Any]], ledger: Any, flags: Any) -> list[dict[str, Any]]:
    """Per source: units, kept, flagged (kept rows with a note), dropped (merged included), quarantined."""
    names = pa.array([source["source"] for source in sources])
    if not sources:
        return []
    source = pc.index_in(ledger["source"], value_set=names).to_numpy()
    verdict = pc.index_in(
        ledger["verdict"], value_set=pa.array(["kept", "dropped", "merged", "quarantined"])
    ).to_numpy()
    table = np.zeros((len(sources), 4), np.int64)
    np.add.at(table, (source, verdict), 1)
    noted = _noted(ledger, flags, names, verdict)
    return [
        {
            "source": described["source"],
            "format": described["format"],
            "units": int(table[i].sum()),
            "kept": int(table[i, 0]),
            "flagged": int(noted[i]),
            "dropped": int(table[i, 1] + table[i, 2]),
            "quarantined": int(table[i, 3]),
        }
        for i, described in enumerate(sources)
    ]


def exam_notes(fixed: Mapping[str, str], ledger: Any) -> list[str]:
    """Sources whose split is fixed (name -> split) to one that is asked, and that lost rows to copies outside of it."""
    notes = []
    for name, split in fixed.items():
        if split == "train":
            continue
        kin = pa.array([other for other, theirs in fixed.items() if theirs == split], pa.string())
        here = pc.and_(pc.equal(ledger["source"], name), pc.is_valid(ledger["matched_source"]))
        here = pc.and_(here, pc.is_in(ledger["stage"], value_set=pa.array(_COPIES)))
        lost = ledger.filter(pc.and_(here, pc.invert(pc.is_in(ledger["matched_source"], value_set=kin))))
        if lost.num_rows:
            rows = f"{lost.num_rows:,} row{'s' * (lost.num_rows != 1)} of this {split} set"
            told = f"{rows} went for copies in other sources, such as line {lost['line'][0].as_py():,}"
            notes.append(f"{name}: {told}; to keep them here, name it first in recipe.yaml")
    return notes


def _noted(ledger: Any, flags: Any, names: Any, verdict: Any) -> Any:
    """Kept units with at least one note, per source."""
    kept = ledger.select(["source", "unit"]).filter(pa.array(verdict == 0))
    noted = (
        flags.filter(pc.invert(pc.starts_with(flags["reason"], "selected_")))
        .select(["source", "unit"])
        .group_by(["source", "unit"])
        .aggregate([])
    )
    both = kept.join(noted, ["source", "unit"], join_type="inner")
    return np.bincount(pc.index_in(both["source"], value_set=names).to_numpy(), minlength=len(names))
