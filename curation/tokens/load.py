"""Opens a tokenizer from a file or a folder: tokenizer.json or a SentencePiece model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from curation.errors import ConfigError
from curation.templates.folder import special_tokens
from curation.tokens.sentencepiece_model import SentencePieceTokenizer

_FILES: Final = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")


class TextTokenizer(Protocol):
    """Counts tokens of text pieces without adding any; special tokens in a piece count as one each."""

    bos: str  # the token to put once before a row; "" if the tokenizer uses none
    eos: str

    def counts(self, texts: Sequence[str]) -> list[int]: ...


class JsonTokenizer:
    """A tokenizer.json. TOKENIZERS_PARALLELISM=false keeps it to one thread."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every fault of a file
            raise ConfigError(f"{path}: is not a tokenizer.json ({error}); name another file") from None
        # Both may be stored in the file; they would cut long rows, or lengthen short ones, in silence.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        tokens = special_tokens(path.parent)
        self.bos = tokens.get("bos_token", "") or self._added_first()
        self.eos = tokens.get("eos_token", "")

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _added_first(self) -> str:
        """The token that the tokenizer itself puts first, where the folder names no BOS."""
        bare, whole = (self._tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
        return str(self._tokenizer.id_to_token(whole[0])) if whole[:1] != bare[:1] else ""


def load_tokenizer(path: str | Path) -> TextTokenizer:
    """A tokenizer of a file, or of the folder that holds it; ConfigError if there is none."""
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder; name a tokenizer's file or folder")
    if path.is_dir():
        found = next((path / name for name in _FILES if (path / name).is_file()), None)
        if found is None:
            raise ConfigError(f"{path}: no tokenizer here ({' or '.join(_FILES[:2])}); name its folder or file")
        path = found
    return JsonTokenizer(path) if path.suffix == ".json" else SentencePieceTokenizer(path)
