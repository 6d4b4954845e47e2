"""What the user may say about splits: ratios or exact counts, and what ties rows together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from curation.errors import ConfigError, did_you_mean

Split = Literal["train", "validation", "test"]
SPLITS: Final = ("train", "validation", "test")  # a split's number; where clusters merge the highest wins
TRAIN, VALIDATION, TEST = range(3)
DEFAULT_RATIOS: Final[Mapping[str, float]] = MappingProxyType({"train": 0.9, "validation": 0.05, "test": 0.05})
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """`split:` of a recipe. Neither ratios nor counts: the default ratios. A count of None takes what is left."""

    ratios: Mapping[str, float] | None = None
    counts: Mapping[str, int | None] | None = None
    seed: int = 0
    edge: Literal["default", "strict"] = "default"
    threshold: float = 0.5
    size: int = 5
    stratify: str | None = None
    split_field: str | None = None
    group_by: str | None = None
    time_field: str | None = None

    def __post_init__(self) -> None:
        if self.counts is not None and self.ratios is not None:
            raise ConfigError("split: counts and ratios exclude each other; leave one out")
        if self.counts is not None:
            _check_counts(self.counts)
        elif self.ratios is None:
            object.__setattr__(self, "ratios", dict(DEFAULT_RATIOS))
        else:
            _check_ratios(self.ratios)
        if self.edge not in ("default", "strict"):
            raise ConfigError(f'split.edge: "{self.edge}" is not known{did_you_mean(self.edge, ("default", "strict"))}')
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"split.threshold: {self.threshold} is not above 0 and at most 1; 0.5 is the default")
        if not 1 <= self.size <= 50:
            raise ConfigError(f"split.size: {self.size} is not in 1..50; 5 is the default")
        if self.time_field and self.stratify:
            raise ConfigError("split: time_field decides what goes to test, so stratify has no say; leave one out")


def _check_names(where: str, names: Mapping[str, object]) -> None:
    for name in names:
        if name not in SPLITS:
            raise ConfigError(f'split.{where}: "{name}" is not a split{did_you_mean(name, SPLITS)}')


def _check_ratios(ratios: Mapping[str, float]) -> None:
    _check_names("ratios", ratios)
    for name, value in ratios.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"split.ratios.{name}: {value:g} is not between 0 and 1")
    total = sum(ratios.values())
    if abs(total - 1) > _TOLERANCE:
        held = ratios.get("train", 0.0) + 1 - total
        advice = f"train: {held:.6g} would make it so" if 0 <= held <= 1 else "lower validation or test"
        raise ConfigError(f"split.ratios: they sum to {total:.6g}, not 1; {advice}")


def _check_counts(counts: Mapping[str, int | None]) -> None:
    _check_names("counts", counts)
    if not counts:
        raise ConfigError("split.counts: names no split; say for instance {test: 100, train: null}")
    for name, value in counts.items():
        if value is not None and value < 0:
            raise ConfigError(f"split.counts.{name}: {value} is below 0")
    if sum(value is None for value in counts.values()) > 1:
        raise ConfigError("split.counts: only one split can take the rest (null)")
