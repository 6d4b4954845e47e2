"""Romanian written without its diacritics, which the language model was not trained on."""

from __future__ import annotations

import re
from typing import Final

# Function words without diacritics. The strong ones stand in few other languages, and not side by side.
_WEAK_WORDS: Final = (
    "a ai al ale am ar are as au ca ce cea cei cel cele cine de e fi i in la le lor ma mi ne ni noi o se "
    "te ti tot un una unul vi voi vor vrea"
)
_STRONG_WORDS: Final = (
    "acasa acea aceasta aceea acest acesta aceste acestea apoi asa atunci avea aveti cand care cat cate "
    "cati catre chiar cu cum daca dar dati decat deja desi despre din dintr dintre doar doua dupa este "
    "fara fata fiecare foarte fost imi inainte intai intr intre isi iti langa lui mai mult multe nici "
    "niciodata nimeni niste nostru nu numai ori pana pe pentru pot poti prin sa sau sfarsitul si spre "
    "spus sub sunt toata toate totul trebuie trei unde unei unui va vreau zi zile ziua"
)
_STRONG: Final = frozenset(_STRONG_WORDS.split())
_KNOWN: Final = _STRONG | frozenset(_WEAK_WORDS.split())
_WORD: Final = re.compile(r"[^\W\d_]+")


def reads_as_romanian(text: str) -> bool:
    """Whether a quarter of the words, without regard to diacritics, are Romanian function words, two of them strong."""
    found = _WORD.findall(text.lower())
    known = sum(word in _KNOWN for word in found)
    return known * 4 >= len(found) and sum(word in _STRONG for word in found) >= 2
