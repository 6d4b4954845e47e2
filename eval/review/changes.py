"""Did a tag shrink from run to run: paired on the same items, resampled by cluster, beside a control tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from curation.errors import ConfigError, DataError, did_you_mean
from curation.store.journal import Journal
from curation.store.tags import OK, draws, tags
from eval.folder import EvalFolder
from eval.metrics.metric import mean_of
from eval.review.frame import to_review
from eval.review.people import people
from eval.review.rates import deserved, judged
from eval.review.scores import FAIR
from eval.stats.compare import compare_paired
from eval.stats.multiple import benjamini_hochberg
from eval.taxonomy import Taxonomy

By = Literal["people", "rules"]
BY: Final[tuple[By, ...]] = ("people", "rules")


@dataclass(frozen=True, slots=True)
class TagChange:
    """before, after: items with the tag, of n that were judged under both runs; lost, gained: under one alone.

    low, high: 95 % interval of the change of the share. p_adjusted: Benjamini-Hochberg over all tags but the control.
    beyond: the change less that of the control on the same items, with its interval; NaN without a control.
    """

    tag: str
    n: int
    clusters: int
    before: int
    after: int
    lost: int
    gained: int
    low: float
    high: float
    p: float
    p_adjusted: float
    beyond: float
    beyond_low: float
    beyond_high: float
    control: bool = False


def tag_changes(
    journal: Journal,
    before: EvalFolder,
    after: EvalFolder,
    taxonomy: Taxonomy,
    by: By = "people",
    control: str | None = None,
    *,
    test_too: bool = False,
) -> list[TagChange]:
    """Every tag that either run has, the surest change first, the control last; items of test only if asked for.

    By people only outputs count that were put before them by a queue that does not look at outputs; where somebody
    judged an item under both, they alone count for it, so that one more judge under one run moves nothing. DataError
    where no item was judged under both.
    """
    if by == "people":
        sides = _by_people(journal, (before, after), taxonomy, test_too)
    else:
        sides = [_by_rules(journal, folder, test_too) for folder in (before, after)]
    clusters = _clusters(before) | _clusters(after)
    items = sorted(set(sides[0]) & set(sides[1]))
    if not items:
        alone = [] if test_too else [one.name for one in (before, after) if not to_review(one)]
        if alone:
            why = (
                "holds outputs of the test split alone; compare those of test with --final, or ask the validation split"
            )
            raise DataError(f"{before.name} and {after.name}: {' and '.join(alone)} {why}")
        what = _nothing_shared(journal, (before, after), taxonomy, test_too) if by == "people" else "they share no item"
        raise DataError(f"{before.name} and {after.name}: {what}; let the same items be judged under both runs")
    names = sorted({tag for side in sides for item in items for tag in side[item]} - {OK})
    if control is not None and control not in names:
        raise ConfigError(f'--control "{control}": neither run has this tag{did_you_mean(control, names)}')
    table = {name: [_values(name, side, items) for side in sides] for name in names}
    held = [clusters.get(item, item) for item in items]
    rows = [_change(name, table[name], held, table.get(control or "")) for name in names]
    others = [row for row in rows if row.tag != control]
    adjusted = benjamini_hochberg([row.p for row in others])
    found = [replace(row, p_adjusted=p) for row, p in zip(others, adjusted, strict=True)]
    last = [replace(row, control=True) for row in rows if row.tag == control]
    return [*sorted(found, key=lambda row: (row.p_adjusted, row.p, row.tag)), *last]


def _change(name: str, values: Sequence[Any], clusters: Sequence[Any], control: Sequence[Any] | None) -> TagChange:
    one, two = values
    found = compare_paired(mean_of(name, "tag", one, False), mean_of(name, "tag", two, False), clusters)
    beyond = (float("nan"),) * 3
    if control is not None and control is not values:
        moved = [mean_of(name, "change", side, None) for side in (control[1] - control[0], two - one)]
        apart = compare_paired(moved[0], moved[1], clusters)
        beyond = (apart.diff, apart.low, apart.high)
    counts = (int(one.sum()), int(two.sum()), int((one > two).sum()), int((two > one).sum()))
    return TagChange(name, found.n, found.clusters, *counts, found.low, found.high, found.p, found.p, *beyond)


def _values(name: str, side: Mapping[str, set[str]], items: Sequence[str]) -> Any:
    return np.array([name in side[item] for item in items], np.float64)


def _by_rules(journal: Journal, folder: EvalFolder, test_too: bool) -> dict[str, set[str]]:
    """item -> tags; rules have looked at all of them."""
    given = deserved(judged(tags(journal, folder.of.name, kinds=("rule",))))
    return {item: given.get(prediction, set()) for prediction, item in _items(folder, test_too).items()}


def _by_people(
    journal: Journal, folders: Sequence[EvalFolder], taxonomy: Taxonomy, test_too: bool
) -> list[dict[str, set[str]]]:
    """Each side's item -> tags, of the items that were judged."""
    fair = {draw.prediction_id for draw in draws(journal) if draw.queue in FAIR}
    given: list[dict[str, Mapping[str, set[str]]]] = []
    decided: list[dict[str, set[str]]] = []
    for folder in folders:
        said = people(journal, taxonomy, folder.of.name)
        item_of = {p: item for p, item in _items(folder, test_too).items() if p in fair}
        given.append({item_of[p]: by for p, by in said.given.items() if p in item_of})
        decided.append({item_of[p]: set(one.tags) for p, one in said.final.items() if p in item_of})
    return [
        deserved({item: _same_judges(by, other.get(item, {})) for item, by in side.items()}) | final
        for side, other, final in zip(given, reversed(given), decided, strict=True)
    ]


def _same_judges(by: Mapping[str, set[str]], elsewhere: Mapping[str, object]) -> Mapping[str, set[str]]:
    """What those said who judged the item under the other run too; of all, where nobody did."""
    return {who: held for who, held in by.items() if who in elsewhere} or by


def _items(folder: EvalFolder, test_too: bool) -> dict[str, str]:
    """prediction -> item, of those with an output."""
    table = folder.predictions(["prediction_id", "item_id", "split", "output"]).to_pylist()
    return {
        row["prediction_id"]: row["item_id"]
        for row in table
        if row["output"] is not None and (test_too or row["split"] != "test")
    }


def _nothing_shared(journal: Journal, sides: Sequence[EvalFolder], taxonomy: Taxonomy, test_too: bool) -> str:
    """Why no item counts: judged in vain, or not at all."""
    first, second = (
        {item for p, item in _items(folder, test_too).items() if p in people(journal, taxonomy, folder.of.name).given}
        for folder in sides
    )
    if not (both := len(first & second)):
        return "no item was judged by people under both"
    return (
        f"of {both:,} items judged by people under both none counts: a queue chose them by their outputs, or they came "
        "from a file"
    )


def _clusters(folder: EvalFolder) -> dict[str, int]:
    table = folder.predictions(["item_id", "cluster"])
    pairs = zip(table["item_id"].to_pylist(), table["cluster"].to_pylist(), strict=True)
    return {item: cluster for item, cluster in pairs if cluster is not None}
