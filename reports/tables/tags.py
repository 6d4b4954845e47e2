"""Tables about tags: rates with intervals, slices, agreement of annotators."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import combinations

import pandas as pd

from curation.store.journal import Journal
from curation.store.tags import OK, draws, tags
from eval.review.beside_people import BesidePeople, beside_people
from eval.review.people import people
from eval.review.rates import Drawn, at_random, deserved, excesses, judged, rates, rates_of_all, what_became_of
from eval.review.scores import estimates
from eval.stats.distributions import wilson
from eval.taxonomy import Taxonomy

RATES = ["tag", "kind", "hits", "n", "share", "low", "high", "counted"]


def tag_rates(
    journal: Journal, run: str, predictions: Sequence[str], taxonomy: Taxonomy, *, whole_run: bool = False
) -> pd.DataFrame:
    """RATES, by people (from random draws alone) and by rules (which saw every prediction); commonest first.

    whole_run: what people said of outputs of the run outside `predictions` too.
    """
    by_people = judgements(journal, run, taxonomy, None if whole_run else predictions)
    found = {name for given in by_people.values() for name in given} - {OK}
    rows = [("person", rate) for rate in rates(by_people, draws(journal), sorted(found))]
    by_rules = deserved(judged(tags(journal, run, kinds=("rule",))))
    names = sorted({name for given in by_rules.values() for name in given})
    rows += [("rule", rate) for rate in rates_of_all(by_rules, predictions, names)]
    table = [(r.tag, kind, r.hits, r.n, r.share, r.low, r.high, r.counted) for kind, r in rows]
    frame = pd.DataFrame(table, columns=RATES)
    return frame.sort_values(["counted", "tag"], ascending=[False, True], ignore_index=True)


def random_draws(journal: Journal, run: str, taxonomy: Taxonomy, among: Collection[str] | None = None) -> Drawn:
    """What became of a run's random draws; `Drawn.told` stands beside its rates. among: predictions, if not all."""
    asked = None if among is None else set(among)
    of_run = [d for d in draws(journal) if d.run == run and (asked is None or d.prediction_id in asked)]
    return what_became_of(of_run, judgements(journal, run, taxonomy, asked))


def verdicts(journal: Journal, run: str, taxonomy: Taxonomy, among: Collection[str] | None = None) -> pd.DataFrame:
    """what, value, low, high, n, counted: the verdict and rubrics from 0 (worst) to 1, of random draws alone."""
    found = estimates(journal, taxonomy, run, None if among is None else set(among))
    rows = [(one.name, one.value, one.low, one.high, one.n, all_) for one, all_ in found]
    return pd.DataFrame(rows, columns=["what", "value", "low", "high", "n", "counted"])


def judgements(
    journal: Journal, run: str | None, taxonomy: Taxonomy, among: Collection[str] | None = None
) -> dict[str, set[str]]:
    """prediction -> the tags that people hold it deserves, or somebody decided it does, by their present names.

    among: predictions, if not all.
    """
    found = people(journal, taxonomy, run).deserved()
    if among is None:
        return found
    asked = set(among)
    return {prediction: held for prediction, held in found.items() if prediction in asked}


def drawn_judgements(
    journal: Journal, run: str, taxonomy: Taxonomy, among: Collection[str] | None = None
) -> dict[str, set[str]]:
    """Those of `judgements` that were drawn at random: what may be said of slices rests on these alone."""
    drawn = at_random(draws(journal))
    return {p: held for p, held in judgements(journal, run, taxonomy, among).items() if p in drawn}


def slices(
    tags_of: Mapping[str, set[str]], values: Mapping[str, Mapping[str, str]], names: Sequence[str]
) -> pd.DataFrame:
    """tag, field, value, hits, n, its interval, rest_hits, rest_n, p, p_adjusted: slices with a tag more often than
    the rest."""
    columns = ["tag", "field", "value", "hits", "n", "low", "high", "rest_hits", "rest_n", "p", "p_adjusted"]
    rows = [tuple(getattr(row, name) for name in columns) for row in excesses(tags_of, values, names)]
    return pd.DataFrame(rows, columns=columns)


def agreements(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> pd.DataFrame:
    """tag, coefficient, value, low, high, items, raters: how far people agree on each tag, given or not given, and on
    the verdict and rubrics by their order.

    A person who judged a prediction and left a tag out said no to it.
    """
    said = people(journal, taxonomy, run)
    asked = [(name, c) for name in said.names for c in ("alpha_nominal", "gwet_ac1")]
    asked += [(name, "alpha_ordinal") for name in said.scales]
    rows = []
    for name, coefficient in asked if len(said.authors) > 1 else ():
        found = said.agreement(name, coefficient)
        rows.append((name, coefficient, found.value, found.low, found.high, found.items, found.raters))
    return pd.DataFrame(rows, columns=["tag", "coefficient", "value", "low", "high", "items", "raters"])


def weak(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The rows of `agreements` whose alpha is under the threshold: these change no data until somebody decides."""
    return table[table["coefficient"].str.startswith("alpha") & (table["value"] < threshold)]


def pairs(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> pd.DataFrame:
    """first, second, items, same: how often two people gave one prediction the same tags."""
    said = people(journal, taxonomy, run)
    rows = []
    for one, two in combinations(said.authors, 2):
        both = [by for by in said.given.values() if one in by and two in by]
        if both:
            rows.append((one, two, len(both), sum(by[one] == by[two] for by in both) / len(both)))
    return pd.DataFrame(rows, columns=["first", "second", "items", "same"])


def steadiness(journal: Journal, taxonomy: Taxonomy) -> pd.DataFrame:
    """author, items, same, low, high: how often a person who saw an output again, unsaid, said the same of it."""
    said = people(journal, taxonomy).second_looks
    rows = [(who, len(same), sum(same) / len(same), *wilson(sum(same), len(same))) for who, same in said.items()]
    return pd.DataFrame(rows, columns=["author", "items", "same", "low", "high"])


def judges(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> pd.DataFrame:
    """What models that judge said beside people (see BesidePeople); empty where people judged none of it."""
    rows = [asdict(row) for row in beside_people(journal, taxonomy, run)]
    return pd.DataFrame(rows, columns=[field.name for field in fields(BesidePeople)])
