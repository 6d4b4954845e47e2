"""What a command needs that the plain package does not bring."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from curation.errors import ConfigError

MODEL: Final = ("torch", "transformers", "peft")
TRAINING: Final = (*MODEL, "accelerate", "bitsandbytes")
DRAWING: Final = ("altair", "vl_convert")


def require(modules: Sequence[str], extra: str) -> None:
    """ConfigError with what to install where one of these is missing; nothing is imported for it."""
    for name in modules:
        if find_spec(name) is None:
            raise ConfigError(f'{name} is not installed; pip install "curate[{extra}]"')
