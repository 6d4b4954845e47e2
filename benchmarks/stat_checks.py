"""An independent check of the comparison's tests: populations, cluster mixes and seeds that nothing was tuned on.

    python -m benchmarks.stat_checks [--data DATA] [--runs 2000] [--out benchmarks/results/stat_checks.json]

What is counted is what benchmarks/stat_simulations.py counts, with another stream of random numbers. DATA is the folder
of public data: with it the per-item ROUGE-L and exact match of two Flan-T5 models against Dolly's references are
resampled; under A/A the models' outputs are swapped by chance, item by item.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics import items_of, rows_of
from benchmarks.stat_simulations import Exam, Rng, Seeds, Setting, simulate, simulate_seeds
from eval.metrics import measure
from eval.metrics.metric import mean_of

SEED = 20_001
FILES = tuple(f"dolly_flan_t5/google_flan-t5-{size}_decode_output.jsonl.gz" for size in ("small", "large"))


def sparse(n: int) -> Callable[[Rng, float], Exam]:
    """Nine outputs of ten are the same on both sides; the others differ by a skewed, heavy-tailed amount."""

    def draw(rng: Rng, effect: float) -> Exam:
        a = rng.beta(0.6, 2, n)
        gap = rng.exponential(0.3, n) * rng.choice([-1, 1], n) * (rng.random(n) < 0.1)
        return mean_of("score", "score", a), mean_of("score", "score", a + gap + effect), None

    return draw


def lopsided(n: int) -> Callable[[Rng, float], Exam]:
    """One model is a little better on most items and much worse on a few: equal in the mean, not in the median."""

    def draw(rng: Rng, effect: float) -> Exam:
        a = rng.gamma(2, 0.2, n)
        gap = np.where(rng.random(n) < 0.1, -0.9, 0.1) + 0.1 * rng.normal(size=n)
        return mean_of("score", "score", a), mean_of("score", "score", a + gap + effect), None

    return draw


def mixed(clusters: int, largest: int) -> Callable[[Rng, float], Exam]:
    """Most clusters hold one item, a few very many; items of one share half of what the models differ in."""

    def draw(rng: Rng, effect: float) -> Exam:
        sizes = np.where(rng.random(clusters) < 0.1, rng.integers(2, largest + 1, clusters), 1)
        group = np.repeat(np.arange(clusters), sizes)
        a = rng.beta(2, 2, clusters)[group] + 0.1 * rng.standard_t(5, len(group))
        b = a + 0.15 * (rng.standard_t(5, clusters)[group] + rng.standard_t(5, len(group))) + effect
        return mean_of("score", "score", a), mean_of("score", "score", b), group

    return draw


def verdicts(n: int, share: float, clusters: int | None = None) -> Callable[[Rng, float], Exam]:
    """Right or wrong at a share of right ones other than a half; about one item in six is decided by chance."""

    def draw(rng: Rng, effect: float) -> Exam:
        group = None if clusters is None else rng.integers(0, clusters, n)
        ease = rng.random(n) if group is None else rng.random(clusters or 1)[group]
        sides = [np.where(rng.random(n) < 0.17, rng.random(n) < share, ease < share) for _ in range(2)]
        b = sides[1] | (rng.random(n) < effect / max(float(np.mean(~sides[1])), 1e-9)) if effect else sides[1]
        return mean_of("accuracy", "accuracy", sides[0]), mean_of("accuracy", "accuracy", b), group

    return draw


@cache
def flan(data: Path, metric: str) -> tuple[Any, Any]:
    """Per-item values of the two models on Dolly."""
    small, large = (measure(metric, items_of(rows_of(data / name)), {}).item for name in FILES)
    return small, large


def resampled(data: Path, metric: str, n: int) -> Callable[[Rng, float], Exam]:
    """Items drawn with replacement; each model's output is the other's by a toss of a coin. The effect shifts one, or
    rights wrong answers."""

    def draw(rng: Rng, effect: float) -> Exam:
        pair = _pair(data, metric, n, rng)
        if metric == "exact_match":
            wrong = pair[1] == 0
            pair[1] = np.where(wrong & (rng.random(n) < effect / max(float(wrong.mean()), 1e-9)), 1.0, pair[1])
        else:
            pair[1] = pair[1] + effect
        return mean_of(metric, metric, pair[0]), mean_of(metric, metric, pair[1]), None

    return draw


def _pair(data: Path, metric: str, n: int, rng: Rng) -> list[Any]:
    small, large = flan(data, metric)
    chosen, swap = rng.integers(0, len(small), n), rng.random(n) < 0.5
    one, two = small[chosen], large[chosen]
    return [np.where(swap, two, one), np.where(swap, one, two)]


SETTINGS = (
    Setting("sparse differences, 60 items", sparse(60), True),
    Setting("sparse differences, 250 items", sparse(250), True),
    Setting("lopsided differences, 80 items", lopsided(80), True),
    Setting("lopsided differences, 300 items", lopsided(300), True),
    Setting("40 clusters of 1 to 20 items", mixed(40, 20), True),
    Setting("150 clusters of 1 to 40 items", mixed(150, 40), True),
    Setting("right or wrong, 120 items, 15 % right", verdicts(120, 0.15), False),
    Setting("right or wrong, 250 items, 90 % right", verdicts(250, 0.9), False),
    Setting("right or wrong, 200 items in 80 clusters", verdicts(200, 0.4, 80), False),
)


def on_data(data: Path) -> tuple[Setting, ...]:
    return (
        Setting("ROUGE-L of Flan-T5, 50 items", resampled(data, "rougeL", 50), True),
        Setting("ROUGE-L of Flan-T5, 300 items", resampled(data, "rougeL", 300), True),
        Setting("token F1 of Flan-T5, 150 items", resampled(data, "token_f1", 150), True),
        Setting("exact match of Flan-T5, 600 items", resampled(data, "exact_match", 600), False),
    )


SEEDS = (
    Seeds("2 + 2 seeds, all matter, 60 items", (2, 2), 0.1, 0.4, 0.6, 60),
    Seeds("2 + 2 seeds that change single outputs alone", (2, 2), 0.0, 0.0, 1.0),
    Seeds("3 + 3 seeds, all matter, 40 items", (3, 3), 0.1, 0.4, 0.6, 40),
    Seeds("3 + 3 seeds that change single outputs alone, 250 items", (3, 3), 0.0, 0.0, 0.5, 250),
    Seeds("4 + 4 seeds that matter much", (4, 4), 0.5, 0.3, 0.5, 150),
    Seeds("5 + 5 seeds that change single outputs alone", (5, 5), 0.0, 0.0, 1.0),
    Seeds("2 + 5 seeds that matter most", (2, 5), 0.2, 0.3, 0.5),
    Seeds("base + 2 seeds that matter most", (1, 2), 0.2, 0.3, 0.5),
    Seeds("base + 3 seeds that matter most", (1, 3), 0.2, 0.3, 0.5),
    Seeds("base + 5 seeds that change single outputs alone", (1, 5), 0.0, 0.0, 1.0),
    Seeds("3 + 3 seeds, twice as far apart on one side", (3, 3), 0.2, 0.3, 0.5, ratio=2.0),
    Seeds("3 + 3 seeds, three times as far apart on one side", (3, 3), 0.2, 0.3, 0.5, ratio=3.0),
    Seeds("5 + 2 seeds, twice as far apart on one side", (5, 2), 0.2, 0.3, 0.5, ratio=2.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--only", default="", help="settings whose name has a match of this regular expression")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = {}
    settings: list[Setting | Seeds] = [*SETTINGS, *(on_data(args.data) if args.data else ()), *SEEDS]
    for setting in settings:
        if re.search(args.only, setting.name):
            if isinstance(setting, Setting):
                results[setting.name] = simulate(setting, args.runs, SEED)
            else:
                results[setting.name] = simulate_seeds(setting, args.runs, SEED)
            print(setting.name, json.dumps(results[setting.name]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
