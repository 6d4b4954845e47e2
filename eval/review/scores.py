"""Verdicts and rubrics as numbers from 0 to 1, so that they are metrics beside those that a machine computes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from curation.runs import RunPlace
from curation.store.journal import Journal, open_journal
from curation.store.tags import draws
from eval.metrics.metric import mean_of
from eval.review.people import People, people
from eval.review.queues import CALIBRATION, RANDOM
from eval.review.rates import at_random
from eval.stats.value import Estimate, estimate
from eval.taxonomy import VERDICT, VERDICTS, Taxonomy, load_taxonomy

# Queues that do not look at outputs: what they put before people is no worse or better than the rest.
FAIR: Final = frozenset({RANDOM, CALIBRATION, "unseen"})


@dataclass(frozen=True, slots=True)
class Scores:
    """values: verdict or rubric -> prediction -> its number, the mean over its judges, or what was decided.

    picked: predictions that were judged too, but found by a queue that looks at outputs; they are not among `values`.
    """

    values: Mapping[str, Mapping[str, float]]
    picked: Collection[str] = ()


def scores(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> Scores:
    """Of every output that people judged, through whatever queue that does not look at outputs."""
    said = people(journal, taxonomy, run)
    fair = {draw.prediction_id for draw in draws(journal) if draw.queue in FAIR}
    found = {name: _of(said, name) for name in said.scales}
    kept = {name: {p: v for p, v in values.items() if p in fair} for name, values in found.items()}
    return Scores(kept, {p for values in found.values() for p in values} - fair)


def scores_of(place: RunPlace, root: Path) -> Scores:
    """Of a place where runs are kept, and the taxonomy at `root`; none where nobody has judged anything."""
    if not place.journal.is_file():
        return Scores({})
    with open_journal(place.journal) as journal:
        return scores(journal, load_taxonomy(root))


def estimates(
    journal: Journal, taxonomy: Taxonomy, run: str, among: Collection[str] | None = None
) -> list[tuple[Estimate, int]]:
    """(mean with interval over random draws alone, outputs judged in all) of the verdict and each rubric.

    among: predictions that it is about, if not all of the run.
    """
    said = people(journal, taxonomy, run)
    drawn = at_random(draws(journal))
    rows = []
    for name in said.scales:
        values = {p: value for p, value in _of(said, name).items() if among is None or p in among}
        sample = [value for prediction, value in sorted(values.items()) if prediction in drawn]
        rows.append((estimate(mean_of(name, f"people|{taxonomy.name}|{name}", sample)), len(values)))
    return rows


def _of(said: People, name: str) -> dict[str, float]:
    worth = _worth(said, name)
    found = {}
    for prediction, by in said.values.items():
        given = [worth[held[name]] for held in by.values() if held.get(name) in worth]
        if given:
            found[prediction] = fmean(given)
    for prediction, decision in said.final.items():
        if decision.values.get(name) in worth:
            found[prediction] = worth[decision.values[name]]
    return found


def _worth(said: People, name: str) -> dict[str, float]:
    """Level -> number: the worst is 0, the best 1."""
    if name == VERDICT:
        return {verdict: worth for verdict, worth in VERDICTS.items() if worth is not None}
    levels = said.levels(name)
    return {level: place / (len(levels) - 1) for place, level in enumerate(levels)}
