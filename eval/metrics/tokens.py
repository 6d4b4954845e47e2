"""Texts as tokens: rouge_score's way for English, a Unicode way for every other language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import ConfigError
from curation.language.cedilla import fold_cedilla

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]
_ASCII: Final = re.compile(r"[a-z0-9]+")
_SHORTEST_STEMMED: Final = 4  # letters; rouge_score leaves shorter words alone


def ascii_tokens(text: str) -> list[str]:
    """What rouge_score 0.1.2 makes of a text without its stemmer: every letter beyond a-z separates."""
    return _ASCII.findall(text.lower())


def unicode_tokens(text: str) -> list[str]:
    """Runs of letters, marks and digits, lower-cased; one character each in scripts written without spaces.

    On ASCII text the same as ascii_tokens.
    """
    lowered = text.lower()
    return _ASCII.findall(lowered) if lowered.isascii() else _letters().findall(lowered)


@cache
def _letters() -> re.Pattern[str]:
    from curation.shingles import JOIN, KIND_SHIFT, OWN, character_table  # with numba, which most texts need not

    kind = character_table("auto") >> np.uint32(KIND_SHIFT)
    kind[ord("_")] = 0
    return re.compile(f"[{_ranges(kind == OWN)}]|[{_ranges(kind == JOIN)}]+")


def _ranges(mask: Any) -> str:
    """A character class of the code points where the mask is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return "".join(f"{re.escape(chr(a))}-{re.escape(chr(b - 1))}" for a, b in edges.reshape(-1, 2).tolist())


def tokenizer(language: str | None) -> tuple[str, Callable[[str], list[str]]]:
    """(name for signatures, tokenizer). A text of unknown language is not taken for English."""
    if language == "en":
        return "rouge_score[en]", ascii_tokens
    if language == "ro":
        return "unicode", lambda text: unicode_tokens(fold_cedilla(text))
    return "unicode", unicode_tokens


@cache
def stem() -> Callable[[str], str]:
    """NLTK's Porter stemmer as rouge_score uses it, remembering every word."""
    try:
        from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ConfigError('stemmer: nltk is not installed; run: pip install "curate[eval]"') from None
    stemmer = PorterStemmer()
    return cache(lambda word: str(stemmer.stem(word)) if len(word) >= _SHORTEST_STEMMED else word)


def encode(lists: Iterable[Sequence[str]], vocabulary: dict[str, int]) -> tuple[Ids, Ints]:
    """Tokens as numbers of one shared vocabulary (which grows): list i is ids[at[i]:at[i + 1]]."""
    ids: list[int] = []
    at = [0]
    for tokens in lists:
        ids += [vocabulary.setdefault(token, len(vocabulary)) for token in tokens]
        at.append(len(ids))
    return np.asarray(ids, np.int32), np.asarray(at, np.int64)


def code_points(texts: Sequence[str]) -> tuple[Ids, Ints]:
    """Characters as code points: text i is ids[at[i]:at[i + 1]]."""
    at = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")  # JSON may hold half a surrogate pair
    return np.frombuffer(joined, np.int32), at.astype(np.int64)


def arrow(texts: Iterable[str | None]) -> Any:
    """An Arrow column; half a surrogate pair, which UTF-8 has no bytes for, becomes "?", a missing text ""."""
    return pa.array([(text or "").encode("utf-8", "replace").decode() for text in texts], pa.large_string())
