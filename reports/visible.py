"""Text of models and data made harmless for the eye: what cannot be seen, or turns the line around, is spelt out."""

from __future__ import annotations

from typing import Final

# Joiners that spelling needs, wide and fixed spaces, and the line breaks that a paragraph may have.
_KEPT: Final = "\u200c\u200d\u3000\xa0\n\t"


def visible(text: str) -> str:
    """The text with control, format and unassigned characters as escapes; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _KEPT else f"\\u{ord(c):04x}" for c in text)
