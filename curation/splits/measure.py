"""What a split is worth: twins of test questions in train, here and under a random split, and repeated answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.keys import column_keys, row_numbers, text_keys
from curation.splits.config import TEST, TRAIN, VALIDATION
from curation.splits.questions import Bools, Ints
from curation.splits.ties import Ties

DRAWS = 20
_WORD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Twins:
    """Share of test rows that have a twin in train: a row with an equal question, or a near one at the threshold."""

    test_rows: int
    ours: float  # under this split
    random: float  # mean over `draws` plain random splits of the same sizes
    random_min: float
    random_max: float
    draws: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Share of test answers that stand word for word among the train answers (case and white space aside)."""

    answers: int
    share: float


def mixed(ids: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """A well-spread number for each id (n, 2) and seed; the same on every machine and in every order of rows."""
    start = np.array([seed & (2**64 - 1)], np.uint64)
    return _mix(ids[:, 0] ^ _mix(ids[:, 1] ^ _mix(start)))


def _mix(h: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """splitmix64, https://prng.di.unimi.it/splitmix64.c."""
    h = h + _WORD
    h = (h ^ h >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ h >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return h ^ h >> np.uint64(31)


def twins(ties: Ties, pairs: Bools, split: Ints, seed: int) -> Twins | None:
    """Measured on the given pairs of near texts; rows outside every split (-1) count for the random splits only."""
    sizes = [int((split == s).sum()) for s in range(3)]
    if not sizes[TEST]:
        return None
    left, right = ties.near.left[pairs], ties.near.right[pairs]
    drawn = [_exposed(ties, left, right, s) for s in _random_splits(ties, sizes, seed)]
    ours = _exposed(ties, left, right, split)
    test = sizes[TEST]
    mean = sum(drawn) / len(drawn) / test
    return Twins(test, ours / test, mean, min(drawn) / test, max(drawn) / test, DRAWS)


def _random_splits(ties: Ties, sizes: list[int], seed: int) -> Any:
    for draw in range(DRAWS):
        key = mixed(ties.ids, seed * DRAWS + draw)[ties.rank]
        split = np.full(len(key), TRAIN)
        held = sizes[TEST] + sizes[VALIDATION]
        front = np.argpartition(key, min(held, len(key) - 1))[:held]
        front = front[np.argsort(key[front], kind="stable")]
        split[front[: sizes[TEST]]] = TEST
        split[front[sizes[TEST] :]] = VALIDATION
        yield split


def _exposed(ties: Ties, left: Ints, right: Ints, split: Ints) -> int:
    """Test rows with a twin in train."""
    asked = ties.asked
    in_train = np.zeros(ties.texts, np.bool_)
    in_train[asked.text[split[asked.row] == TRAIN]] = True
    reached = in_train.copy()
    reached[right[in_train[left]]] = True
    reached[left[in_train[right]]] = True
    hit = np.zeros(len(split), np.bool_)
    hit[asked.row[reached[asked.text]]] = True
    return int((hit & (split == TEST)).sum())


def answer_overlap(rows: Any, split: Ints) -> Overlap | None:
    """None where no test row has an answer."""
    keys = column_keys(rows, "answer")
    said = ~(keys == text_keys(pa.array(np.array([""], object), pa.large_string()))).all(axis=1)
    number = row_numbers(keys)
    known = np.zeros(len(number), np.bool_)
    known[number[split == TRAIN]] = True
    asked = number[said & (split == TEST)]
    return Overlap(len(asked), float(known[asked].mean())) if len(asked) else None
