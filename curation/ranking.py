"""Which of several duplicates is preferred."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Keep = Literal["first", "source_priority", "reviewed", "longest"]
KEEPS: Final = get_args(Keep)


def by_preference(rows: Any, keep: Keep) -> npt.NDArray[np.int64]:
    """Row numbers, most preferred first. Reviewed rows come before all others, whatever `keep` says; ties by pos.

    longest: characters of prompt and answer. reviewed: reviewed rows, then as first.
    """
    pos = rows["pos"].to_numpy()
    keys = [pos]
    if keep == "longest":
        keys.append(-pc.add(pc.utf8_length(rows["prompt"]), pc.utf8_length(rows["answer"])).to_numpy())
    if keep == "source_priority":
        keys.append(-priorities(rows))
    keys.append(~reviewed(rows))
    order: npt.NDArray[np.int64] = np.lexsort(keys)
    return order


def priorities(rows: Any) -> npt.NDArray[np.int64]:
    if "priority" not in rows.column_names:
        return np.zeros(rows.num_rows, np.int64)
    numbers: npt.NDArray[np.int64] = rows["priority"].fill_null(0).cast(pa.int64()).to_numpy()
    return numbers


def reviewed(rows: Any) -> npt.NDArray[np.bool_]:
    if "reviewed" not in rows.column_names:
        return np.zeros(rows.num_rows, np.bool_)
    marks: npt.NDArray[np.bool_] = rows["reviewed"].fill_null(False).to_numpy()
    return marks
