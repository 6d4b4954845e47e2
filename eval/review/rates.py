"""How often a tag is deserved: rates from random draws, where it is more frequent, and whether it shrank."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

from curation.store.tags import Draw, Tag
from eval.review.queues import RANDOM, SECOND_LOOK
from eval.stats.distributions import mcnemar_mid_p, wilson
from eval.stats.multiple import benjamini_hochberg
from eval.taxonomy import NOTE

FEWEST_IN_SLICE: Final = 5
MOST_SKIPPED: Final = 0.1  # of the random draws; beyond it the rates may lean, and that is said


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of the outputs that have the tag, with its 95 % Wilson interval; NaN where no random draw was judged.

    counted: outputs with the tag in all, those found through other queues included; that number is of no sample.
    """

    tag: str
    hits: int
    n: int
    share: float
    low: float
    high: float
    counted: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of the random draws. skipped: on record and judged by nobody, for they were skipped or taken back.

    elsewhere: outputs that were judged and not drawn at random; they are counted, and in no rate.
    """

    judged: int
    skipped: int
    elsewhere: int

    @property
    def told(self) -> str:
        """In words, to stand beside the rates; "" where nobody judged or skipped anything."""
        if not self.judged + self.skipped + self.elsewhere:
            return ""
        drawn = self.judged + self.skipped
        said = f"rates by people: of {self.judged:,} random draws" if self.judged else "no random draw was judged"
        if self.elsewhere:
            said += f"; {self.elsewhere:,} other outputs were judged, and are counted alone"
        if not self.skipped:
            return said
        said += f"; {self.skipped:,} of {drawn:,} draws were skipped or taken back, and are in no rate"
        if self.skipped > MOST_SKIPPED * drawn:
            said += ": more than a tenth, so the rates speak of what people chose to judge"
        return said


@dataclass(frozen=True, slots=True)
class SliceExcess:
    """A slice against the rest. p: one-sided Fisher; p_adjusted: Benjamini-Hochberg over all slices and tags asked.

    low, high: 95 % Wilson interval of the slice's own rate.
    """

    tag: str
    field: str
    value: str
    hits: int
    n: int
    rest_hits: int
    rest_n: int
    p: float
    p_adjusted: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """A tag on the same items under two runs. lost: items that had it under the first alone; gained: the reverse."""

    tag: str
    n: int
    before: int
    after: int
    lost: int
    gained: int
    p: float  # McNemar mid-p


def judged(tags: Iterable[Tag]) -> dict[str, dict[str, set[str]]]:
    """prediction -> author -> the tags they gave; an author who said OK is there with that alone.

    Verdicts, rubrics and notes are no tags: who gave nothing else is there with none. Second looks are left out: they
    say how steady a person is, and nothing new about the output.
    """
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for tag in tags:
        if not tag.author.endswith(SECOND_LOOK):
            found[tag.prediction_id][tag.author] |= {tag.tag} if not tag.value and tag.tag != NOTE else set()
    return {prediction: dict(authors) for prediction, authors in found.items()}


def deserved(judgements: Mapping[str, Mapping[str, set[str]]]) -> dict[str, set[str]]:
    """prediction -> the tags that at least half of those who judged it gave."""
    found: dict[str, set[str]] = {}
    for prediction, authors in judgements.items():
        if len(authors) == 1:
            found[prediction] = set(*authors.values())
            continue
        given = Counter(tag for tags in authors.values() for tag in tags)
        found[prediction] = {tag for tag, times in given.items() if 2 * times >= len(authors)}
    return found


def rates(tags: Mapping[str, set[str]], draws: Iterable[Draw], names: Iterable[str]) -> list[Rate]:
    """The rate of each tag among judged random draws; `tags` as `deserved` gives them."""
    sample = at_random(draws) & set(tags)
    return [_rate(name, tags, sample) for name in names]


def at_random(draws: Iterable[Draw]) -> set[str]:
    """The predictions that may speak for the others: drawn at random, with a known probability."""
    return {draw.prediction_id for draw in draws if draw.queue == RANDOM and draw.probability}


def what_became_of(draws: Iterable[Draw], judged: Iterable[str]) -> Drawn:
    """`draws` and `judged` predictions, both of the outputs that the rates are about."""
    drawn, given = at_random(draws), set(judged)
    return Drawn(len(drawn & given), len(drawn - given), len(given - drawn))


def rates_of_all(tags: Mapping[str, set[str]], predictions: Sequence[str], names: Iterable[str]) -> list[Rate]:
    """The same for tags by rules, which have looked at every prediction."""
    everything = {prediction: tags.get(prediction, set()) for prediction in predictions}
    return [_rate(name, everything, set(predictions)) for name in names]


def _rate(name: str, tags: Mapping[str, set[str]], sample: set[str]) -> Rate:
    counted = sum(name in found for found in tags.values())
    if not sample:
        return Rate(name, 0, 0, float("nan"), float("nan"), float("nan"), counted)
    hits = sum(name in tags[prediction] for prediction in sample)
    low, high = wilson(hits, len(sample))
    return Rate(name, hits, len(sample), hits / len(sample), low, high, counted)


def excesses(
    tags: Mapping[str, set[str]], slices: Mapping[str, Mapping[str, str]], names: Sequence[str]
) -> list[SliceExcess]:
    """Slices that have a tag more often than the rest, surest first; `tags` and `slices` by judged prediction.

    What people judged speaks for its slice only where it was drawn at random: leave the rest out of `tags`.
    """
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    for prediction in tags:
        for field, value in slices.get(prediction, {}).items():
            members[field, value].add(prediction)
    found = []
    for name in names:
        having = {prediction for prediction, given in tags.items() if name in given}
        for (field, value), inside in sorted(members.items()):
            if FEWEST_IN_SLICE <= len(inside) <= len(tags) - FEWEST_IN_SLICE and having:
                hits, rest = len(having & inside), len(having - inside)
                p = fisher_greater(hits, len(inside), rest, len(tags) - len(inside))
                found.append((name, field, value, hits, len(inside), rest, len(tags) - len(inside), p))
    adjusted = benjamini_hochberg([row[-1] for row in found])
    rows = [SliceExcess(*row, a, *wilson(row[3], row[4])) for row, a in zip(found, adjusted, strict=True)]
    return sorted(rows, key=lambda row: (row.p_adjusted, row.p, row.tag, row.field, row.value))


def fisher_greater(hits: int, n: int, rest_hits: int, rest_n: int) -> float:
    """One-sided exact test that the first share is the larger (hypergeometric tail)."""
    having = hits + rest_hits
    ways = sum(comb(n, k) * comb(rest_n, having - k) for k in range(hits, min(n, having) + 1) if having - k <= rest_n)
    return ways / comb(n + rest_n, having)


def change(
    name: str, before: Mapping[str, set[str]], after: Mapping[str, set[str]], items: Iterable[str] | None = None
) -> Change:
    """A tag under two runs on the items judged under both; `before` and `after` are by item, as is `items`."""
    shared = sorted(set(before) & set(after) & (set(items) if items is not None else set(before)))
    pairs = [(name in before[item], name in after[item]) for item in shared]
    lost, gained = pairs.count((True, False)), pairs.count((False, True))
    p = mcnemar_mid_p(gained, lost) if lost + gained else 1.0
    return Change(name, len(pairs), sum(b for b, _ in pairs), sum(a for _, a in pairs), lost, gained, p)
