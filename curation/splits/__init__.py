"""Leak-proof splits: rows tied by near-duplicate questions stay on one side.

`split`, `Splits` and `SplitReport` are loaded on first use: the recipe needs only curation.splits.config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curation.splits.leakproof import Splits, split
    from curation.splits.report import SplitReport

__all__ = ["SplitReport", "Splits", "split"]


def __getattr__(name: str) -> Any:
    if name in ("Splits", "split"):
        from curation.splits import leakproof

        return getattr(leakproof, name)
    if name == "SplitReport":
        from curation.splits.report import SplitReport

        return SplitReport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
