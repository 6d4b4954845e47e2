"""Prompts that ask for another language: the answer is then meant to be in it."""

from __future__ import annotations

import re
from typing import Final

# What a translation is called, by its stem, in the languages that people prompt in.
_STEMS: Final = (
    "translat traduc traduț traduţ tradut tradui traduz übersetz uebersetz vertaal vertal "
    "översätt oversæt oversett käänn tłumacz przetłumacz přelož prelož "
    "fordít çevir prevedi prevod перевед переклад "
    "преведи 翻译 翻譯 翻訳 번역 "
    "الترجم ترجم תרגם "
    "μεταφρ अनुवाद terjemah dịch"
)
# Names of languages, by their stem where they are inflected, in English and others; and the word language itself.
_LANGUAGES: Final = (
    "language langue idioma limba limbă sprache "
    "english german french spanish portugues italian romanian dutch swedish danish norwegian finnish polish czech "
    "slovak slovene hungarian turkish russian ukrainian bulgarian serbian croatian greek hebrew arabic persian farsi "
    "hindi urdu bengali tamil telugu chinese mandarin cantonese japanese korean vietnamese thai indonesian malay "
    "tagalog swahili latin catalan basque irish welsh icelandic estonian latvian lithuanian esperanto "
    "englisch deutsch französisch spanisch portugiesisch italienisch rumänisch russisch polnisch türkisch "
    "anglais allemand français espagnol italien roumain inglés alemán francés español italiano rumano "
    "engleză engleza germană germana franceză franceza spaniolă spaniola italiană rusă "
    "română românește romana "
    "английск немецк французск русск "
    "英语 英文 中文 法语 德语 日语 英語 日本語"
)
_WORDS: Final = (*_STEMS.split(), *_LANGUAGES.split())
_FIRST_EAST_ASIAN: Final = "\u2e80"  # from here on words do not begin at a space
_ASKS: Final = re.compile(
    "|".join(word if word >= _FIRST_EAST_ASIAN else rf"\b{word}" for word in _WORDS), re.IGNORECASE
)


def asks_for_a_language(prompt: str) -> bool:
    """Whether a prompt speaks of translating, or names a language."""
    return _ASKS.search(prompt) is not None
