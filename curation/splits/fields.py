"""The user's own fields that bear on the split: which split, group, stratum, and time each row names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from curation.errors import ConfigError
from curation.meta_fields import field_values, metas_of
from curation.records import canonical
from curation.splits.config import SPLITS, TEST, TRAIN, VALIDATION, SplitConfig
from curation.splits.questions import Ints

SPLIT_NAMES: Final = {
    "train": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
}
SOURCE: Final = "source"  # for stratify: where the row comes from


class Fields:
    """Values of meta fields by row; the records are read once, and only if a field is asked for."""

    def __init__(self, rows: Any, config: SplitConfig) -> None:
        self._rows, self._config = rows, config
        stratify = None if config.stratify == SOURCE else config.stratify
        asked = {"stratify": stratify, "split_field": config.split_field, "group_by": config.group_by}
        asked["time_field"] = config.time_field
        self._columns = _meta_columns(rows, {key: name for key, name in asked.items() if name})

    def fixed(self) -> Ints:
        """The split each row must be in, -1 where it is free. Source and field disagree: test wins, then validation."""
        fixed = np.full(self._rows.num_rows, -1, np.int64)
        if "fixed_split" in self._rows.column_names:
            encoded = self._rows["fixed_split"].combine_chunks().dictionary_encode()
            number = np.array([SPLITS.index(name) for name in encoded.dictionary.to_pylist()] + [-1], np.int64)
            fixed = number[encoded.indices.fill_null(len(number) - 1).to_numpy(zero_copy_only=False)]
        if self._config.split_field:
            named = _split_numbers(self._columns["split_field"], self._config.split_field)
            fixed = np.maximum(fixed, named)
        return fixed

    def group(self) -> Ints:
        """A number for each value of group_by; -1 for rows without one."""
        values = self._columns.get("group_by")
        if values is None:
            return np.full(self._rows.num_rows, -1, np.int64)
        numbers: dict[str, int] = {}
        keys = (_key(value) for value in values)
        return np.array([-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys], np.int64)

    def stratum(self) -> Ints:
        """The place of each row's value among the sorted values; rows without one make a stratum of their own."""
        if self._config.stratify is None:
            return np.zeros(self._rows.num_rows, np.int64)
        if self._config.stratify == SOURCE:
            name = "source_name" if "source_name" in self._rows.column_names else "source"
            values = self._rows[name].to_pylist()
        else:
            values = self._columns["stratify"]
        keys = [_key(value) or "" for value in values]
        place = {key: i for i, key in enumerate(sorted(set(keys)))}
        return np.array([place[key] for key in keys], np.int64)

    def time(self) -> Ints:
        """The place of each row's time among the times, oldest first; 0 for all without a time_field."""
        if self._config.time_field is None:
            return np.zeros(self._rows.num_rows, np.int64)
        return _time_places(self._columns["time_field"], self._config.time_field)


def _meta_columns(rows: Any, asked: dict[str, str]) -> dict[str, list[Any]]:
    metas = metas_of(rows["record"]) if asked else []
    return {setting: field_values(metas, name, f"split.{setting}") for setting, name in asked.items()}


def _key(value: Any) -> str | None:
    """A value as text that keeps 1 and "1" together; None for a missing or empty one."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else canonical(value).decode()


def _split_numbers(values: Sequence[Any], name: str) -> Ints:
    words = [value.strip().lower() if isinstance(value, str) else value for value in values]
    unknown = Counter(str(w) for w in words if w not in (None, "") and not (isinstance(w, str) and w in SPLIT_NAMES))
    if unknown:
        shown = ", ".join(
            f'"{word}" ({n} rows)' for word, n in sorted(unknown.items(), key=lambda p: (-p[1], p[0]))[:5]
        )
        raise ConfigError(f"split.split_field: {name} holds {shown}; a split is one of {', '.join(SPLIT_NAMES)}")
    return np.array([SPLIT_NAMES[word] if word else -1 for word in words], np.int64)


def _time_places(values: Sequence[Any], name: str) -> Ints:
    times = [_seconds(value) for value in values]
    bad = [value for value, time in zip(values, times, strict=True) if time is None]
    if bad:
        raise ConfigError(
            f"split.time_field: {len(bad)} rows have no usable time in {name}, for instance {bad[0]!r}; "
            f"use ISO dates (2024-05-31, 2024-05-31T12:00:00Z) or numbers in every row"
        )
    if len({isinstance(value, str) for value in values}) > 1:
        raise ConfigError(f"split.time_field: {name} mixes numbers and dates; use one of them in every row")
    return np.unique(np.array(times, np.float64), return_inverse=True)[1].astype(np.int64)


def _seconds(value: Any) -> float | None:
    """A number as it is, an ISO date as seconds since 1970 (UTC where it names no zone)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
