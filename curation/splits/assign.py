"""Which split each cluster goes to: given ones stay, test and validation are filled, the rest is train."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from curation.errors import ConfigError
from curation.splits.config import TEST, TRAIN, VALIDATION, SplitConfig
from curation.splits.questions import Ints
from curation.splits.quotas import largest_remainder
from curation.splits.subset_sum import best_sum, nearest_sums, two_sums

FREE = -1


@dataclass(frozen=True, slots=True)
class Field:
    """The clusters to place, in arrays of one entry a cluster."""

    size: Ints
    given: Ints  # split it must be in, or FREE
    order: Ints  # clusters in the order in which they are drawn
    stratum: Ints
    time: Ints  # rank of the newest row's time, 0 for all where time plays no part


@dataclass(frozen=True, slots=True)
class Goal:
    quota: tuple[int, int, int]
    exact: bool  # counts: miss none by a single row
    closed: frozenset[int] = frozenset()  # splits that get nothing beyond what is given
    by_time: bool = False


def assign(field: Field, goal: Goal) -> Ints:
    """The split of each cluster. ConfigError if exact counts cannot be met."""
    split = field.given.copy()
    need = {s: goal.quota[s] - int(field.size[split == s].sum()) for s in (TEST, VALIDATION)}
    if goal.exact and (min(need.values()) < 0 or int(field.size[split == TRAIN].sum()) > goal.quota[TRAIN]):
        _refuse(field, goal, split)
    for s in (TEST, VALIDATION):
        wanted = 0 if s in goal.closed else max(need[s], 0)
        split[_draw(field, split, wanted, goal, s)] = s
    if goal.exact and any(_total(field, split, s) != goal.quota[s] for s in (TEST, VALIDATION)):
        split = _draw_both(field, split, (need[TEST], need[VALIDATION]), goal)
    split[split == FREE] = TRAIN
    return split


def drawn_alone(chance: npt.NDArray[np.uint64], size: Ints, config: SplitConfig, goal: Goal) -> Ints:
    """The split of each cluster by its own `chance` (uint64) and the ratios, whatever other clusters there are.

    So clusters that come to a lineage one after the other go where they would go in any other order. One that is
    larger than a split's quota goes to train, as does what would go to a closed split.
    """
    ratios = config.ratios or {}
    split = np.full(len(size), TRAIN)
    share = chance / 2.0**64
    top = ratios.get("test", 0.0)
    split[share < top + ratios.get("validation", 0.0)] = VALIDATION
    split[share < top] = TEST
    split[(size > np.array(goal.quota)[split]) | np.isin(split, list(goal.closed))] = TRAIN
    return split


def _total(field: Field, split: Ints, s: int) -> int:
    return int(field.size[split == s].sum())


def _draw(field: Field, split: Ints, need: int, goal: Goal, s: int) -> list[int]:
    """Free clusters whose sizes sum to `need`, or to as much of it as indivisible clusters allow."""
    free = field.order[split[field.order] == FREE]
    if need == 0 or len(free) == 0:
        return []
    if goal.by_time:
        return _newest(field, free, need)
    sizes = field.size.tolist()
    chosen: list[int] = []
    for stratum, wanted in _strata(field, split, need, goal.quota[s], s):
        here = free[field.stratum[free] == stratum].tolist()
        chosen += fill(sizes, here, wanted)
    return fill(sizes, free.tolist(), need, chosen)


def _strata(field: Field, split: Ints, need: int, quota: int, s: int) -> list[tuple[int, int]]:
    """How many rows of each stratum to draw; nothing where there is one stratum only."""
    rows = np.bincount(field.stratum, weights=field.size)
    if len(rows) < 2:
        return []
    shares = largest_remainder((rows * (quota / rows.sum())).tolist(), quota)
    have = np.bincount(field.stratum, weights=field.size * (split == s), minlength=len(rows))
    wanted = []
    for stratum, share in enumerate(shares):
        more = min(max(share - int(have[stratum]), 0), need)
        need -= more
        if more:
            wanted.append((stratum, more))
    return wanted


def fill(sizes: list[int], order: list[int], need: int, chosen: list[int] | None = None) -> list[int]:
    """Clusters of `order` that sum to `need`, starting from `chosen`; as close below as possible if none do.

    Drawn in order; where that leaves a gap, ever more of the last drawn are put back and an exact sum is searched.
    """
    taken = list(chosen or [])
    gap = need - sum(sizes[c] for c in taken)
    known = set(taken)
    for c in order:
        if gap == 0:
            return taken
        if sizes[c] <= gap and c not in known:
            taken.append(c)
            known.add(c)
            gap -= sizes[c]
    back = 1
    while gap and taken:
        kept = taken[:-back]
        pool = taken[-back:] + [c for c in order if c not in known]
        room = need - sum(sizes[c] for c in kept)
        found = best_sum([sizes[c] for c in pool], room)
        total = sum(size * n for size, n in found.items())
        if room - total < gap and (total == room or back >= len(taken)):
            return kept + _of_sizes(sizes, pool, found)
        if back >= len(taken):
            break
        back = min(2 * back, len(taken))
    return taken


def _of_sizes(sizes: list[int], pool: list[int], wanted: Counter[int]) -> list[int]:
    left = Counter(wanted)
    chosen = []
    for c in pool:
        if left[sizes[c]] > 0:
            left[sizes[c]] -= 1
            chosen.append(c)
    return chosen


def _draw_both(field: Field, reached: Ints, need: tuple[int, int], goal: Goal) -> Ints:
    """Both splits at once, where filling one after the other missed a count that can be met."""
    free = field.order[field.given[field.order] == FREE].tolist()
    sizes = field.size.tolist()
    found = None if goal.by_time else two_sums([sizes[c] for c in free], *need)
    if found is None:
        _refuse(field, goal, reached)
    split = field.given.copy()
    chosen = _of_sizes(sizes, free, found[0])
    split[chosen] = TEST
    split[_of_sizes(sizes, [c for c in free if split[c] == FREE], found[1])] = VALIDATION
    return split


def _newest(field: Field, free: Ints, need: int) -> list[int]:
    """The newest clusters, all of one time or none, as near to `need` as that allows.

    A cluster larger than the quota stays in train, however new.
    """
    free = free[field.size[free] <= need]
    order = np.argsort(-field.time[free], kind="stable")
    free, time = free[order], field.time[free][order]
    ends = np.flatnonzero(np.diff(time, append=-1)) + 1
    sums = np.concatenate(([0], np.cumsum(field.size[free])))[np.concatenate(([0], ends))]
    if len(sums) < 2:
        return []
    best = int(np.argmin(np.abs(sums - need)))
    return free[: ends[best - 1]].tolist() if best else []


def _refuse(field: Field, goal: Goal, reached: Ints) -> NoReturn:
    """Raise the ConfigError that names the nearest counts; those of `reached` where a search is out of reach."""
    given = [_total(field, field.given, s) for s in range(3)]
    near = tuple(_total(field, reached, s) - given[s] for s in (TEST, VALIDATION))
    if not goal.by_time:
        wanted = [max(goal.quota[s] - given[s], 0) for s in (TEST, VALIDATION)]
        near = nearest_sums(field.size[field.given == FREE].tolist(), *wanted) or near
    test, validation = given[TEST] + near[0], given[VALIDATION] + near[1]
    train = int(field.size.sum()) - test - validation
    asked = f"test {goal.quota[TEST]}, validation {goal.quota[VALIDATION]}, train {goal.quota[TRAIN]}"
    why = "rows of one time stay together" if goal.by_time else "rows with near-equal questions stay together"
    fixed = f" and {sum(given)} rows have their split already" if any(given) else ""
    raise ConfigError(
        f"split.counts: {asked} cannot be met: {why}{fixed}; "
        f"the nearest possible are test {test}, validation {validation}, train {train}"
    )
