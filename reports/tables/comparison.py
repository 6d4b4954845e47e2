"""Tables of a comparison: every difference with its verdict, what runs won and lost, the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

import pandas as pd

from eval.compare.changed_rows import DataDiff
from eval.compare.comparison import Comparison
from eval.compare.flips import Flip
from eval.stats.compare import Difference

DIFFERENCES: Final = (
    *("what", "role", "a", "b", "difference", "low", "high", "p", "n", "could_show", "verdict"),
)  # fmt: skip


def differences(found: Comparison) -> pd.DataFrame:
    """DIFFERENCES: the deciding metric first, then benchmarks, the other metrics, slices, baselines.

    could_show: none where the exam finds nothing that the metric can show. p: under Holm for all but the first.
    role: decides, benchmark, metric, slice or baseline.
    """
    lines: list[tuple[str, str, Difference]] = [(found.primary.name, "decides", found.primary)]
    lines += [(f"{one.name}, {one.metric}", "benchmark", one.diff) for one in found.benchmarks]
    lines += [(f"{one.name}, {one.metric}, clean", "benchmark", one.clean) for one in found.benchmarks if one.clean]
    lines += [(one.name, "metric", one) for one in found.others]
    lines += [(f"{found.primary.name}, {name}", "slice", one) for name, one in found.slices.items()]
    lines += [(f"{found.primary.name}, against {one.name}", "baseline", one.diff) for one in found.baselines]
    rows = [
        (what, role, d.value_a, d.value_b, d.diff, d.low, d.high, d.p_adjusted, d.n, _reach(d), d.verdict)
        for what, role, d in lines
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def _reach(one: Difference) -> float | None:
    return one.detectable if isfinite(one.detectable) else None


def trades(found: Comparison) -> pd.DataFrame:
    """run, version, seed, benchmark, domain and elsewhere, each with its interval: won here, lost there."""
    interval = ["", "_low", "_high"]
    rows = [
        (t.run, t.version, t.seed, name, t.domain.diff, t.domain.low, t.domain.high, one.diff, one.low, one.high)
        for t in found.trades
        for name, one in t.elsewhere.items()
    ]
    columns = ["run", "version", "seed", "benchmark", *(f"{n}{i}" for n in ("domain", "elsewhere") for i in interval)]
    return pd.DataFrame(rows, columns=columns)


def flips(found: Sequence[Flip]) -> pd.DataFrame:
    """item, change, before, after, better, question, near: the items that changed most, largest change first."""
    rows = [
        (f.item_id, f.value_b - f.value_a, f.value_a, f.value_b, f.better, f.question[:160], near_row(f)) for f in found
    ]
    return pd.DataFrame(rows, columns=["item", "change", "before", "after", "better", "question", "near"])


def near_row(flip: Flip) -> str:
    """Which row of the data asks alike, `+ raw.jsonl:17 (.61 alike)`; nobody has shown that it is the cause."""
    if flip.near is None:
        return ""
    row = flip.near.row
    place = f"{row.source}:{row.line}" if row.source else row.row_id[:8]
    return f"{row.sign} {place} ({flip.near.similarity:.2f} alike)".strip()


def data_changes(data: DataDiff) -> pd.DataFrame:
    """change, why, stage, reason, rows of the two sides' versions."""
    columns = ["change", "why", "stage", "reason", "rows"]
    return pd.DataFrame([{name: line[name] for name in columns} for line in data.whys], columns=columns)
