"""Which clusters to take so that their sizes sum to an exact number of rows.

Sets of reachable sums are Python integers, bit s for sum s: one shift and one or adds a whole cluster size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

# Bits of stored sums (125 MB): beyond it a search gives up. Data of that size has single rows to fill with.
_MOST_BITS = 1_000_000_000
_MOST_PAIRS = 10_000_000  # of sums that are looked through one by one


def best_sum(sizes: Sequence[int], target: int) -> Counter[int]:
    """How many clusters of each size make the largest sum up to `target`; empty if the search is too large."""
    have = Counter(size for size in sizes if size <= target)
    items = _binary_items(have, target)
    if len(items) * target > _MOST_BITS:
        return Counter()
    full = (1 << target + 1) - 1
    reached = [1]
    for size, times in items:
        reached.append((reached[-1] | reached[-1] << size * times) & full)
    return _walk_back(items, reached, reached[-1].bit_length() - 1)


def _binary_items(have: Mapping[int, int], target: int) -> list[tuple[int, int]]:
    """(size, times) blocks of 1, 2, 4 ... clusters: any number of clusters up to the given one can be made."""
    items = []
    for size, number in sorted(have.items()):
        left, block = min(number, target // size), 1
        while left > 0:
            items.append((size, min(block, left)))
            left -= block
            block *= 2
    return items


def _walk_back(items: Sequence[tuple[int, int]], reached: Sequence[int], total: int) -> Counter[int]:
    taken: Counter[int] = Counter()
    for (size, times), before in zip(reversed(items), reversed(reached[:-1]), strict=True):
        if not before >> total & 1:
            taken[size] += times
            total -= size * times
    return taken


def two_sums(sizes: Sequence[int], first: int, second: int) -> tuple[Counter[int], Counter[int]] | None:
    """How many clusters of each size make `first` and, of the others, `second`; None if impossible or too large."""
    table = _two_sum_table(sizes, first, second)
    if table is None or not table.reached[-1] >> table.bit(first, second) & 1:
        return None
    return table.walk_back(first, second)


def nearest_sums(sizes: Sequence[int], first: int, second: int) -> tuple[int, int] | None:
    """The pair of sums that two disjoint choices can reach nearest to (first, second); None if too large to search."""
    total = sum(sizes)
    for slack in sorted({min(sizes, default=0), max(sizes, default=0), total}):
        reach_first, reach_second = min(first + slack, total), min(second + slack, total) if second else 0
        table = _two_sum_table(sizes, reach_first, reach_second)
        if table is None:
            return None
        found = table.nearest(first, second)
        # Pairs outside the searched box are further away than the slack.
        if slack == total or abs(found[0] - first) + abs(found[1] - second) <= slack:
            return found
    return None


class _TwoSums:
    """Reachable pairs (a, b), a up to `first`, b up to `second`: bit a * (second + 1) + b."""

    def __init__(self, items: Sequence[int], first: int, second: int) -> None:
        self.items, self.width = items, second + 1
        self.first, self.second = first, second
        full = (1 << (first + 1) * self.width) - 1
        every_row = full // ((1 << self.width) - 1)  # bit 0 of each row
        self.reached = [1]
        for size in items:
            last = self.reached[-1]
            grown = last | last << size * self.width & full
            if size <= second:  # sums that would run over into the next row stay where they are
                grown |= (last & every_row * ((1 << self.width - size) - 1)) << size
            self.reached.append(grown)

    def bit(self, a: int, b: int) -> int:
        return a * self.width + b

    def walk_back(self, a: int, b: int) -> tuple[Counter[int], Counter[int]]:
        first: Counter[int] = Counter()
        second: Counter[int] = Counter()
        for size, before in zip(reversed(self.items), reversed(self.reached[:-1]), strict=True):
            if before >> self.bit(a, b) & 1:
                continue
            if a >= size and before >> self.bit(a - size, b) & 1:
                first[size] += 1
                a -= size
            else:
                second[size] += 1
                b -= size
        return first, second

    def nearest(self, a: int, b: int) -> tuple[int, int]:
        """The reachable pair of smallest total distance; of equals the one with fewer rows."""
        digits = bin(self.reached[-1])[:1:-1]
        found = ((at // self.width, at % self.width) for at, digit in enumerate(digits) if digit == "1")
        return min(found, key=lambda pair: (abs(pair[0] - a) + abs(pair[1] - b), pair))


def _two_sum_table(sizes: Sequence[int], first: int, second: int) -> _TwoSums | None:
    most = first + second
    items = [s for s, n in sorted(Counter(sizes).items()) if s for _ in range(min(n, most // s))]
    pairs = (first + 1) * (second + 1)
    if pairs > _MOST_PAIRS or (len(items) + 1) * pairs > _MOST_BITS:
        return None
    return _TwoSums(items, first, second)
