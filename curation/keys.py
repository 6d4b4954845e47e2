"""Normalised keys of texts: equal keys mean equal texts but for case and white space."""

from __future__ import annotations

import re
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.shingles import CODE_MASK, GAP, KIND_SHIFT, MULTIPLIER, character_table, decode, mix, one_array, utf8

KEYED: Final = ("system", "prompt", "answer")

# Where case carries meaning: code, and texts that speak of capital letters. "True" is not "true" there.
_CASE_MATTERS: Final = re.compile(
    r"```|[{}\\_=<>;]|\(\)|\b(?:upper|lower|title|camel|pascal|snake|sentence)[ -]?case|case[ -]sensitiv"
    r"|\bcapital(?:i[sz]|s\b| letter)|\bcaps\b|majuscul|minuscul|großbuchstab|kleinbuchstab|大写|小写",
    re.IGNORECASE,
)


def case_matters(text: str) -> bool:
    return _CASE_MATTERS.search(text) is not None


def text_keys(texts: Any, *, lowercase: bool = True, whitespace: bool = True) -> npt.NDArray[np.uint64]:
    """Two 64-bit hashes a text: of its lower case, with runs of white space as one space, unless told not to."""
    data, bounds = utf8(texts)
    keys = np.zeros((len(bounds) - 1, 2), np.uint64)
    _hash_texts(data, bounds, character_table("char"), lowercase, whitespace, keys)
    return keys


def with_keys(rows: Any) -> Any:
    """Rows with the default key of each text as a column, for the stages that ask for it: no later stage rewrites."""
    for name in KEYED:
        keys = pa.py_buffer(text_keys(rows[name]))
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), rows.num_rows, [None, keys])
        rows = rows.append_column(f"{name}_key", column)
    return rows


def column_keys(rows: Any, name: str) -> npt.NDArray[np.uint64]:
    """text_keys() of a column, from with_keys() where that was called."""
    if f"{name}_key" not in rows.column_names:
        return text_keys(rows[name])
    column = one_array(rows[f"{name}_key"])
    keys = np.frombuffer(column.buffers()[1] or b"", np.uint64)
    return keys[2 * column.offset : 2 * (column.offset + len(column))].reshape(-1, 2)


def case_variants(texts: Any, groups: npt.NDArray[np.int64], *, whitespace: bool = True) -> npt.NDArray[np.int64]:
    """For groups of texts that differ in case alone the variant of each; 0 all over where case means nothing."""
    cased = row_numbers(text_keys(texts, lowercase=False, whitespace=whitespace))
    n = groups.max(initial=-1) + 1
    one, matters, mixed = np.zeros(n, np.int64), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    one[groups] = cased
    mixed[groups[cased != one[groups]]] = True
    for at in np.flatnonzero(mixed[groups]).tolist():
        matters[groups[at]] |= case_matters(texts[at].as_py() or "")
    return np.where(matters[groups], cased, 0)


def row_numbers(rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """A number a row, the same for equal rows."""
    if rows.shape[1] == 0 or len(rows) == 0:
        return np.zeros(len(rows), np.int64)
    order = np.lexsort(rows.T)
    ordered = rows[order]
    new = np.zeros(len(rows), np.int64)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(rows), np.int64)
    numbers[order] = np.cumsum(new)
    return numbers


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _hash_texts(data: Any, bounds: Any, table: Any, lowercase: Any, whitespace: Any, keys: Any) -> None:
    for d in range(len(bounds) - 1):
        i, end = bounds[d], bounds[d + 1]
        one, two, packed = np.uint64(0), np.uint64(0), np.uint64(0)
        n, waiting, gap = 0, 0, False
        while i < end:
            point, step = decode(data, i)
            i += step
            entry = np.int64(table[point])
            code = entry & CODE_MASK if lowercase else np.int64(point)
            if whitespace and entry >> KIND_SHIFT == GAP:
                gap = n > 0
                continue
            if gap:
                packed = packed << np.uint64(21) | np.uint64(32)
                n += 1
                waiting += 1
                gap = False
                if waiting == 3:
                    one, two = _fold(one, packed), _fold_too(two, packed)
                    packed, waiting = np.uint64(0), 0
            packed = packed << np.uint64(21) | np.uint64(code)
            n += 1
            waiting += 1
            if waiting == 3:  # three code points fill a word: hashing each alone takes three times as long
                one, two = _fold(one, packed), _fold_too(two, packed)
                packed, waiting = np.uint64(0), 0
        keys[d, 0] = mix(_fold(one, packed) + np.uint64(n))
        keys[d, 1] = mix(_fold_too(two, packed))


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _fold(h: Any, word: Any) -> Any:
    h = (h ^ word) * MULTIPLIER
    return h ^ (h >> np.uint64(29))


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _fold_too(h: Any, word: Any) -> Any:
    h = (h + word + np.uint64(1)) * np.uint64(0xD1342543DE82EF95)
    return h ^ (h >> np.uint64(31))
