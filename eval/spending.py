"""Keeps patches away from the test: which test items the tags behind a patch speak of, or lie near to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

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
    tagged, tests = _asked(place.experiments, {event.prediction_id for event in events})
    touched = _touched(tagged, tests)
    found: dict[str, Touched] = {}
    for event in events:
        item, test = tagged.get(event.prediction_id), touched.get(event.prediction_id)
        if item and test:
            before = found[test.item_id].tags if test.item_id in found else ()
            near = None if test.item_id == item.item_id else item.item_id
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


def _touched(tagged: Mapping[str, _Asked], tests: Sequence[_Asked]) -> dict[str, _Asked]:
    """Prediction -> the test item that it is of, or nearly is."""
    found = {prediction: item for prediction, item in tagged.items() if item.test}
    others = [(prediction, item) for prediction, item in tagged.items() if not item.test]
    if not others or not tests:
        return found
    like = nearest([item.prompt for _, item in others], [test.prompt for test in tests])
    for (prediction, item), near in zip(others, like, strict=True):
        if near and near.similarity >= _NEAR and difference(item.prompt, tests[near.text].prompt) is None:
            found[prediction] = tests[near.text]
    return found


def _asked(experiments: Path, tagged: Collection[str]) -> tuple[dict[str, _Asked], list[_Asked]]:
    """(the tagged predictions, every test item once); of one prediction the last evaluation that has it holds. Only
    their prompts are read."""
    wanted = pa.array(sorted(tagged), pa.string())
    held: dict[str, Mapping[str, Any]] = {}
    for run in sorted(experiments.iterdir()) if experiments.is_dir() else ():
        for folder in evals(run) if run.is_dir() else ():
            table = folder.predictions(["prediction_id", "item_id", "split", "prompt"])
            ids = table["prediction_id"].cast(pa.string())
            test = pc.fill_null(pc.equal(table["split"].cast(pa.string()), "test"), False)
            known = pc.is_in(ids, pa.array(list(held), pa.string()))
            chosen = pc.or_(pc.or_(pc.is_in(ids, wanted), test), known)
            held |= {row["prediction_id"]: row for row in table.filter(chosen).to_pylist()}
    found = {prediction: _item(held[prediction]) for prediction in tagged if prediction in held}
    tests = {row["item_id"]: row for row in held.values() if row["split"] == "test"}
    return found, [_item(row) for row in tests.values()]


def _item(row: Mapping[str, Any]) -> _Asked:
    return _Asked(row["item_id"], row["split"] == "test", _prompt(row["prompt"]))


def _prompt(messages: str) -> str:
    return "\n".join(message.get("content") or "" for message in orjson.loads(messages))
