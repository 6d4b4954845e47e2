"""What may be claimed from a comparison: about two models, about the data, about settings; and the test it rests on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from statistics import fmean
from typing import Any, Final, Literal

import numpy.typing as npt

from eval.compare.sides import Side
from eval.metrics.metric import Measured
from eval.stats.compare import Difference, compare_paired
from eval.stats.seeds import compare_seeds
from eval.stats.verdict import FEWEST_FOR_SAME, verdict

About = Literal["models", "data", "settings", "data and settings", "training"]
# With five pairs the permutation test cannot fall below 2 / 2**5 = 6 %, and no interval should know better.
FEWEST_CLUSTERS: Final = 6
_UNSAID: Final = ("seed", "seeds", "version", "base_model")


@dataclass(frozen=True, slots=True)
class Claim:
    about: About
    words: str


def claim(a: Side, b: Side, decided: bool) -> Claim:
    """What the difference between the sides speaks of; decided: whether there is one."""
    if cut := [*a.unfinished, *b.unfinished]:
        ends = "was not trained to its end" if len(cut) == 1 else "were not trained to their ends"
        said = f"{' and '.join(cut)} {ends}: nothing on data, settings or seeds"
        return Claim("models", f"these models differ; {said}" if decided else f"on these models; {said}")
    several = [len(side.models) > 1 for side in (a, b)]
    if not any(several):
        return Claim(
            "models",
            f"these two models differ; {_of_models(a, b)}" if decided else f"on two models; {_of_models(a, b)}",
        )
    if not (a.is_trained and b.is_trained):
        trained, other = (b, a) if b.is_trained else (a, b)
        seeds = f"{len(trained.models)} seeds; items and seeds resampled"
        return Claim("training", f"what training on {_version(trained)} does, against {other.label}; {seeds}")
    if not all(several):
        one = b if several[0] else a
        return Claim(
            "models",
            f"{one.models[0].name} is one seed: nothing on the data of {_version(one)} yet, only on this one model",
        )
    data, settings = _differ(a, b)
    counts = f"{len(a.models)} and {len(b.models)} seeds; items and seeds resampled"
    if data and settings:
        both = f"data ({_version(a)}, {_version(b)}) and settings ({', '.join(settings)})"
        return Claim("data and settings", f"{both} together differ, which of them did it cannot be told; {counts}")
    if settings:
        return Claim("settings", f"the settings ({', '.join(settings)}) on the same data; {counts}")
    if data:
        return Claim("data", f"the data, {_version(a)} against {_version(b)}; {counts}")
    return Claim("models", f"two sets of seeds of one training: what seeds do, no more; {counts}")


def _of_models(a: Side, b: Side) -> str:
    if not (a.is_trained or b.is_trained):
        return "no training of ours is between them"
    if not (a.is_trained and b.is_trained):
        return "one seed says nothing about the data yet"
    data, settings = _differ(a, b)
    if not data and not settings:
        return "two seeds of one training show what a seed does, no more"
    each = "one training a fold" if len(b.models[0].parts) > 1 else "one seed a side"
    return f"{each} says nothing about the data yet"


def _differ(a: Side, b: Side) -> tuple[bool, list[str]]:
    """Whether the versions differ, and which settings do, with their values."""
    one, other = (side.models[0].parts[0] for side in (a, b))
    first, second = dict(one.run.config or {}), dict(other.run.config or {})
    changed = [key for key in sorted({*first, *second} - {*_UNSAID}) if first.get(key) != second.get(key)]
    told = [f"{key} {first.get(key)} -> {second.get(key)}" for key in changed]
    if one.run.base != other.run.base:
        told.insert(0, f"base {one.run.base} -> {other.run.base}")
    return _versions(a) != _versions(b), told


def _versions(side: Side) -> list[str | None]:
    return [part.version for part in side.models[0].parts]


def _version(side: Side) -> str:
    return side.models[0].version_name or side.models[0].name


def difference(
    a: Sequence[Measured],
    b: Sequence[Measured],
    clusters: Sequence[Hashable] | npt.NDArray[Any] | None,
    margin: float,
    **draws: Any,
) -> Difference:
    """b against a: paired over items with one model a side, over items and seeds with several.

    Of fewer than FEWEST_CLUSTERS clusters nobody can tell.
    """
    if len(a) == len(b) == 1:
        found = compare_paired(a[0], b[0], clusters, margin, **draws)
    else:
        found = compare_seeds(a, b, clusters, margin)
    return careful(found)


def against_each(
    a: Measured,
    b: Sequence[Measured],
    clusters: Sequence[Hashable] | npt.NDArray[Any] | None,
    margin: float,
    **draws: Any,
) -> Difference:
    """Every one of b against a, which has no seed, item by item: of these models, not of their training.

    Better is what each of them is: p is the largest of theirs (Berger 1982, intersection-union), the interval reaches
    from the lowest bound to the highest, values are means.
    """
    each = [difference([a], [one], clusters, margin, **draws) for one in b]
    if len(each) == 1:
        return each[0]
    first, diff = each[0], fmean(one.diff for one in each)
    low, high = min(one.low for one in each), max(one.high for one in each)
    p = max(one.p for one in each) if len({one.diff > 0 for one in each}) == 1 else 1.0
    return careful(
        replace(
            first,
            value_b=fmean(one.value_b for one in each),
            diff=diff,
            low=low,
            high=high,
            p=p,
            p_adjusted=p,
            test=f"{first.test}, each of {len(each)} models",
            detectable=max((one.detectable for one in each if one.detectable > 0), default=nan),
            seeds=(1, len(each)),
            verdict=verdict(
                diff,
                low,
                high,
                p,
                clusters=first.clusters,
                margin=margin,
                higher_is_better=first.higher_is_better,
            ),
        )
    )


def fewest_clusters(sides: Sequence[Side]) -> int:
    """Pooled answers are of models that share most of their training rows, so that items are less independent than
    they look (Bengio and Grandvalet 2004, https://jmlr.org/papers/v5/grandvalet04a.html): more are asked for."""
    return FEWEST_FOR_SAME if any(side.is_pooled for side in sides) else FEWEST_CLUSTERS


def careful(found: Difference, fewest: int = FEWEST_CLUSTERS) -> Difference:
    """Of fewer clusters nobody can tell."""
    return replace(found, verdict="cannot tell") if found.clusters < fewest else found


def needed(found: Difference) -> int | None:
    """About how many clusters would show a difference as small as the margin; None where the exam gives no idea."""
    if not found.margin > 0 or not 0 < found.detectable < inf or max(found.seeds) > 1:
        return None
    return max(FEWEST_CLUSTERS, round(found.clusters * (found.detectable / found.margin) ** 2))
