"""What kind of character each code point is to the filters, as tables the compiled scan reads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

SPACE, LETTER, PUNCTUATION, DASH, SYMBOL, BROKEN, ZERO_WIDTH, IDEOGRAPH = range(8)

_COMMON = b",;:!?'\"()<>[]{}/="  # with the brackets of code, lists and mark-up
_DASHES = [0x2D, 0x2E, 0x5F, 0x2013, 0x2014, 0x2026]  # - . _ and their long forms: what people type for "nothing"


def _ascii_classes() -> Any:
    classes = np.full(128, SYMBOL, np.uint8)
    classes[:32] = BROKEN
    classes[127] = BROKEN
    classes[[9, 10, 11, 12, 13, 32]] = SPACE
    for code in range(128):
        if chr(code).isalnum():
            classes[code] = LETTER
    classes[list(_COMMON)] = PUNCTUATION
    return classes


# (first, last, class) of everything above ASCII that is not a letter, by block: exact Unicode categories would
# need a table of a million entries at every start, and no filter turns on a single rare character.
_RANGES: Final = np.array(
    [
        (0x80, 0x84, BROKEN),
        (0x85, 0x85, SPACE),
        (0x86, 0x9F, BROKEN),
        (0xA0, 0xA0, SPACE),
        (0xA1, 0xA1, PUNCTUATION),
        (0xA2, 0xA6, SYMBOL),
        (0xA7, 0xA7, PUNCTUATION),
        (0xA8, 0xA9, SYMBOL),
        (0xAB, 0xAB, PUNCTUATION),
        (0xAD, 0xAD, ZERO_WIDTH),
        (0xAC, 0xAF, SYMBOL),
        (0xB0, 0xB0, PUNCTUATION),
        (0xB1, 0xB4, SYMBOL),
        (0xB6, 0xB7, PUNCTUATION),
        (0xB8, 0xB8, SYMBOL),
        (0xBB, 0xBB, PUNCTUATION),
        (0xBF, 0xBF, PUNCTUATION),
        (0xD7, 0xD7, SYMBOL),
        (0xF7, 0xF7, SYMBOL),
        (0x300, 0x36F, SYMBOL),  # combining marks: a few are an accent, a pile of them is garbage
        (0x60C, 0x60C, PUNCTUATION),
        (0x61F, 0x61F, PUNCTUATION),
        (0x964, 0x965, PUNCTUATION),
        (0xE00, 0xEFF, IDEOGRAPH),  # Thai and Lao: no spaces between words
        (0x1000, 0x109F, IDEOGRAPH),  # Burmese
        (0x1780, 0x17FF, IDEOGRAPH),  # Khmer
        (0x2000, 0x200A, SPACE),
        (0x200B, 0x200F, ZERO_WIDTH),
        (0x2010, 0x2027, PUNCTUATION),
        (0x2028, 0x2029, SPACE),
        (0x202A, 0x202E, ZERO_WIDTH),
        (0x202F, 0x202F, SPACE),
        (0x2030, 0x205E, PUNCTUATION),
        (0x205F, 0x205F, SPACE),
        (0x2060, 0x206F, ZERO_WIDTH),
        (0x20A0, 0x20CF, PUNCTUATION),  # currencies
        (0x2190, 0x2BFF, SYMBOL),
        (0x2E00, 0x2E7F, PUNCTUATION),
        (0x3000, 0x3000, SPACE),
        (0x3001, 0x303F, PUNCTUATION),
        (0x3040, 0x30FF, IDEOGRAPH),
        (0x3400, 0x4DBF, IDEOGRAPH),
        (0x4E00, 0x9FFF, IDEOGRAPH),
        (0xE000, 0xF8FF, BROKEN),  # private use
        (0xF900, 0xFAFF, IDEOGRAPH),
        (0xFDD0, 0xFDEF, BROKEN),
        (0xFE00, 0xFE0F, ZERO_WIDTH),
        (0xFEFF, 0xFEFF, ZERO_WIDTH),
        (0xFF01, 0xFF0F, PUNCTUATION),
        (0xFF1A, 0xFF20, PUNCTUATION),
        (0xFF3B, 0xFF40, PUNCTUATION),
        (0xFF5B, 0xFF65, PUNCTUATION),
        (0xFFF0, 0xFFFF, BROKEN),  # U+FFFD and non-characters
        (0x1F000, 0x1FAFF, SYMBOL),  # emoji
        (0x20000, 0x3FFFF, IDEOGRAPH),
        (0xE0000, 0xE0FFF, ZERO_WIDTH),
        (0xF0000, 0x10FFFF, BROKEN),
    ],
    np.int64,
)


def _basic_plane() -> Any:
    classes = np.full(0x10000, LETTER, np.uint8)
    classes[:128] = _ascii_classes()
    for first, last, kind in _RANGES:
        classes[first : min(last, 0xFFFF) + 1] = kind
    classes[0xAD] = ZERO_WIDTH
    classes[_DASHES] = DASH
    return classes


CLASSES: Final = _basic_plane()

# What a byte 0x80..0xBF looks like when read as cp1252 or Latin-1: the second half of most mojibake.
_CONTINUATIONS = set(range(0x80, 0xC0)) | {ord(c) for c in bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")}


def _continuation_table() -> Any:
    table = np.zeros(0x2200, np.bool_)
    table[sorted(_CONTINUATIONS)] = True
    return table


CONTINUATION: Final = _continuation_table()


def class_of(codes: Any) -> Any:
    """Classes of an array of code points; beyond the basic plane they count as symbols."""
    return np.where(codes < 0x10000, CLASSES[np.minimum(codes, 0xFFFF)], SYMBOL)
