"""What resamples of an exam's clusters say: bootstrap intervals, permutation p-values, leave-one-out values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eval.metrics.metric import Floats
from eval.stats.distributions import NORMAL, t_quantile
from eval.stats.exam import Exam, Side, blocks

Bytes = npt.NDArray[np.uint8]
RESAMPLES: Final = 2_000
PERMUTATIONS: Final = 10_000
_MOST_ENUMERATED: Final = 13  # clusters: 8,192 ways to swap, fewer than the random draws they replace
# Weights of one step of the bootstrap, half a megabyte: larger arrays are mapped anew each time, which takes longer
# than to draw them.
_CELLS_DRAWN: Final = 65_536
_MOST_KEPT: Final = 32_000_000  # counts, as a rule of one byte each
_MOST_PACKED: Final = 8_000_000  # bytes of draws that are looked up together
_BYTES_TOGETHER: Final = 1_024
_BITS: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)  # of each byte
_ROUNDING: Final = 1e-12  # a swapped difference this near to the observed one (relative) counts as equal to it


def bootstrap(exam: Exam, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Corpus values [sides, resamples]: clusters drawn with replacement, the same ones for every side."""
    sizes = tuple(blocks(resamples, exam, _CELLS_DRAWN))
    kept = resamples * exam.clusters <= _MOST_KEPT
    values = []
    for counts in _kept(exam.clusters, seed, sizes) if kept else _drawn(exam.clusters, seed, sizes):
        weights = counts.astype(np.float64)
        values.append(np.stack([side.over(weights) for side in exam.sides]))
    return np.concatenate(values, axis=1)


def _drawn(clusters: int, seed: int, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """How often each cluster is in each resample, a block of resamples at a time."""
    rng = np.random.default_rng(seed)
    for size in sizes:
        drawn = rng.integers(0, clusters, (size, clusters), dtype=np.int32)  # the draws of int64, in half the time
        drawn += clusters * np.arange(size, dtype=np.int32)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters)


@lru_cache(maxsize=4)
def _kept(clusters: int, seed: int, sizes: tuple[int, ...]) -> list[npt.NDArray[np.unsignedinteger[Any]]]:
    """The same, kept: all metrics of an exam are resampled alike, and to draw takes most of the time."""
    return [counts.astype(np.min_scalar_type(counts.max())) for counts in _drawn(clusters, seed, sizes)]


def interval(values: Floats, clusters: int, level: float = 0.95) -> tuple[float, float]:
    """Expanded percentile interval of resampled values; NaN if fewer than two clusters or no value is a number.

    A bootstrap of few clusters is too narrow; Hesterberg widens its percentiles by what t is wider than the normal,
    https://doi.org/10.1080/00031305.2015.1089789 (section 5). Values that are no number (no class, no pair) are
    left out.
    """
    there = values[~np.isnan(values)]
    if clusters < 2 or not len(there):
        return float("nan"), float("nan")
    wider = (clusters / (clusters - 1)) ** 0.5 * t_quantile((1 + level) / 2, clusters - 1)
    low, high = np.quantile(there, [NORMAL.cdf(-wider), NORMAL.cdf(wider)])
    return float(low), float(high)


def standard_error(values: Floats, clusters: int) -> float:
    """Of the corpus value whose resamples these are; NaN for fewer than two clusters."""
    there = values[~np.isnan(values)]
    if clusters < 2 or len(there) < 2:
        return float("nan")
    return float(there.std(ddof=1) * (clusters / (clusters - 1)) ** 0.5)


def permutation_p(exam: Exam, seed: int, permutations: int = PERMUTATIONS) -> tuple[float, str]:
    """(two-sided p, what was done) of the paired permutation test: clusters swap the two models' outputs.

    All ways are enumerated where they are few; else random ones, the observed one counted among them (+1), so that
    p is never 0 (Phipson and Smyth 2010, https://doi.org/10.2202/1544-6115.1585).
    """
    if exam.clusters == 0:
        return 1.0, "paired permutation, nothing to swap"
    observed = abs(float(exam.mixed(np.zeros((1, exam.clusters)))[0]))
    if np.isnan(observed):
        return 1.0, "paired permutation, no value"
    least = observed * (1 - _ROUNDING)
    if exam.clusters <= _MOST_ENUMERATED:
        ways = np.arange(2**exam.clusters)[:, None] >> np.arange(exam.clusters) & 1
        return float(_as_large(exam, ways.astype(np.float64), least).mean()), "paired permutation, all ways"
    rng = np.random.default_rng([seed, 1])  # not the bootstrap's stream
    wide = -(-exam.clusters // 8)
    drawn = (np.frombuffer(rng.bytes(size * wide), np.uint8).reshape(size, wide) for size in blocks(permutations, exam))
    hits = 1.0
    if exam.sides[0].cluster is None:
        delta = exam.sides[1].rows - exam.sides[0].rows
        live = delta.any(axis=0)  # of a mean over the same items one column of two is 0
        for raw in _joined(drawn):
            moved = np.zeros((len(raw), delta.shape[1]))
            if live.any():
                moved[:, live] = _moved(raw, delta[:, live])
            hits += float((~(np.abs(exam.after(moved)) < least)).sum())
    else:
        for raw in drawn:
            swap = np.unpackbits(raw, axis=1, count=exam.clusters).astype(np.float64)
            hits += float(_as_large(exam, swap, least).sum())
    return hits / (permutations + 1), f"paired permutation, {permutations:,} draws, seed {seed}"


def _joined(drawn: Iterator[Bytes]) -> Iterator[Bytes]:
    """Draws of several blocks together, as long as they are not many megabytes."""
    held: list[Bytes] = []
    for raw in drawn:
        held.append(raw)
        if sum(one.size for one in held) > _MOST_PACKED:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _moved(raw: Bytes, delta: Floats) -> Floats:
    """Sums of the rows of `delta` whose bits are set in each line of `raw`, eight rows at a time: a sum for each of 256
    bytes is made once and looked up, where a product would multiply every row by 0 or 1."""
    draws, wide = raw.shape
    moved = np.zeros((draws, delta.shape[1]))
    columns = np.ascontiguousarray(raw.T)
    for start in range(0, wide, _BYTES_TOGETHER):
        part = np.zeros((min(_BYTES_TOGETHER, wide - start) * 8, delta.shape[1]))
        here = delta[start * 8 : (start + _BYTES_TOGETHER) * 8]
        part[: len(here)] = here
        sums = _BITS @ part.reshape(-1, 8, delta.shape[1])
        for at in range(len(sums)):
            moved += sums[at][columns[start + at]]
    return moved


def _as_large(exam: Exam, swap: Floats, least: float) -> Floats:
    """1 where the swapped difference is as large as the observed one, or is no number."""
    values = np.abs(exam.mixed(swap))
    return (~(values < least)).astype(np.float64)


def pseudo_values(side: Side, clusters: int) -> Floats:
    """Jackknife pseudo-values, one a cluster: their mean is about the corpus value, their spread its uncertainty."""
    whole = side.over(np.ones((1, clusters)))[0]
    if side.measured.formula is not None:
        without = side.measured.formula(side.rows.sum(axis=0) - side.rows)
    else:
        size = max(1, 4_000_000 // max(len(side.rows), 1))
        without = np.concatenate(
            [side.over(1.0 - np.eye(clusters)[first : first + size]) for first in range(0, clusters, size)]
        )
    return np.asarray(clusters * whole - (clusters - 1) * without)
