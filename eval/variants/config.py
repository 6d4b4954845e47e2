"""Factors, their levels, and the cells that they span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final, Literal

from curation.config_file import load_config
from curation.errors import ConfigError
from eval.suite import Suite, load_suite, suite_of

SCHEMA: Final = "variants.schema.json"
MOST_CELLS: Final = 64


@dataclass(frozen=True, slots=True)
class Level:
    """What one level changes about a prompt. system: only where `sets_system`; None there takes it away."""

    name: str
    system: str | None = None
    sets_system: bool = False
    replace: Mapping[str, str] = field(default_factory=dict)
    before: str | None = None
    after: str | None = None
    repeat: Literal["system", "question"] | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    name: str
    levels: tuple[Level, ...]  # the first is what the others are compared with


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination: a level of each factor, in the factors' order."""

    number: int  # from 0, the last factor's level changes fastest
    levels: tuple[Level, ...]

    def label(self, factors: Sequence[Factor]) -> str:
        """system=on, wording=must"""
        named = zip(factors, self.levels, strict=True)
        return ", ".join(f"{factor.name}={level.name}" for factor, level in named)


@dataclass(frozen=True, slots=True)
class Variants:
    factors: tuple[Factor, ...]
    suite: Suite
    limit: int | None = None
    interactions: bool = True

    def __post_init__(self) -> None:
        count = prod(len(factor.levels) for factor in self.factors)
        if count > MOST_CELLS:
            raise ConfigError(f"factors: {count} combinations; at most {MOST_CELLS} are asked, leave out some levels")
        setting = [factor.name for factor in self.factors if any(level.sets_system for level in factor.levels)]
        if len(setting) > 1:
            raise ConfigError(
                f"factors: {setting[0]} and {setting[1]} both set the system text, so one would undo the other; let "
                "the second use replace, before or after"
            )
        if self.suite.is_test:
            raise ConfigError("prompts are chosen by these results, and test is for the end; use validation or a file")

    @property
    def cells(self) -> tuple[Cell, ...]:
        combined = product(*(factor.levels for factor in self.factors))
        return tuple(Cell(number, levels) for number, levels in enumerate(combined))


def load_variants(path: Path, near: Path) -> Variants:
    """The variants in a YAML file; a suite that it names lies in the workspace `near`."""
    told = load_config(path, SCHEMA)
    given = told.get("suite")
    if isinstance(given, Mapping):
        suite = suite_of(given, path.stem, where=f"{path}: suite")
    else:
        suite = load_suite(given, near)
    factors = tuple(
        Factor(name, tuple(_level(level, edits or {}) for level, edits in levels.items()))
        for name, levels in told["factors"].items()
    )
    try:
        return Variants(factors, suite, told.get("limit"), told.get("interactions", True))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _level(name: str, edits: Mapping[str, Any]) -> Level:
    return Level(name, **edits, sets_system="system" in edits)
