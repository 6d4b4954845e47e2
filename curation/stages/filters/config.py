"""What the recipe's `filters` section asks for: per filter an action and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from curation.errors import ConfigError

Action = Literal["flag", "drop", "off"]
ACTIONS: Final = ("flag", "drop", "off")


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with the rows a filter finds."""

    action: Action = "flag"


@dataclass(frozen=True, slots=True)
class MaxRule(Rule):
    """A row is found when its value is above max."""

    max: float = 0.0


@dataclass(frozen=True, slots=True)
class RangeRule(Rule):
    """A row is found when its value is below min or above max."""

    min: int = 0
    max: int = 0


@dataclass(frozen=True, slots=True)
class FiltersConfig:
    """Hard defects drop, soft signals flag. A field takes a rule, or a mapping that changes parts of its default."""

    empty: Rule = Rule("drop")
    placeholder: Rule = Rule("drop")
    undecodable: Rule = Rule("drop")
    length: RangeRule = RangeRule(min=1, max=20_000)
    repetition: MaxRule = MaxRule(max=0.5)
    refusal: Rule = Rule()
    boilerplate: MaxRule = MaxRule(max=12)
    cut_off: Rule = Rule()
    unbalanced_fence: Rule = Rule()
    mojibake: MaxRule = MaxRule(max=0)
    symbols: MaxRule = MaxRule(max=0.35)
    echo: MaxRule = MaxRule(max=0.8)

    def __post_init__(self) -> None:
        for field in fields(self):
            default: Any = field.default
            given = getattr(self, field.name)
            rule = replace(default, **given) if isinstance(given, Mapping) else given
            _check(field.name, rule)
            object.__setattr__(self, field.name, rule)


def _check(name: str, rule: Rule) -> None:
    if rule.action not in ACTIONS:
        raise ConfigError(f'filters.{name}.action: "{rule.action}" is not known; use flag, drop or off')
    if isinstance(rule, RangeRule) and rule.min > rule.max:
        raise ConfigError(f"filters.{name}: min {rule.min} is above max {rule.max}, so every row would be found")
