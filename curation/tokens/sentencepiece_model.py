"""A SentencePiece model as chat models use it: special tokens count as one, only a row's start gets a space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.errors import ConfigError


class SentencePieceTokenizer:
    def __init__(self, path: Path) -> None:
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError:
            raise ConfigError(f"{path}: needs the package sentencepiece; run: pip install sentencepiece") from None
        try:
            self._model: Any = SentencePieceProcessor(model_file=str(path))
        except (RuntimeError, OSError) as error:
            message = " ".join(str(error).split())
            raise ConfigError(f"{path}: is not a SentencePiece model ({message}); name another file") from None
        # A piece within a row follows other text: the space before a row's first word must not be added again.
        self._model.override_normalizer_spec(add_dummy_prefix=False)
        self.bos, self.eos = (self._piece(i) for i in (self._model.bos_id(), self._model.eos_id()))
        control = [self._piece(i) for i in range(self._model.get_piece_size()) if self._model.is_control(i)]
        # The model reads a control token in a text as plain letters.
        self._control = re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True))) or r"(?!)")

    def counts(self, texts: Sequence[str]) -> list[int]:
        flat: list[str] = []
        totals: list[int] = []
        owners: list[int] = []
        for i, text in enumerate(texts):
            parts = self._control.split(text)
            totals.append(len(parts) - 1)
            owners += [i] * len(parts)
            flat += parts
        for owner, ids in zip(owners, self._model.encode(flat, num_threads=1), strict=True):
            totals[owner] += len(ids)
        return totals

    def _piece(self, i: int) -> str:
        return str(self._model.id_to_piece(i)) if i >= 0 else ""
