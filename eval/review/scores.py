"""Verdicts and rubrics as numbers from 0 to 1, so that they are metrics beside those that a machine computes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
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
    by: as `values`, each judge's own number; without predictions of which somebody decided.
    """

    values: Mapping[str, Mapping[str, float]]
    picked: Collection[str] = ()
    by: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def paired(self, name: str, predictions: Sequence[str]) -> list[float]:
        """The numbers of one item's outputs under several runs, NaN where nobody judged. Who judged all of them counts
        alone, if anybody did: one more judge under one run is no difference between the runs."""
        values, by = self.values[name], self.by.get(name, {})
        given = [by.get(prediction, {}) for prediction in predictions]
        if shared := sorted(set.intersection(*(set(held) for held in given))):
            return [fmean(held[who] for who in shared) for held in given]
        return [values.get(prediction, nan) for prediction in predictions]


def scores(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> Scores:
    """Of every output that people judged, through whatever queue that does not look at outputs."""
    said = people(journal, taxonomy, run)
    fair = {draw.prediction_id for draw in draws(journal) if draw.queue in FAIR}
    found = {name: _of(said, name) for name in said.scales}
    kept = {name: {p: v for p, v in values.items() if p in fair} for name, values in found.items()}
    by = {name: {p: held for p, held in _judges(said, name).items() if p in fair} for name in said.scales}
    return Scores(kept, {p for values in found.values() for p in values} - fair, by)


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
    found = {prediction: fmean(held.values()) for prediction, held in _judges(said, name, decided=True).items()}
    for prediction, decision in said.final.items():
        if decision.values.get(name) in worth:
            found[prediction] = worth[decision.values[name]]
    return found


def _judges(said: People, name: str, *, decided: bool = False) -> dict[str, dict[str, float]]:
    """prediction -> judge -> number; those of which somebody decided only if asked for."""
    worth = _worth(said, name)
    found = {}
    for prediction, by in said.values.items():
        given = {who: worth[held[name]] for who, held in by.items() if held.get(name) in worth}
        if given and (decided or prediction not in said.final):
            found[prediction] = given
    return found


def _worth(said: People, name: str) -> dict[str, float]:
    """Level -> number: the worst is 0, the best 1."""
    if name == VERDICT:
        return {verdict: worth for verdict, worth in VERDICTS.items() if worth is not None}
    levels = said.levels(name)
    return {level: place / (len(levels) - 1) for place, level in enumerate(levels)}
