"""Texts of the planted defects. All names, addresses and numbers are invented or reserved for examples."""

from __future__ import annotations

from typing import Final

from data.prose import prose

_TEXTS: Final = prose("defect_texts")
FOOTER: Final[str] = _TEXTS["footer"]
PLACEHOLDERS: Final[list[str]] = _TEXTS["placeholders"]
REFUSALS: Final[list[str]] = _TEXTS["refusals"]
REPEATED: Final[list[str]] = _TEXTS["repeated"]

# A word for another of the same meaning: no number, code, unit, date or negation among them.
SYNONYMS: Final[list[tuple[str, str]]] = _TEXTS["synonyms"]

# prompt, first answer, contradicting answer
CONFLICTS: Final[list[tuple[str, str, str]]] = _TEXTS["conflicts"]

# Two long texts with the same words; {v} is what differs between the two rows of a pair.
LONG_PAIRS: Final[list[tuple[str, str, str, str]]] = _TEXTS["long_pairs"]

# prompt, answer in another language
WRONG_LANGUAGE: Final[list[tuple[str, str]]] = _TEXTS["wrong_language"]

# prompt, answer, what in them is personal
PERSONAL: Final[list[tuple[str, str, list[str]]]] = _TEXTS["personal"]

# What an earlier converter made of an answer with headings: the parts became turns.
CUT: Final[list[list[str]]] = _TEXTS["cut"]

# Three questions with two headings each, in the old Llama-2 text with hash signs lost as well.
CUT_LLAMA: Final[list[list[str]]] = _TEXTS["cut_llama"]
