"""What a split is worth: twins of test questions in train, here and under a random split, and repeated answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.splits.config import TEST, TRAIN, VALIDATION
from curation.splits.questions import Bools, Ints
from curation.splits.ties import Ties

DRAWS = 20
_BATCH = 20_000  # answers weighed at a time, to bound memory
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
    answers = rows["answer"]
    test = _plain(answers.filter(pa.array(split == TEST)).to_pylist())
    test = [text for text in test if text]
    if not test:
        return None
    sums = _letter_sums(answers)
    likely = (split == TRAIN) & np.isin(sums, sums[split == TEST])
    train = set(_plain(answers.filter(pa.array(likely)).to_pylist()))
    return Overlap(len(test), sum(text in train for text in test) / len(test))


def _plain(texts: list[str]) -> list[str]:
    return [" ".join(text.lower().split()) for text in texts]


def _letter_sums(texts: Any) -> npt.NDArray[np.uint32]:
    """A sum (modulo 2**32) over the ASCII letters and digits of each text, case aside: unequal sums, unequal texts.

    It spares nearly all texts the normalising, which would cost ten times as much.
    """
    weights = np.zeros(256, np.uint32)
    for byte in b"0123456789abcdefghijklmnopqrstuvwxyz":
        weights[byte] = weights[ord(chr(byte).upper())] = byte * 0x9E3779B1 % 2**32
    sums = [np.zeros(0, np.uint32)]
    for batch in texts.cast(pa.large_string()).chunks:
        for start in range(0, len(batch), _BATCH):
            part = batch.slice(start, _BATCH)
            bounds = np.frombuffer(part.buffers()[1], np.int64)[part.offset : part.offset + len(part) + 1]
            data = np.frombuffer(part.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
            # A zero at the end gives empty texts at the end a place to sum from.
            weighed = np.append(weights[data], np.uint32(0))
            total = np.add.reduceat(weighed, bounds[:-1] - bounds[0], dtype=np.uint32)
            total[np.diff(bounds) == 0] = 0
            sums.append(total)
    return np.concatenate(sums)
