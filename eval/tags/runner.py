"""Runs the automatic rules over the predictions of an evaluation, and stores what they find as events."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from curation.errors import ConfigError, did_you_mean
from curation.store.journal import Journal
from curation.store.tags import Tag, add_tags, events_of_run
from eval.folder import EvalFolder
from eval.review.names import RULES as RULES_AUTHOR
from eval.tags import RULES, Copy, Finding, Prediction, Rule

_COLUMNS: Final = ["prediction_id", "split", "prompt", "output", "reference", "finish_reason", "logprob_mean"]


@dataclass(frozen=True, slots=True)
class Tagged:
    """What the rules now say of a run. found: tag -> predictions, of every rule that ran; the rest counts events."""

    run: str
    predictions: tuple[str, ...]
    found: Mapping[str, Mapping[str, Finding]]
    events: Mapping[tuple[str, str], str]  # (tag, prediction) -> id of the event that holds
    added: int
    taken_back: int


def rules_named(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules with these tags, or without any the ones that are on by default."""
    by_tag = {rule.tag: rule for rule in RULES}
    for name in names:
        if name not in by_tag:
            raise ConfigError(f'rule "{name}" is not known{did_you_mean(name, by_tag)}')
    return tuple(by_tag[name] for name in dict.fromkeys(names)) if names else tuple(r for r in RULES if r.on)


def predictions_of(table: Any, *, test_too: bool = False) -> list[Prediction]:
    """The predictions of a table as EvalFolder.predictions gives it that have an output; test only if asked for.

    Rank is among all of them, so a rule that goes by it judges a run as a whole.
    """
    rows = [
        row
        for row in table.select(_COLUMNS).to_pylist()
        if row["output"] is not None and (test_too or row["split"] != "test")
    ]
    sure = sorted(row["logprob_mean"] for row in rows if row["logprob_mean"] is not None)
    return [_prediction(row, sure) for row in rows]


def _prediction(row: Mapping[str, Any], sure: Sequence[float]) -> Prediction:
    messages = orjson.loads(row["prompt"])
    said = [(message["role"], message.get("content") or "") for message in messages]
    asked = next((text for role, text in reversed(said) if role == "user"), "")
    own = row["logprob_mean"]
    return Prediction(
        row["prediction_id"],
        asked,
        row["output"],
        row["reference"],
        "\n".join(text for _, text in said),
        row["finish_reason"] or "",
        bisect_left(sure, own) / len(sure) if own is not None else None,
    )


def tag_automatically(
    folder: EvalFolder,
    journal: Journal,
    *,
    rules: Sequence[Rule] | None = None,
    copies: Mapping[str, Copy] | None = None,
    test_too: bool = False,
) -> Tagged:
    """Judge every prediction by the rules that are on, or by those given, and store what is new.

    Said twice, it stores nothing the second time. A rule of another version takes back its predecessor's tags and
    gives its own; a tag that a rule no longer gives is taken back. Nothing that was stored is changed. Rules that do
    not run now keep their tags. copies: prediction -> the training answer it is most like, for `copied from training`.
    """
    chosen = tuple(rules) if rules is not None else rules_named(())
    predictions = predictions_of(folder.predictions(_COLUMNS), test_too=test_too)
    predictions = [replace(p, copy=(copies or {}).get(p.id)) for p in predictions]
    found = {rule.tag: {p.id: finding for p in predictions if (finding := rule.find(p))} for rule in chosen}
    run = folder.of.name
    ids = {p.id for p in predictions}
    past = [event for event in events_of_run(journal, run, "rule") if event.prediction_id in ids]
    new, taken, held = _difference(run, chosen, found, past)
    stored = add_tags(journal, [*taken, *new])
    added = sum(not event.undoes for event in new) if stored else 0
    events = held | {(event.tag, event.prediction_id): event.id for event in new}
    return Tagged(run, tuple(p.id for p in predictions), found, events, added, len(taken) if stored else 0)


def _difference(
    run: str, rules: Sequence[Rule], found: Mapping[str, Mapping[str, Finding]], past: Collection[Tag]
) -> tuple[list[Tag], list[Tag], dict[tuple[str, str], str]]:
    """(tags to give, tags to take back, ids of those that stay)."""
    undone = {event.undoes for event in past if event.undoes}
    given = Counter((event.tag, event.prediction_id) for event in past if not event.undoes)
    holding = {(e.tag, e.prediction_id): e for e in past if not e.undoes and e.id not in undone}
    new, taken, held = [], [], {}
    for rule in rules:
        before = {key: event for key, event in holding.items() if key[0] == rule.tag}
        for key, event in before.items():
            if event.rule == rule.name and key[1] in found[rule.tag]:
                held[key] = event.id
            else:
                taken.append(_taken_back(event))
        for prediction, finding in found[rule.tag].items():
            if (rule.tag, prediction) not in held:
                turn = given[rule.tag, prediction]
                new.append(_event(run, rule, prediction, finding, turn))
    return new, taken, held


def _event(run: str, rule: Rule, prediction: str, finding: Finding, turn: int) -> Tag:
    """`turn` tells a tag that was taken back from the one that is given again; two processes make the same id."""
    start, end = finding.span or (None, None)
    return Tag(
        _id("give", run, prediction, rule.name, turn),
        prediction,
        run,
        rule.tag,
        author=RULES_AUTHOR,
        kind="rule",
        rule=rule.name,
        span_start=start,
        span_end=end,
        confidence=round(finding.confidence, 4),
        note=finding.detail,
    )


def _taken_back(event: Tag) -> Tag:
    return Tag(
        _id("take back", event.id),
        event.prediction_id,
        event.run,
        event.tag,
        author=event.author,
        kind="rule",
        rule=event.rule,
        undoes=event.id,
    )


def _id(*what: object) -> str:
    return hashlib.sha256(orjson.dumps(what)).hexdigest()[:32]
