"""What people say of outputs, by the present names of their tags, and what was decided where they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakKeyDictionary

from curation.store.journal import Journal
from curation.store.tags import OK, Kind, Tag, last_event, tags
from eval.agreement import Agreement, agreement
from eval.review.queues import SECOND_LOOK
from eval.review.rates import deserved, judged
from eval.taxonomy import NOTE, VERDICT, VERDICTS, Taxonomy

# journal -> run -> (its last event then, what people said): a page of the dashboard and a report ask many times.
_KNOWN: Final[WeakKeyDictionary[Journal, dict[str | None, tuple[int, People]]]] = WeakKeyDictionary()
FINAL: Final[Kind] = "final"  # of the events of an adjudication


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about an output: its tags (OK: none), and its verdict and levels of rubrics."""

    author: str
    time: str
    tags: frozenset[str]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class People:
    """given: prediction -> author -> tags; values: prediction -> author -> verdict or rubric -> what was chosen.

    An author who said OK is in `given` with that alone. `final`: the decisions; of several the last one holds.
    """

    given: Mapping[str, Mapping[str, set[str]]]
    values: Mapping[str, Mapping[str, Mapping[str, str]]]
    final: Mapping[str, Decision]
    second_looks: Mapping[str, Sequence[bool]]  # author -> whether they said the same when an output came again
    taxonomy: Taxonomy

    @property
    def authors(self) -> list[str]:
        return sorted({author for by in self.given.values() for author in by})

    @property
    def names(self) -> list[str]:
        """Every tag that somebody gave."""
        return sorted({tag for by in self.given.values() for held in by.values() for tag in held} - {OK})

    @property
    def scales(self) -> list[str]:
        """The verdict and the rubrics, as far as somebody used them."""
        used = {name for by in self.values.values() for held in by.values() for name in held}
        return [name for name in (VERDICT, *self.taxonomy.rubrics) if name in used]

    def deserved(self) -> dict[str, set[str]]:
        """prediction -> the tags that at least half of its judges gave; where it was decided, what was decided."""
        return deserved(self.given) | {prediction: set(one.tags) for prediction, one in self.final.items()}

    def disputed(self) -> list[str]:
        """Predictions of which not all judges say the same, and nobody has decided; in the order of judging."""
        return [p for p, by in self.given.items() if p not in self.final and len(self._opinions(p, by)) > 1]

    def _opinions(self, prediction: str, by: Mapping[str, set[str]]) -> set[tuple[frozenset[str], frozenset[str]]]:
        """What its judges say, without saying who."""
        values = self.values.get(prediction, {})
        return {
            (frozenset(held), frozenset(f"{k} {v}" for k, v in values.get(author, {}).items()))
            for author, held in by.items()
        }

    def levels(self, name: str) -> list[str]:
        """Of the verdict or a rubric, worst first; those that say nothing left out."""
        if name == VERDICT:
            return sorted((v for v, worth in VERDICTS.items() if worth is not None), key=lambda v: VERDICTS[v] or 0.0)
        return list(self.taxonomy.rubrics[name].levels)

    def ratings(self, name: str) -> list[list[str | bool | None]]:
        """A row a prediction, a column an author; None where they did not judge, or cannot."""
        people = self.authors
        if name in self.scales:
            known = set(self.levels(name))
            said = ([by.get(who, {}).get(name) for who in people] for by in self.values.values())
            return [[value if value in known else None for value in row] for row in said]
        return [[name in by[who] if who in by else None for who in people] for by in self.given.values()]

    def agreement(self, name: str, coefficient: str | None = None) -> Agreement:
        """How far people agree on a tag (given or not given), the verdict, or a rubric; alpha unless said otherwise."""
        scale = name in self.scales
        chosen = coefficient or ("alpha_ordinal" if scale else "alpha_nominal")
        return agreement(self.ratings(name), chosen, categories=self.levels(name) if scale else [False, True])


def people(journal: Journal, taxonomy: Taxonomy, run: str | None = None) -> People:
    """Of one run's outputs, or of all; what was read holds until somebody adds an event."""
    now = last_event(journal)
    known = _KNOWN.setdefault(journal, {})
    found = known.get(run)
    if found is None or found[0] != now or found[1].taxonomy != taxonomy:
        found = known[run] = (now, _read(journal, taxonomy, run))
    return found[1]


def _read(journal: Journal, taxonomy: Taxonomy, run: str | None) -> People:
    given = as_now(tags(journal, run, kinds=("person",)), taxonomy)
    values: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for tag in given:
        if tag.value and not tag.author.endswith(SECOND_LOOK):
            values[tag.prediction_id][tag.author][tag.tag] = tag.value
    decided = as_now(tags(journal, run, kinds=(FINAL,)), taxonomy)
    scales = {prediction: dict(by) for prediction, by in values.items()}
    return People(judged(given), scales, _decisions(decided), _second_looks(given), taxonomy)


def as_now(events: Iterable[Tag], taxonomy: Taxonomy) -> list[Tag]:
    """The events with the present names of their tags."""
    return [_as_now(event, taxonomy) for event in events]


def _as_now(event: Tag, taxonomy: Taxonomy) -> Tag:
    name = taxonomy.present(event.tag, event.taxonomy)
    return event if name == event.tag else replace(event, tag=name)


def _second_looks(given: Sequence[Tag]) -> dict[str, list[bool]]:
    again = {tag.prediction_id for tag in given if tag.author.endswith(SECOND_LOOK)}
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for tag in given:
        if tag.prediction_id in again:
            said[tag.author, tag.prediction_id] |= {f"{tag.tag} {tag.value}"} if tag.tag != NOTE else set()
    found: dict[str, list[bool]] = {}
    for (who, prediction), now in sorted(said.items()):
        author = who.removesuffix(SECOND_LOOK)
        if author != who and (author, prediction) in said:
            found.setdefault(author, []).append(said[author, prediction] == now)
    return found


def _decisions(events: Sequence[Tag]) -> dict[str, Decision]:
    """Of each prediction the last one's."""
    found: dict[str, list[Tag]] = defaultdict(list)
    for event in events:
        held = found[event.prediction_id]
        if held and held[-1].author != event.author:
            held.clear()
        held.append(event)
    return {
        prediction: Decision(
            held[-1].author,
            held[-1].time,
            frozenset(e.tag for e in held if not e.value and e.tag != NOTE),
            {e.tag: e.value for e in held if e.value},
        )
        for prediction, held in found.items()
    }
