"""How many rows each split should get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from curation.errors import ConfigError
from curation.splits.config import SPLITS, TEST, TRAIN, VALIDATION, SplitConfig

_NONE_FIXED: Final = (0, 0, 0)


def quotas(config: SplitConfig, rows: int, fixed: Sequence[int] = _NONE_FIXED) -> tuple[int, int, int]:
    """Rows for train, validation, test; together `rows`.

    `fixed`: rows that a source or field has put into each. Ratios are shares of the others.
    """
    if config.counts is not None:
        return _from_counts(config.counts, rows)
    assert config.ratios is not None, "SplitConfig fills in the default ratios"
    free = rows - sum(fixed)
    # Ties: the rounding gives a row to train before validation before test.
    shares = largest_remainder([config.ratios.get(name, 0.0) * free for name in SPLITS], free)
    return shares[TRAIN] + fixed[TRAIN], shares[VALIDATION] + fixed[VALIDATION], shares[TEST] + fixed[TEST]


def _from_counts(counts: Mapping[str, int | None], rows: int) -> tuple[int, int, int]:
    wanted = {name: counts.get(name, 0) for name in SPLITS}
    if "train" not in counts and None not in counts.values():
        wanted["train"] = None
    named = sum(n for n in wanted.values() if n is not None)
    said = " + ".join(f"{name} {n}" for name, n in wanted.items() if n)
    rest = next((name for name, n in wanted.items() if n is None), None)
    if rest is None and named != rows:
        raise ConfigError(
            f"split.counts: {said or 'nothing'} is {named} rows, but there are {rows} to split; "
            f"set one of them to null to take the rest (train: null)"
        )
    if named > rows:
        raise ConfigError(f"split.counts: {said} is {named} rows, but there are only {rows} to split; ask for fewer")
    full = [rows - named if n is None else n for n in wanted.values()]
    return full[TRAIN], full[VALIDATION], full[TEST]


def largest_remainder(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers near `shares` that sum to `total`, which the shares sum to; ties go to the first."""
    floors = [int(share + 1e-9) for share in shares]
    by_rest = sorted(range(len(shares)), key=lambda i: (floors[i] - shares[i], i))
    for i in by_rest[: max(total - sum(floors), 0)]:
        floors[i] += 1
    return floors
