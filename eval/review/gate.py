"""The gate before patches: a tag on which people do not agree changes no data, unless somebody has decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from curation.errors import ConfigError, DataError
from curation.store.journal import Journal
from curation.store.tags import OK, Tag, tags, tags_by_id
from eval.agreement import Agreement
from eval.review.people import People, as_now, people
from eval.taxonomy import NOTE, Taxonomy

_NAMED = 10  # outputs that a message names


def require_agreement(journal: Journal, taxonomy: Taxonomy, ids: Sequence[str]) -> list[str]:
    """Warnings about the tag events behind a patch; DataError (exit code 3) for one that may not change data.

    Tags of rules pass: their precision was measured. Those of people pass where the people agree on the tag to the
    taxonomy's threshold, or where the output was decided; where nobody judged the same outputs there is a warning.
    Tags of endpoints never pass. Ids that are no events of this journal say nothing.
    """
    events = as_now(tags_by_id(journal, ids), taxonomy)
    holding = {tag.id for tag in tags(journal, kinds=("person", "endpoint", "final", "rule", "preference"))}
    said = people(journal, taxonomy)
    for event in events:
        _admissible(event, event.id in holding)
    return _checked(said, [e for e in events if e.kind == "person" and e.tag not in (OK, NOTE)], taxonomy)


def _admissible(event: Tag, holds: bool) -> None:
    if event.kind == "endpoint":
        raise DataError(
            f"--tags {event.id}: was given by {event.author}; a model's tags change no data. Judge the output "
            f"yourself: curate tag {event.run} --as NAME"
        )
    if not holds:
        raise ConfigError(f'--tags {event.id}: "{event.tag}" was taken back by {event.author}; leave it out')


def _checked(said: People, events: Sequence[Tag], taxonomy: Taxonomy) -> list[str]:
    """Tag by tag; the first that is too weak is an error that names its outputs."""
    undecided: dict[str, list[Tag]] = {}
    for event in events:
        decision = said.final.get(event.prediction_id)
        if decision is None:
            undecided.setdefault(event.tag, []).append(event)
        elif not (decision.values.get(event.tag) == event.value if event.value else event.tag in decision.tags):
            held = ", ".join([*sorted(decision.tags), *decision.values.values()])
            raise DataError(
                f'--tags {event.id}: "{event.tag}" is not what {decision.author} decided about output '
                f"{event.prediction_id} ({held}); leave it out"
            )
    return [
        told for tag, given in undecided.items() for told in _warned(tag, given, said.agreement(tag), said, taxonomy)
    ]


def _warned(tag: str, given: Sequence[Tag], found: Agreement, said: People, taxonomy: Taxonomy) -> list[str]:
    if not found.items:
        return [f'nobody else judged outputs that were judged for "{tag}", so it is one opinion{_steady(said, given)}']
    if isnan(found.value) or found.value >= taxonomy.agreement:  # not defined: all said the same of all outputs
        return []
    outputs: Mapping[str, list[str]] = _by_run(given)
    run, first = next(iter(outputs.items()))
    count = len({e.prediction_id for e in given})
    named = ",".join(first[:_NAMED]) + (" ..." if count > len(first[:_NAMED]) else "")
    raise DataError(
        f'--tags: people agree on "{tag}" by alpha {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] '
        f"({found.items:,} outputs, {found.raters} people), under {taxonomy.agreement:g}; decide about its "
        f"{count:,} output{'s' * (count != 1)} first: curate tag {run} --adjudicate --outputs {named}"
    )


def _by_run(given: Sequence[Tag]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in given:
        outputs = found.setdefault(event.run, [])
        if event.prediction_id not in outputs:
            outputs.append(event.prediction_id)
    return found


def _steady(said: People, given: Sequence[Tag]) -> str:
    """How steady the one who judged is, as far as silent repeats tell."""
    who = given[0].author
    seconds = said.second_looks.get(who)
    if not seconds:
        return f"; {who} was shown none of them twice"
    return f"; {who} said the same of {sum(seconds):,} of {len(seconds):,} outputs that were shown again"
