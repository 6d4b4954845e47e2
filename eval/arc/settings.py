"""How a multiple-choice benchmark is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from curation.errors import ConfigError

Regime = Literal["separate", "letters"]
Bos = Literal["tokenizer", "always", "never"]
HARNESS_SEED: Final = 1234  # lm-evaluation-harness draws its examples with this seed unless told otherwise


@dataclass(frozen=True, slots=True)
class ChoiceSettings:
    """regime: `separate` scores the text of each choice, `letters` lists all choices and scores their labels.

    chat: ask through the chat template. bos: what stands first without a chat template: what the tokenizer adds
    by itself (the harness's way), always, or never.
    """

    regime: Regime = "separate"
    shots: int = 0
    seed: int = HARNESS_SEED
    chat: bool = False
    bos: Bos = "tokenizer"
    batch_tokens: int | None = None  # in one forward pass, padding included; None: what suits the device

    def __post_init__(self) -> None:
        if self.shots < 0:
            raise ConfigError(f"shots must be at least 0, not {self.shots}")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise ConfigError(f"batch_tokens must be at least 1, not {self.batch_tokens}")

    def signature(self) -> str:
        """What has to be equal for two scores to be compared."""
        chat = "chat" if self.chat else f"plain, bos {self.bos}"
        shots = f"{self.shots}-shot, seed {self.seed}" if self.shots else "0-shot"
        return f"{self.regime}, {shots}, {chat}"
