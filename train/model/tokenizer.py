"""A model's tokenizer, for training and for use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from curation.errors import ConfigError


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model's folder, set to pad on the left, as batched generation needs it."""
    from transformers import AutoTokenizer

    # Texts come a row at a time: handing each to another thread costs more than it saves, most of all on busy cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder}: its tokenizer cannot be loaded ({_line(error)}); copy the model again") from None
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
