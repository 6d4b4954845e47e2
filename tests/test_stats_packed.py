"""The permutation test by looked-up sums gives what the product with every swap gives."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics.metric import Measured, ratio
from eval.stats import resampling
from eval.stats.exam import blocks, exam
from eval.stats.resampling import permutation_p


def measured(values: np.ndarray, name: str = "m") -> Measured:
    stats = np.stack([values, np.linspace(1, 3, len(values))], axis=1)
    return Measured(name, name, stats, values, ratio)


@pytest.mark.parametrize("clusters", [14, 15, 16, 17, 100, 2_051, 9_001])
@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_p_is_that_of_the_plain_product(clusters: int, shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(clusters)
    first, second = rng.random(clusters), rng.random(clusters) + shift
    found = exam((measured(first), measured(second)))
    draws = 700
    expected, stream = 1.0, np.random.default_rng([3, 1])
    least = abs(float(found.mixed(np.zeros((1, clusters)))[0])) * (1 - 1e-12)
    for size in blocks(draws, found):
        raw = np.frombuffer(stream.bytes(size * (-(-clusters // 8))), np.uint8).reshape(size, -1)
        swap = np.unpackbits(raw, axis=1, count=clusters).astype(np.float64)
        expected += float((np.abs(found.mixed(swap)) >= least).sum())
    assert permutation_p(found, 3, draws)[0] == expected / (draws + 1)
    monkeypatch.setattr(resampling, "_MOST_PACKED", 1)  # however the draws are joined
    monkeypatch.setattr(resampling, "_BYTES_TOGETHER", 3)
    assert permutation_p(found, 3, draws)[0] == expected / (draws + 1)


def test_sums_of_bits_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    delta = rng.standard_normal((21, 3))
    raw = rng.integers(0, 256, (50, 3)).astype(np.uint8)
    swap = np.unpackbits(raw, axis=1, count=21).astype(np.float64)
    assert np.allclose(resampling._moved(raw, delta), swap @ delta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("clusters", [3, 700, 70_001])
def test_the_bootstrap_draws_the_same_whatever_its_blocks(clusters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = exam((measured(np.random.default_rng(clusters).random(clusters)),))
    draws = 40
    at = np.random.default_rng(5).integers(0, clusters, (draws, clusters))
    rows = found.sides[0].rows
    expected = [rows[places].sum(axis=0) for places in at]
    values = resampling.bootstrap(found, 5, draws)[0]
    assert np.allclose(values, [one[0] / one[1] for one in expected], rtol=1e-12)
    resampling._kept.cache_clear()
    monkeypatch.setattr(resampling, "_CELLS_DRAWN", 1)
    assert np.allclose(resampling.bootstrap(found, 5, draws)[0], values, rtol=1e-12)
