"""How often the rule for several seeds calls two equal trainings different, and how often the rule before it did.

    python -m benchmarks.seed_rules [--pairs 10000]

Both rules are written down anew, with scipy and for many pairs at once; they share no code with eval/stats/seeds.py.
The table is that of docs/decisions/0015-seeds.md.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

_AT_ONCE = 500  # pairs
SIDES = ((2, 2), (3, 3), (5, 5), (1, 2), (1, 3), (1, 5), (2, 5))
# Standard deviations of a training seed, of an item's liking for one side, of a single output.
MATTERS = {
    "seeds matter most": (0.2, 0.3, 0.5),
    "items matter most": (0.02, 1.0, 0.5),
    "all matter": (0.08, 0.5, 0.7),
    "single outputs alone": (0.0, 0.0, 1.0),
}


def drawn(rng: np.random.Generator, seeds: int, sizes: tuple[float, float, float], items: int) -> Any:
    """Values [pairs, seeds, items] of one side; a side of one is the base, which has no seed."""
    seed, item, noise = sizes
    shift = seed * rng.normal(size=(_AT_ONCE, seeds, 1)) if seeds > 1 else 0.0
    liking = item * rng.normal(size=(_AT_ONCE, 1, items))
    return liking + shift + noise * rng.normal(size=(_AT_ONCE, seeds, items))


def called(sides: list[Any]) -> tuple[float, float]:
    """Shares of pairs that the rule before and the rule now call different at 5 %."""
    from scipy import stats

    a, b = sides
    items = a.shape[2]
    gap = np.abs(b.mean((1, 2)) - a.mean((1, 2)))
    whole = (b.mean(1) - a.mean(1)).var(1, ddof=1) / items
    noise: Any = 0.0
    parts = []
    for side in sides:
        seeds = side.shape[1]
        if seeds > 1:
            rest = side - side.mean(1, keepdims=True) - side.mean(2, keepdims=True) + side.mean((1, 2), keepdims=True)
            noise = noise + (rest**2).sum((1, 2)) / ((seeds - 1) * (items - 1)) / (seeds * items)
            parts.append((side.mean(2).var(1, ddof=1) / seeds, seeds - 1))
    total = sum(part for part, _ in parts)

    def satterthwaite(variance: Any, terms: list[Any], least: int) -> Any:
        weight = whole**2 / (items - 1) + sum(part**2 / df for part, df in terms)
        return np.maximum(variance**2 / weight, least)

    def share(variance: Any, df: Any) -> float:
        return float((2 * stats.t.sf(gap / np.sqrt(variance), df) <= 0.05).mean())

    before = np.maximum(whole - noise, 0) + total
    old = share(before, satterthwaite(before, parts, min(df for _, df in parts)))
    if len({df for _, df in parts}) == 1:
        parts = [(total, sum(df for _, df in parts))]
    variance = np.maximum(whole - noise + total, 0.85 * total)
    if len(parts) == 1 and parts[0][1] >= 4:
        return old, share(variance, satterthwaite(variance, parts, parts[0][1]))
    terms = [(np.maximum(whole - noise, 0), items - 1), *parts]
    reach = sum(part * stats.t.ppf(0.975, df) for part, df in terms) / sum(part for part, _ in terms)
    return old, float((gap >= reach * np.sqrt(variance)).mean())


def line(
    name: str, runs: tuple[int, int], sizes: tuple[float, float, float], pairs: int, items: int, far: float
) -> str:
    rng = np.random.default_rng(77)
    second = (far * sizes[0], *sizes[1:])
    found = [
        called([drawn(rng, runs[0], sizes, items), drawn(rng, runs[1], second, items)])
        for _ in range(pairs // _AT_ONCE)
    ]
    old, now = np.mean(found, axis=0)
    return f"| {name} | {100 * old:.1f} % | {100 * now:.1f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    pairs = parser.parse_args().pairs
    for runs in SIDES:
        who = f"{'base' if runs[0] == 1 else runs[0]} + {runs[1]}"
        for what, sizes in MATTERS.items():
            print(line(f"{who}, {what}", runs, sizes, pairs, 100, 1.0), flush=True)
    for items in (20, 250):
        name = f"3 + 3, single outputs alone, {items} items"
        print(line(name, (3, 3), MATTERS["single outputs alone"], pairs, items, 1.0), flush=True)
    print(line("3 + 3, all matter, 20 items", (3, 3), MATTERS["all matter"], pairs, 20, 1.0), flush=True)
    for far in (2, 3):
        for runs in ((3, 3), (5, 2)):
            name = f"{runs[0]} + {runs[1]}, seeds matter most, {far} times as far apart on the second side"
            print(line(name, runs, MATTERS["seeds matter most"], pairs, 100, far), flush=True)


if __name__ == "__main__":
    main()
