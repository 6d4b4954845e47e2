"""How answers are generated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from curation.errors import ConfigError


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Greedy at temperature 0. Sampling draws each answer with a seed of its own, made of `seed` and the item's id."""

    max_new_tokens: int = 256  # the end of turn is one of them
    batch_size: int = 8
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.temperature >= 0:
            raise ConfigError(f"temperature must be 0 (greedy) or more, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, not {self.top_p}")

    def as_json(self) -> dict[str, Any]:
        """What decides about the answers: not the batch size, nor a seed that nothing is drawn with."""
        if self.temperature == 0:
            return {"max_new_tokens": self.max_new_tokens, "temperature": 0.0}
        return {name: value for name, value in asdict(self).items() if name != "batch_size"}


DEFAULTS: Final = GenerationSettings()
