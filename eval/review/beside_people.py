"""What models that judge said, only beside how far they agree with people."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from curation.store.journal import Journal
from curation.store.tags import OK, tags
from eval.agreement import agreement
from eval.review.model_judge import MISSING
from eval.review.people import People, as_now, people
from eval.review.rates import judged
from eval.taxonomy import VERDICT, Taxonomy


@dataclass(frozen=True, slots=True)
class BesidePeople:
    """A judge and people on one tag (Cohen's kappa) or the verdict (Krippendorff's alpha, ordinal), with 95 % interval.

    items: outputs that both judged; by_people, by_judge: those of them with the tag (of the verdict: judged correct).
    among_people: alpha of the people themselves, NaN with one. given of judged: what the judge said in all, of no
    sample, and no rate.
    """

    judge: str
    tag: str
    items: int
    by_people: int
    by_judge: int
    value: float
    low: float
    high: float
    among_people: float
    given: int
    judged: int

    def as_json(self) -> dict[str, Any]:
        return {k: None if isinstance(v, float) and isnan(v) else v for k, v in asdict(self).items()}


def beside_people(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> list[BesidePeople]:
    """Every judge on every tag that it or people gave; a judge of whose outputs people judged none is left out."""
    said = people(journal, taxonomy, run)
    events = [e for e in as_now(tags(journal, run, kinds=("endpoint",)), taxonomy) if e.tag != MISSING]
    theirs, verdicts = judged(events), _verdicts(said)
    by_judge: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for prediction, by in theirs.items():
        for judge, given in by.items():
            by_judge[judge][prediction] = given
    chosen = {(e.author, e.prediction_id): e.value for e in events if e.tag == VERDICT}
    rows = []
    for judge, held in sorted(by_judge.items()):
        rows += _of_tags(judge, held, said)
        rows += _of_verdict(judge, {p: v for (who, p), v in chosen.items() if who == judge}, verdicts, said)
    return rows


def hidden_judges(journal: Journal, taxonomy: Taxonomy) -> list[str]:
    """Judges whose tags are not shown, for people judged none of their outputs."""
    known = {row.judge for row in beside_people(journal, taxonomy)}
    return sorted({e.author for e in tags(journal, kinds=("endpoint",))} - known)


def _of_tags(judge: str, held: dict[str, set[str]], said: People) -> list[BesidePeople]:
    ours = said.deserved()
    both = [prediction for prediction in held if prediction in ours]
    names = sorted({tag for one in both for tag in (*held[one], *ours[one])} - {OK}) if both else []
    rows = []
    for name in names:
        table = [[name in ours[one], name in held[one]] for one in both]
        found = agreement(table, "cohen_kappa", categories=[False, True])
        ours_have, it_has = (sum(row[side] for row in table) for side in (0, 1))
        given = sum(name in tags for tags in held.values())
        among = said.agreement(name).value
        rows.append(
            BesidePeople(
                judge, name, len(both), ours_have, it_has, found.value, found.low, found.high, among, given, len(held)
            )
        )
    return rows


def _of_verdict(judge: str, held: dict[str, str], verdicts: dict[str, str], said: People) -> list[BesidePeople]:
    levels = said.levels(VERDICT)
    table = [[verdicts[one], held[one]] for one in held if one in verdicts and held[one] in levels]
    if not table:
        return []
    found = agreement(table, "alpha_ordinal", categories=levels)
    ours_right, its_right = (sum(row[side] == levels[-1] for row in table) for side in (0, 1))
    given = sum(value == levels[-1] for value in held.values())
    among = said.agreement(VERDICT).value
    return [
        BesidePeople(
            judge,
            VERDICT,
            len(table),
            ours_right,
            its_right,
            found.value,
            found.low,
            found.high,
            among,
            given,
            len(held),
        )
    ]


def _verdicts(said: People) -> dict[str, str]:
    """prediction -> the verdict that was decided, or that most gave; none where two are as frequent."""
    found, levels = {}, set(said.levels(VERDICT))
    for prediction, by in said.values.items():
        given = Counter(held[VERDICT] for held in by.values() if held.get(VERDICT) in levels).most_common(2)
        if given and (len(given) == 1 or given[0][1] > given[1][1]):
            found[prediction] = given[0][0]
    decided = {p: one.values[VERDICT] for p, one in said.final.items() if one.values.get(VERDICT) in levels}
    return found | decided
