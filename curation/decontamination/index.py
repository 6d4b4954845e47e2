"""An index of what evaluation items ask, and one pass over all rows that names the pairs worth a closer look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.decontamination.frames import FRAME_WORDS
from curation.decontamination.words import Words, Words64, word_table, words, words_of
from curation.shingles import MULTIPLIER, mix, utf8

Ints = npt.NDArray[np.int64]

SIZE: Final = 5  # words of an n-gram
COMMON: Final = 8  # an n-gram of more stems than this is a phrase, and so is a word of more than a tenth of them
SHORT: Final = 8  # a stem of fewer words counts only with its choices or its answer
FEWEST: Final = 3  # n-grams that a stem needs to count for itself
LONGEST: Final = 16  # words at the end of a longer stem without n-grams of its own that stand for the whole
_BITS: Final = 22
_TENTH: Final = 50  # from so many stems on a tenth of them is a number that says something


@dataclass(frozen=True, slots=True)
class Stems:
    """Distinct stems. Only `telling` n-grams count: rare in the sets, and with a word that is not exam language."""

    words: Words
    content: npt.NDArray[np.bool_]  # of every word
    telling: npt.NDArray[np.bool_]  # of every word: does an n-gram begin here that counts
    count: Ints  # telling n-grams of each stem; 0 if it must be found as a whole

    def telling_places(self, stem: int) -> list[int]:
        low, high = self.words.offsets[stem], self.words.offsets[stem + 1]
        places: list[int] = np.flatnonzero(self.telling[low:high]).tolist()
        return places

    def content_places(self, stem: int) -> list[int]:
        low, high = self.words.offsets[stem], self.words.offsets[stem + 1]
        places: list[int] = np.flatnonzero(self.content[low:high]).tolist()
        return places


@dataclass(frozen=True, slots=True)
class Index:
    stems: Stems
    sizes: Ints  # lengths of the sequences to look up
    bitmap: npt.NDArray[np.uint8]
    slots: Words64  # open addressing: key or 0
    gram_of_slot: npt.NDArray[np.int32]
    postings: npt.NDArray[np.int32]  # stems of each gram ...
    bounds: Ints  # ... at these places
    need: npt.NDArray[np.int32]  # different grams that make a row a candidate for the stem


def index_of(texts: list[str], share: float) -> Index:
    """Index distinct stems; a row is a candidate from `share` of a stem's n-grams on."""
    found = words(pa.array(texts, pa.large_string()))
    owner = np.repeat(np.arange(len(texts)), np.diff(found.offsets))
    keys, valid = sequences(found.hashes, owner, SIZE)
    content = _content(found.hashes, owner)
    telling = _telling(keys, valid, owner, content)
    length = np.diff(found.offsets)
    count = np.bincount(owner[telling], minlength=len(texts))
    count[(length < SHORT) | (count < FEWEST)] = 0
    telling &= count[owner] > 0
    whole_keys, whole_stem, sizes = _whole(found, owner, np.flatnonzero(count == 0))
    gram_of, stem_of = _distinct(np.r_[keys[telling], whole_keys], np.r_[owner[telling], whole_stem])
    grams, start = np.unique(gram_of, return_index=True)
    need = np.ones(len(texts), np.int32)
    distinct = np.bincount(stem_of, minlength=len(texts))
    need[count > 0] = [max(1, math.ceil(share * n)) for n in distinct[count > 0].tolist()]
    slots, gram_of_slot = _table(grams)
    bitmap = np.zeros(1 << (_BITS - 3), np.uint8)
    np.bitwise_or.at(bitmap, (grams >> np.uint64(67 - _BITS)).astype(np.int64), _bit(grams))
    return Index(
        stems=Stems(found, content, telling, count),
        sizes=np.unique(np.r_[sizes, SIZE]).astype(np.int64),
        bitmap=bitmap,
        slots=slots,
        gram_of_slot=gram_of_slot,
        postings=stem_of.astype(np.int32),
        bounds=np.r_[start, len(gram_of)].astype(np.int64),
        need=need,
    )


def sequences(hashes: Words64, owner: Ints, size: int) -> tuple[Words64, npt.NDArray[np.bool_]]:
    """(key of the `size` words that begin at each word, whether they are all of one text)."""
    n = len(hashes)
    key, valid = np.zeros(n, np.uint64), np.zeros(n, np.bool_)
    if n < size:
        return key, valid
    stop = n - size + 1
    for place in range(size):
        key[:stop] = key[:stop] * MULTIPLIER + hashes[place : place + stop]
    key = np.maximum(mix.py_func(key ^ np.uint64(size)), np.uint64(1))
    valid[:stop] = owner[:stop] == owner[size - 1 :]
    return key, valid


def _distinct(keys: Words64, owner: Ints) -> tuple[Words64, Ints]:
    """Each pair once, by key, then owner. np.unique over pairs takes ten times as long."""
    order = np.lexsort((owner, keys))
    keys, owner = keys[order], owner[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = (keys[1:] != keys[:-1]) | (owner[1:] != owner[:-1])
    return keys[new], owner[new]


def _content(hashes: Words64, owner: Ints) -> npt.NDArray[np.bool_]:
    """Words that are neither exam language nor in more than a tenth of the stems."""
    frames = words(pa.array([FRAME_WORDS], pa.large_string())).hashes
    content = ~np.isin(hashes, frames)
    stems = int(owner.max(initial=-1)) + 1
    if stems >= _TENTH:
        word, seen = np.unique(_distinct(hashes, owner)[0], return_counts=True)
        content &= ~np.isin(hashes, word[seen > stems / 10])
    return content


def _telling(
    keys: Words64, valid: npt.NDArray[np.bool_], owner: Ints, content: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    gram, stems = np.unique(_distinct(keys[valid], owner[valid])[0], return_counts=True)
    before = np.concatenate([[0], np.cumsum(content)])
    place = np.arange(len(keys))
    says = before[np.minimum(place + SIZE, len(keys))] > before[place]
    telling: npt.NDArray[np.bool_] = valid & says & ~np.isin(keys, gram[stems > COMMON])
    return telling


def _whole(found: Words, owner: Ints, stems: Ints) -> tuple[Words64, Ints, Ints]:
    """(key, stem, length) of stems that are looked for as a whole; a stem without a word cannot be."""
    length = np.minimum(np.diff(found.offsets)[stems], LONGEST)
    stems, length = stems[length > 0], length[length > 0]
    keys = np.empty(len(stems), np.uint64)
    for size in np.unique(length).tolist():
        of_size = length == size
        keys[of_size] = sequences(found.hashes, owner, size)[0][found.offsets[stems[of_size] + 1] - size]
    return keys, stems, length


def _bit(keys: Any) -> Any:
    return np.uint8(1) << ((keys >> np.uint64(64 - _BITS)) & np.uint64(7)).astype(np.uint8)


def _table(grams: Words64) -> tuple[Words64, npt.NDArray[np.int32]]:
    size = 8
    while size < 2 * len(grams):
        size *= 2
    slots, gram_of_slot = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    _fill(grams, slots, gram_of_slot)
    return slots, gram_of_slot


@nb.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def _fill(grams: Any, slots: Any, gram_of_slot: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    for gram in range(len(grams)):
        slot = grams[gram] & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = grams[gram]
        gram_of_slot[slot] = gram


def candidates(texts: Any, index: Index) -> tuple[Ints, Ints]:
    """Pairs (row, stem) that share enough n-grams, by row, then stem; texts is an Arrow column."""
    data, bounds = utf8(texts)
    longest = int(np.diff(bounds).max(initial=0)) + 1
    grams = (index.bitmap, index.slots, index.gram_of_slot)
    stems = (index.postings, index.bounds, index.need)
    pairs = _scan(data, bounds, word_table(), longest, index.sizes, grams, stems)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs[:, 0], pairs[:, 1]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _scan(data: Any, bounds: Any, table: Any, longest: Any, sizes: Any, grams: Any, stems: Any) -> Any:
    """The one pass: every row's sequences of each size are looked up, and their stems counted."""
    hashes = np.empty(longest, np.uint64)
    first, last = np.empty(longest, np.int32), np.empty(longest, np.int32)
    prefix = np.zeros(longest + 1, np.uint64)
    powers = np.ones(len(sizes), np.uint64)
    for k in range(len(sizes)):
        for _ in range(sizes[k]):
            powers[k] *= MULTIPLIER
    met = np.full(len(stems[1]), -1, np.int64)  # the last row that held each gram
    row_of, hits = np.full(len(stems[2]), -1, np.int64), np.zeros(len(stems[2]), np.int32)
    out = np.empty((1024, 2), np.int64)
    found = 0
    for row in range(len(bounds) - 1):
        n = words_of(data, bounds[row], bounds[row + 1], table, hashes, first, last, 0)
        for i in range(n):
            prefix[i + 1] = prefix[i] * MULTIPLIER + hashes[i]
            for k in range(len(sizes)):
                begin = i + 1 - sizes[k]
                if begin < 0:
                    break
                key = max(mix((prefix[i + 1] - prefix[begin] * powers[k]) ^ np.uint64(sizes[k])), np.uint64(1))
                gram = _gram(key, grams)
                if gram < 0 or met[gram] == row:
                    continue
                met[gram] = row
                out, found = _count(row, gram, stems, row_of, hits, out, found)
    return out[:found]


@nb.njit(inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _gram(key: Any, grams: Any) -> Any:
    """Number of the gram with this key, or -1. The bitmap fits a core's cache and stops nearly all others."""
    bitmap, slots, gram_of_slot = grams
    bit = np.uint8(1) << np.uint8((key >> np.uint64(64 - _BITS)) & np.uint64(7))
    if not bitmap[key >> np.uint64(67 - _BITS)] & bit:
        return np.int64(-1)
    mask = np.uint64(len(slots) - 1)
    slot = key & mask
    while slots[slot] != 0 and slots[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(gram_of_slot[slot]) if slots[slot] == key else np.int64(-1)


@nb.njit  # type: ignore[untyped-decorator, unused-ignore]
def _count(row: Any, gram: Any, stems: Any, row_of: Any, hits: Any, out: Any, found: Any) -> Any:
    """Count a gram for its stems; a stem that has enough of them joins the pairs."""
    postings, starts, need = stems
    for place in range(starts[gram], starts[gram + 1]):
        stem = postings[place]
        if row_of[stem] != row:
            row_of[stem], hits[stem] = row, 0
        hits[stem] += 1
        if hits[stem] != need[stem]:
            continue
        if found == len(out):
            out = np.concatenate((out, np.empty_like(out)))
        out[found, 0], out[found, 1] = row, stem
        found += 1
    return out, found
