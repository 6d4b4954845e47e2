"""Keeps patches away from the test: which test items the tags behind a patch speak of, or lie near to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from curation.errors import LeakError
from curation.facts import difference
from curation.runs import RunPlace
from curation.store.journal import open_journal
from curation.store.tags import tags_by_id
from eval.folder import evals
from eval.nearest import nearest

_NEAR: Final = 0.5  # Jaccard of character 5-grams of prompts: what the split keeps in one part as well


@dataclass(frozen=True, slots=True)
class Touched:
    """A test item that a patch would be made from. near: the tagged item that is nearly its question, if another."""

    item_id: str
    prompt: str
    tags: tuple[str, ...]
    near: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    item_id: str
    test: bool
    prompt: str


def touched_items(place: RunPlace, tags: Sequence[str]) -> list[Touched]:
    """The test items behind these tag events, and those whose question is nearly that of a tagged item.

    Ids that are no events of this journal say nothing. Questions that differ in a number, code or negation are two.
    """
    if not tags or not place.journal.is_file():
        return []
    with open_journal(place.journal) as journal:
        events = tags_by_id(journal, tags)
    if not events:
        return []
    asked = _asked(place.experiments)
    tests = [item for item in {a.item_id: a for a in asked.values()}.values() if item.test]
    found: dict[str, Touched] = {}
    for event in events:
        item = asked.get(event.prediction_id)
        for test in _touched(item, tests) if item else ():
            before = found[test.item_id].tags if test.item_id in found else ()
            near = None if item is None or test.item_id == item.item_id else item.item_id
            found[test.item_id] = Touched(test.item_id, test.prompt, (*before, event.id), near)
    return list(found.values())


def refuse_touched(items: Sequence[Touched]) -> None:
    """LeakError that names the first."""
    if not items:
        return
    first = items[0]
    what = f"is nearly the test item {first.item_id}" if first.near else "is a test item"
    more = f" (and {len(items) - 1:,} more)" if len(items) > 1 else ""
    raise LeakError(
        f"--tags {first.tags[0]}: {first.near or first.item_id} {what}{more}; patches made from the test make its "
        "scores worthless. Patch from validation, or say --spend: the items then leave later headline scores"
    )


def _touched(item: _Asked, tests: Sequence[_Asked]) -> list[_Asked]:
    if item.test:
        return [item]
    like = nearest([item.prompt], [test.prompt for test in tests])[0] if tests else None
    if like is None or like.similarity < _NEAR or difference(item.prompt, tests[like.text].prompt) is not None:
        return []
    return [tests[like.text]]


def _asked(experiments: Path) -> dict[str, _Asked]:
    """Every prediction of every evaluation, with what it was asked."""
    found = {}
    for run in sorted(experiments.iterdir()) if experiments.is_dir() else ():
        for folder in evals(run) if run.is_dir() else ():
            for row in folder.predictions(["prediction_id", "item_id", "split", "prompt"]).to_pylist():
                prompt = "\n".join(message.get("content") or "" for message in orjson.loads(row["prompt"]))
                found[row["prediction_id"]] = _Asked(row["item_id"], row["split"] == "test", prompt)
    return found
