"""A SentencePiece model as chat models use it: special tokens count as one, and no piece gets a space in front."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError

# The model puts a space before every text it is given, but a piece of a row follows other text. So each piece is
# given after a character of no vocabulary, which joins with nothing, and that character's tokens are taken off.
_BEFORE: Final = "\ue0f1"


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
        self._before = len(self._model.encode(_BEFORE))
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
        encoded = self._model.encode([_BEFORE + part for part in flat], num_threads=1)
        for owner, ids in zip(owners, encoded, strict=True):
            totals[owner] += len(ids) - self._before
        return totals

    def _piece(self, i: int) -> str:
        return str(self._model.id_to_piece(i)) if i >= 0 else ""
