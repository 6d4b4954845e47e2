"""How often the comparison's tests and intervals are wrong, and how often they find what they say they can find.

    python -m benchmarks.stat_simulations [--runs 2000] [--out benchmarks/results/stat_simulations.json]

Each setting draws exams from a population. A/A: two models of equal quality; the share of exams that call them
different should be 4 to 6 %. Planted: the effect that an A/A exam of the setting states as its smallest detectable one
is put into a fresh exam; it should be found in at least 78 %. Beside the interval that is used (expanded percentile)
stand the plain percentile interval, scipy's BCa where the metric is a mean of unclustered items, and, for several
training seeds, plain resampling of seeds and items.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics.calibration import auroc
from eval.metrics.labels import macro_f1
from eval.metrics.likelihood import perplexity
from eval.metrics.machine_translation import bleu_of_sums
from eval.metrics.metric import Items, Measured, mean_of
from eval.stats.compare import compare_paired
from eval.stats.exam import exam
from eval.stats.resampling import bootstrap
from eval.stats.seeds import compare_seeds

RESAMPLES, PERMUTATIONS = 1_000, 999
Rng = np.random.Generator
Exam = tuple[Measured, Measured, Any]  # a, b, clusters


@dataclass(frozen=True, slots=True)
class Setting:
    """draw(rng, effect) makes an exam whose second model is better by `effect`."""

    name: str
    draw: Callable[[Rng, float], Exam]
    continuous: bool
    planted: bool = True  # whether draw can put an effect in
    bca: bool = False


def scores(n: int) -> Callable[[Rng, float], Exam]:
    """ROUGE-like: skewed item means, many equal outputs, long tails; both models share the items' difficulty."""

    def draw(rng: Rng, effect: float) -> Exam:
        mean = rng.beta(1, 3, n)
        changed = rng.random(n) < 0.7
        a = mean + 0.15 * rng.standard_t(4, n)
        b = np.where(changed, mean + 0.15 * rng.standard_t(4, n), a) + effect
        return mean_of("score", "score", a), mean_of("score", "score", b), None

    return draw


def conversations(clusters: int) -> Callable[[Rng, float], Exam]:
    """1 to 8 items a cluster, which share what the two models differ in."""

    def draw(rng: Rng, effect: float) -> Exam:
        group = np.repeat(np.arange(clusters), rng.integers(1, 9, clusters))
        mean = rng.beta(2, 3, clusters)[group]
        a = mean + 0.1 * rng.normal(size=clusters)[group] + 0.1 * rng.normal(size=len(group))
        b = mean + 0.1 * rng.normal(size=clusters)[group] + 0.1 * rng.normal(size=len(group)) + effect
        return mean_of("score", "score", a), mean_of("score", "score", b), group

    return draw


def perplexities(n: int) -> Callable[[Rng, float], Exam]:
    """Answers of very different length; the effect lowers perplexity by about `effect`."""

    def draw(rng: Rng, effect: float) -> Exam:
        tokens = np.ceil(rng.lognormal(3, 1, n))
        level = rng.gamma(4, 0.4, n)  # nats a token
        made = []
        for better in (0.0, effect):
            nats = tokens * level * np.exp(0.2 * rng.normal(size=n))
            if better:
                value = np.exp(nats.sum() / tokens.sum())
                nats = nats + tokens * np.log(max(1 - better / value, 0.01))
            made.append(perplexity(Items([""] * n, logprob=-nats, tokens=tokens), {}))
        return made[0], made[1], None

    return draw


def translations(n: int) -> Callable[[Rng, float], Exam]:
    """Sentence statistics as BLEU sums them."""

    def draw(rng: Rng, effect: float) -> Exam:
        length = rng.integers(6, 60, n)
        quality = rng.beta(3, 3, n)
        made = []
        for _ in range(2):
            share = np.clip(quality + 0.1 * rng.normal(size=n), 0.01, 0.99)
            out = np.maximum(length + rng.integers(-3, 4, n), 4)
            total = np.stack([out - k for k in range(4)], axis=1)
            correct = np.stack([rng.binomial(total[:, k], share ** (k + 1)) for k in range(4)], axis=1)
            stats = np.column_stack([out, length, correct, total]).astype(np.float64)
            made.append(Measured("bleu", "bleu", stats, bleu_of_sums(stats), bleu_of_sums))
        return made[0], made[1], None

    return draw


def verdicts(n: int, clusters: int | None = None) -> Callable[[Rng, float], Exam]:
    """Right or wrong: 55 % right, the models differ on about 20 %; the effect rights wrong answers."""

    def draw(rng: Rng, effect: float) -> Exam:
        group = None if clusters is None else rng.integers(0, clusters, n)
        ease = rng.normal(size=n) if group is None else rng.normal(size=clusters or 1)[group]
        a, b = (ease + 0.45 * rng.normal(size=n) > -0.14 for _ in range(2))
        if effect:
            b = b | (rng.random(n) < effect / np.mean(~b))
        return mean_of("accuracy", "accuracy", a), mean_of("accuracy", "accuracy", b), group

    return draw


def labels(n: int) -> Callable[[Rng, float], Exam]:
    """Macro F1 of three classes of unequal size."""

    def draw(rng: Rng, effect: float) -> Exam:
        gold = rng.choice(3, n, p=[0.6, 0.3, 0.1])
        made = [np.where(rng.random(n) < 0.7, gold, rng.choice(3, n)) for _ in range(2)]
        items = [Items([str(p) for p in predicted], labels=[str(g) for g in gold]) for predicted in made]
        return macro_f1(items[0], {}), macro_f1(items[1], {}), None

    return draw


def rankings(n: int) -> Callable[[Rng, float], Exam]:
    """AUROC of two confidences."""

    def draw(rng: Rng, effect: float) -> Exam:
        right = (rng.random(n) < 0.6).astype(float)
        sides = [Items([""] * n, right=right, confidence=right + 1.2 * rng.normal(size=n)) for _ in range(2)]
        return auroc(sides[0], {}), auroc(sides[1], {}), None

    return draw


SETTINGS = (
    Setting("score, 14 items", scores(14), True, bca=True),
    Setting("score, 30 items", scores(30), True, bca=True),
    Setting("score, 100 items", scores(100), True, bca=True),
    Setting("score, 400 items", scores(400), True),
    Setting("score, 20 clusters", conversations(20), True),
    Setting("score, 100 clusters", conversations(100), True),
    Setting("perplexity, 100 items", perplexities(100), True),
    Setting("bleu, 100 items", translations(100), True, planted=False),
    Setting("macro F1, 150 items", labels(150), True, planted=False),
    Setting("auroc, 150 items", rankings(150), True, planted=False),
    Setting("right or wrong, 50 items", verdicts(50), False),
    Setting("right or wrong, 400 items", verdicts(400), False),
    Setting("right or wrong, 300 items in 60 clusters", verdicts(300, 60), False),
)


def simulate(setting: Setting, runs: int, seed: int = 0) -> dict[str, Any]:
    """Shares of exams, from 0 to 1."""
    rng = np.random.default_rng(seed)
    start = time.process_time()
    called: dict[str, list[bool]] = {}
    found = {"p": [], "verdict": []}  # type: dict[str, list[bool]]
    for run in range(runs):
        a, b, clusters = setting.draw(rng, 0.0)
        result = compare_paired(a, b, clusters, seed=run, resamples=RESAMPLES, permutations=PERMUTATIONS)
        for name, wrong in _calls(setting, result, a, b, clusters, run).items():
            called.setdefault(name, []).append(wrong)
        if setting.planted and np.isfinite(result.detectable):
            a, b, clusters = setting.draw(rng, result.detectable)
            again = compare_paired(a, b, clusters, seed=run, resamples=RESAMPLES, permutations=PERMUTATIONS)
            found["p"].append(again.p <= 0.05)
            found["verdict"].append(again.verdict == "better")
    shares = {f"A/A by {name}": round(float(np.mean(wrong)), 4) for name, wrong in called.items()}
    power = {f"planted found by {name}": round(float(np.mean(hits)), 4) for name, hits in found.items() if hits}
    seconds = round(time.process_time() - start, 1)
    return {"runs": runs, **shares, **power, "continuous": setting.continuous, "cpu_seconds": seconds}


def _calls(setting: Setting, result: Any, a: Measured, b: Measured, clusters: Any, run: int) -> dict[str, bool]:
    """Whether each method calls the two different."""
    calls = {
        "p": result.p <= 0.05,
        "interval": not result.low <= 0 <= result.high,
        "verdict": result.verdict not in ("cannot tell", "same within the margin"),
    }
    values = bootstrap(exam((a, b), clusters), run, RESAMPLES)
    low, high = np.nanquantile(values[1] - values[0], [0.025, 0.975])
    calls["plain percentile interval (not used)"] = not low <= 0 <= high
    if setting.bca:
        from scipy import stats

        gained = b.item - a.item
        made = stats.bootstrap((gained,), np.mean, n_resamples=RESAMPLES, rng=np.random.default_rng(run), method="BCa")
        low, high = made.confidence_interval
        calls["BCa interval (not used)"] = not low <= 0 <= high
    return calls


@dataclass(frozen=True, slots=True)
class Seeds:
    """Standard deviations of a training seed, of an item's liking for one side, and of a single output."""

    name: str
    runs: tuple[int, int]
    seed: float
    item: float
    noise: float
    items: int = 100
    ratio: float = 1.0  # of the second side's seeds to the first's

    def draw(self, rng: Rng, effect: float) -> tuple[list[Measured], list[Measured]]:
        """A side of one run is the base model: it has no seed."""
        ease = rng.normal(size=self.items)
        sides = []
        for runs, gain, far in zip(self.runs, (0.0, effect), (1.0, self.ratio), strict=True):
            liking = self.item * rng.normal(size=self.items)
            sides.append(
                [
                    mean_of(
                        "score",
                        "score",
                        ease
                        + liking
                        + gain
                        + (far * self.seed * rng.normal() if runs > 1 else 0.0)
                        + self.noise * rng.normal(size=self.items),
                    )
                    for _ in range(runs)
                ]
            )
        return sides[0], sides[1]


SEEDS = (
    Seeds("2 + 2 seeds that matter most", (2, 2), 0.2, 0.3, 0.5),
    Seeds("3 + 3 seeds that matter most", (3, 3), 0.2, 0.3, 0.5),
    Seeds("5 + 5 seeds that matter most", (5, 5), 0.2, 0.3, 0.5),
    Seeds("3 + 3 seeds, items matter most", (3, 3), 0.02, 1.0, 0.5),
    Seeds("3 + 3 seeds, all matter", (3, 3), 0.08, 0.5, 0.7),
    Seeds("3 + 3 seeds that change single outputs alone", (3, 3), 0.0, 0.0, 1.0),
    Seeds("base + 3 seeds, all matter", (1, 3), 0.08, 0.5, 0.7),
)


def simulate_seeds(setting: Seeds, runs: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    start = time.process_time()
    called: dict[str, list[bool]] = {"p": [], "verdict": [], "plain resampling of seeds and items (not used)": []}
    found = []
    for _ in range(runs):
        a, b = setting.draw(rng, 0.0)
        result = compare_seeds(a, b)
        called["p"].append(result.p <= 0.05)
        called["verdict"].append(result.verdict != "cannot tell")
        low, high = np.quantile(_two_level(a, b, rng), [0.025, 0.975])
        called["plain resampling of seeds and items (not used)"].append(not low <= 0 <= high)
        if np.isfinite(result.detectable):
            found.append(compare_seeds(*setting.draw(rng, result.detectable)).verdict == "better")
    shares = {f"A/A by {name}": round(float(np.mean(wrong)), 4) for name, wrong in called.items()}
    seconds = round(time.process_time() - start, 1)
    return {
        "runs": runs,
        **shares,
        "planted found by verdict": round(float(np.mean(found)), 4),
        "cpu_seconds": seconds,
    }


def _two_level(a: list[Measured], b: list[Measured], rng: Rng) -> Any:
    """Differences of means of resampled seeds over resampled items."""
    rows = [np.stack([one.item for one in side]) for side in (a, b)]
    n, draws = rows[0].shape[1], 300
    weights = rng.multinomial(n, np.full(n, 1 / n), draws) / n
    means = [weights @ side.T for side in rows]  # resamples, seeds
    picked = [rng.integers(0, len(side), (draws, len(side))) for side in rows]
    first, second = (np.take_along_axis(m, k, axis=1).mean(axis=1) for m, k in zip(means, picked, strict=True))
    return second - first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--only", default="", help="settings whose name has a match of this regular expression")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = {}
    for setting in (*SETTINGS, *SEEDS):
        if re.search(args.only, setting.name):
            if isinstance(setting, Setting):
                results[setting.name] = simulate(setting, args.runs)
            else:
                results[setting.name] = simulate_seeds(setting, args.runs)
            print(setting.name, json.dumps(results[setting.name]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
