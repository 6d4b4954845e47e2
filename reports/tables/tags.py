"""Tables about tags: rates with intervals, slices, agreement of annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import pandas as pd

from curation.store.journal import Journal
from curation.store.tags import OK, Tag, draws, tags
from eval.agreement import agreement
from eval.review.queues import SECOND_LOOK
from eval.review.rates import deserved, excesses, judged, rates, rates_of_all
from eval.taxonomy import NOTE, VERDICT, Taxonomy

RATES = ["tag", "kind", "hits", "n", "share", "low", "high", "counted"]


def tag_rates(journal: Journal, run: str, predictions: Sequence[str], taxonomy: Taxonomy) -> pd.DataFrame:
    """RATES, by people (from random draws alone) and by rules (which saw every prediction); commonest first."""
    by_people = judgements(journal, run, taxonomy)
    found = {name for given in by_people.values() for name in given} - {OK, NOTE, VERDICT}
    rows = [("person", rate) for rate in rates(by_people, draws(journal), sorted(found))]
    by_rules = deserved(judged(tags(journal, run, kinds=("rule",))))
    names = sorted({name for given in by_rules.values() for name in given})
    rows += [("rule", rate) for rate in rates_of_all(by_rules, predictions, names)]
    table = [(r.tag, kind, r.hits, r.n, r.share, r.low, r.high, r.counted) for kind, r in rows]
    frame = pd.DataFrame(table, columns=RATES)
    return frame.sort_values(["counted", "tag"], ascending=[False, True], ignore_index=True)


def judgements(journal: Journal, run: str | None, taxonomy: Taxonomy) -> dict[str, set[str]]:
    """prediction -> the tags that people hold it deserves, by their present names."""
    return deserved(judged([_present(tag, taxonomy) for tag in tags(journal, run, kinds=("person",))]))


def slices(
    tags_of: Mapping[str, set[str]], fields: Mapping[str, Mapping[str, str]], names: Sequence[str]
) -> pd.DataFrame:
    """tag, field, value, hits, n, rest_hits, rest_n, p, p_adjusted: slices with a tag more often than the rest."""
    columns = ["tag", "field", "value", "hits", "n", "rest_hits", "rest_n", "p", "p_adjusted"]
    rows = [tuple(getattr(row, name) for name in columns) for row in excesses(tags_of, fields, names)]
    return pd.DataFrame(rows, columns=columns)


def agreements(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> pd.DataFrame:
    """tag, coefficient, value, low, high, items, raters: how far people agree on each tag, given or not given.

    A person who judged a prediction and left a tag out said no to it.
    """
    given = judged([_present(tag, taxonomy) for tag in tags(journal, run, kinds=("person",))])
    people = sorted({author for authors in given.values() for author in authors})
    names = sorted({tag for authors in given.values() for held in authors.values() for tag in held} - {OK, NOTE})
    rows = []
    for name in names:
        table = [[name in authors[who] if who in authors else None for who in people] for authors in given.values()]
        for coefficient in ("alpha_nominal", "gwet_ac1"):
            if len(people) > 1:
                found = agreement(table, coefficient, categories=[False, True])
                rows.append((name, coefficient, found.value, found.low, found.high, found.items, found.raters))
    return pd.DataFrame(rows, columns=["tag", "coefficient", "value", "low", "high", "items", "raters"])


def pairs(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> pd.DataFrame:
    """first, second, items, same: how often two people gave one prediction the same tags."""
    given = judged([_present(tag, taxonomy) for tag in tags(journal, run, kinds=("person",))])
    rows = []
    people = sorted({author for authors in given.values() for author in authors})
    for one, two in combinations(people, 2):
        both = [authors for authors in given.values() if one in authors and two in authors]
        if both:
            rows.append((one, two, len(both), sum(authors[one] == authors[two] for authors in both) / len(both)))
    return pd.DataFrame(rows, columns=["first", "second", "items", "same"])


def steadiness(journal: Journal, taxonomy: Taxonomy) -> pd.DataFrame:
    """author, items, same: how often a person who saw an output again, unsaid, gave it the same tags."""
    said: dict[tuple[str, str], set[str]] = {}
    for tag in tags(journal, kinds=("person",)):
        said.setdefault((tag.author, tag.prediction_id), set()).add(_present(tag, taxonomy).tag + tag.value)
    again = [key for key in said if key[0].endswith(SECOND_LOOK)]
    rows: dict[str, list[bool]] = {}
    for author, prediction in again:
        first = said.get((author.removesuffix(SECOND_LOOK), prediction))
        if first is not None:
            rows.setdefault(author.removesuffix(SECOND_LOOK), []).append(first == said[author, prediction])
    table = [(author, len(same), sum(same) / len(same)) for author, same in sorted(rows.items())]
    return pd.DataFrame(table, columns=["author", "items", "same"])


def _present(tag: Tag, taxonomy: Taxonomy) -> Tag:
    now = taxonomy.present(tag.tag, tag.taxonomy)
    return tag if now == tag.tag else replace(tag, tag=now)
