"""`select` of a recipe: steps that each choose some of the rows the step before has left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from curation.errors import ConfigError, did_you_mean

By = Literal["random", "length", "score", "diversity", "quota"]

# What each kind of step understands besides `by` and `n`.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "random": ("seed",),
    "length": ("order", "target", "on"),
    "score": ("field", "order"),
    "diversity": ("seed", "on", "size"),
    "quota": ("field", "per_value", "seed"),
}
_ORDERS: Final = {"length": ("longest", "shortest", "closest_to"), "score": ("highest", "lowest")}
_ON: Final = ("both", "prompt", "answer")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. None means: not said, and of no meaning for this kind of step."""

    by: By
    n: int | None = None
    seed: int | None = None
    order: str | None = None
    target: int | None = None  # characters, for order: closest_to
    on: str | None = None
    field: str | None = None
    per_value: int | None = None
    size: int | None = None  # words in a shingle, for diversity

    def __post_init__(self) -> None:
        if self.by not in _KEYS:
            raise ConfigError(f'by: "{self.by}" is not known{did_you_mean(str(self.by), _KEYS)}')
        allowed = ("by", "n", *_KEYS[self.by])
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in allowed:
                raise ConfigError(f"{field.name} has no meaning for by: {self.by}; leave it out")
        self._settle("seed", 0)
        self._settle("on", "both")
        self._settle("size", 1)
        self._settle("order", _ORDERS.get(self.by, ("",))[0])
        self._check()

    def _settle(self, name: str, default: Any) -> None:
        if name in _KEYS[self.by] and getattr(self, name) is None:
            object.__setattr__(self, name, default)

    def _check(self) -> None:
        if self.by == "quota" and (self.n is None) == (self.per_value is None):
            raise ConfigError("quota needs either n, the rows in all, or per_value, the rows of each value")
        if self.by != "quota" and self.n is None:
            raise ConfigError("n is missing; say how many rows to take")
        for name in ("n", "per_value", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if "field" in _KEYS[self.by] and not self.field:
            raise ConfigError(f"field is missing; name the field of meta that by: {self.by} goes by")
        if self.order is not None and self.order not in _ORDERS[self.by]:
            raise ConfigError(f'order: "{self.order}" is not known{did_you_mean(self.order, _ORDERS[self.by])}')
        if self.on is not None and self.on not in _ON:
            raise ConfigError(f'on: "{self.on}" is not known{did_you_mean(self.on, _ON)}')
        if (self.order == "closest_to") != (self.target is not None):
            raise ConfigError("target, in characters, goes with order: closest_to and with no other")


@dataclass(frozen=True, slots=True)
class SelectConfig:
    """`select:` of a recipe. No steps: every row is taken. Steps given as mappings become Step."""

    steps: Sequence[Step | Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(_step(i, step) for i, step in enumerate(self.steps)))


def _step(i: int, step: Step | Mapping[str, Any]) -> Step:
    if isinstance(step, Step):
        return step
    known = [field.name for field in fields(Step)]
    for key in step:
        if key not in known:
            raise ConfigError(f"select.steps.{i}.{key} is not a known key{did_you_mean(str(key), known)}")
    if "by" not in step:
        raise ConfigError(f"select.steps.{i}.by is missing; add it")
    try:
        return Step(**step)
    except ConfigError as error:
        raise ConfigError(f"select.steps.{i}: {error}") from None
