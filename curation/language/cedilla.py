"""Romanian typed with Turkish cedilla letters, folded to the comma letters it is written with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_CEDILLA: Final = "\u015e\u015f\u0162\u0163"
_COMMA: Final = "\u0218\u0219\u021a\u021b"
_FOLD: Final = str.maketrans(_CEDILLA, _COMMA)


def fold_cedilla(text: str) -> str:
    """The text with comma letters for cedilla letters; nothing else changes. In Turkish the cedilla is right."""
    return text.translate(_FOLD)


def fold_romanian(texts: Sequence[str]) -> list[str]:
    """fold_cedilla for those texts that are found to be Romanian; all others as they are, the same objects."""
    folded = list(texts)
    suspects = [i for i, text in enumerate(texts) if not text.isascii() and any(c in text for c in _CEDILLA)]
    if not suspects:
        return folded
    from curation.language.detect import detect_languages

    codes, _ = detect_languages([texts[i] for i in suspects])
    for i, code in zip(suspects, codes, strict=True):
        if code == "ro":
            folded[i] = fold_cedilla(texts[i])
    return folded
