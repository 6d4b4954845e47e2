"""Shingle sets against a plain reading of their definition."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.shingles import CODE_MASK, GAP, KIND_SHIFT, OWN, Shingles, Unit, character_table, shingle

Grams = set[tuple[str, ...]]


def sets(texts: Sequence[str | None], unit: Unit, size: int) -> list[frozenset[int]]:
    shingles = shingle(pa.array(list(texts), pa.large_string()), unit, size)
    return [
        frozenset(shingles.values[a:b].tolist()) for a, b in zip(shingles.offsets, shingles.offsets[1:], strict=False)
    ]


def plain(text: str, unit: Unit, size: int) -> frozenset[tuple[object, ...]]:
    """The definition, with tuples in place of hashes."""
    lowered = text.lower()
    squeezed = " ".join(re.split(r"\s+", lowered.strip()))
    tokens = list(squeezed) if unit == "char" else re.findall(r"\w+", lowered)
    if not tokens:
        return frozenset({("whole", squeezed)} if squeezed else ())
    if len(tokens) < size:
        return frozenset({("short", *tokens)})
    return frozenset(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))


# ruff: noqa: RUF001 - letters that look alike and lower-case differently are the point here
letters = st.text(st.sampled_from("abAB ΣσςİiıßÉé \n\t.,!_9中ก٣\u0307\u1e9e𝔸Ⴀ😀"), max_size=25)


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(letters | st.text(max_size=12), max_size=5),
    unit=st.sampled_from(["word", "char"]),
    size=st.integers(1, 6),
)
@example(texts=["ΑΣ", "ας", "ασ", "İ", "i̇"], unit="char", size=1)
@example(texts=["a b", "b a", "a b c"], unit="word", size=3)
def test_sets_are_equal_where_their_definition_says(texts: list[str], unit: Unit, size: int) -> None:
    """Hashes stand for shingles one to one: equal where those are equal, as many as those, sharing as many."""
    hashed, spelled = sets(list(texts), unit, size), [plain(t, unit, size) for t in texts]
    for one, spelled_one in zip(hashed, spelled, strict=True):
        assert len(one) == len(spelled_one)
        for two, spelled_two in zip(hashed, spelled, strict=True):
            assert len(one & two) == len(spelled_one & spelled_two)


def test_a_short_text_is_one_shingle_of_its_own() -> None:
    two, other, five = sets(["red blue", "blue red", "red blue one two three"], "word", 5)
    assert len(two) == len(other) == len(five) == 1
    assert len({two, other, five}) == 3


def test_empty_blank_and_null_texts_have_no_shingle() -> None:
    for unit in ("word", "auto", "char"):
        assert sets(["", None, " \n\t "], unit, 5) == [frozenset()] * 3


def test_texts_of_punctuation_compare_as_a_whole() -> None:
    one, same, other = sets(["?!  ...", " ?! ... ", "?!"], "auto", 5)
    assert one == same
    assert one != other


def test_auto_takes_characters_of_scripts_without_spaces_as_words() -> None:
    (chinese,) = sets(["我要一杯热咖啡"], "auto", 5)
    assert len(chinese) == 3
    assert len(sets(["我要一杯热咖啡"], "word", 5)[0]) == 1
    thai, vowel = sets(["กินข้าวกัน", "กันข้าวกัน"], "auto", 3)
    assert thai != vowel


def test_auto_keeps_marks_with_their_word() -> None:
    """The regular expression \\w+ would cut Hindi at its vowels and make these equal."""
    assert sets(["कि है"], "auto", 1) != sets(["की है"], "auto", 1)
    assert len(sets(["की"], "auto", 1)[0]) == 1


def test_auto_is_word_for_latin_text() -> None:
    text = ["How do I reset my PIN, please? Größe 10."]
    assert sets(text, "auto", 3) == sets(text, "word", 3)


def test_reads_slices_and_chunks() -> None:
    column = pa.chunked_array([pa.array(["x", "one two"]), pa.array(["three four"])])
    whole = shingle(pa.array(["one two", "three four"], pa.large_string()), "word", 2)
    for part in (column.slice(1), pa.array(["x", "one two", "three four"], pa.large_string()).slice(1)):
        found = shingle(part, "word", 2)
        assert found.values.tolist() == whole.values.tolist()
        assert found.offsets.tolist() == whole.offsets.tolist()


def test_no_texts() -> None:
    nothing = shingle(pa.array([], pa.large_string()), "word", 5)
    assert isinstance(nothing, Shingles)
    assert len(nothing) == 0


def test_one_text_of_ten_megabytes() -> None:
    text = " ".join(map(str, range(1_400_000)))
    assert len(text) > 10_000_000
    found = shingle(pa.array([text, "short"], pa.large_string()), "word", 5)
    assert np.diff(found.offsets).tolist() == [1_400_000 - 4, 1]


def test_refuses_a_size_below_one() -> None:
    with pytest.raises(ValueError, match="size 0"):
        shingle(pa.array(["a"], pa.large_string()), "word", 0)


def test_tables_know_every_character_as_python_does() -> None:
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and c not in (0x130, 0x3A3)]
    at = np.array([ord(point) for point in points])
    lowered = np.array([ord(point.lower()) for point in points])
    word, auto, char = (character_table(unit)[at] for unit in ("word", "auto", "char"))
    assert (word & CODE_MASK == lowered).all()
    assert ((char >> KIND_SHIFT == GAP) == [chr(c).isspace() for c in lowered]).all()
    is_word = np.array([chr(c).isalnum() or c == ord("_") for c in lowered])
    assert ((word >> KIND_SHIFT != GAP) == is_word).all()
    is_mark = np.array([unicodedata.category(chr(c)) in ("Mn", "Mc") for c in lowered]) & (lowered < 0x20000)
    assert ((auto >> KIND_SHIFT != GAP) == (is_word | is_mark)).all()
    assert (auto[is_mark & ~is_word] >> KIND_SHIFT != OWN).sum() > 1000
