"""Answers that somebody tried out and kept: predictions as any others, to be tagged, in a run of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from curation.environment import environment
from curation.pack.layout import item_id
from curation.records import canonical, row_id
from curation.runs import Run, RunPlace, utc_now, working_on, write_run
from eval.answers import prediction
from eval.folder import EvalFolder, evals, new_eval
from eval.items import Item
from eval.recorded import Recorded, recorded_folder
from eval.subject import short_hash
from eval.suite import Suite

SPLIT: Final = "playground"


def keep_answer(place: RunPlace, model: str, messages: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> str:
    """Store one answer of `model` (a run's name, or base); gives its prediction's id.

    `answer` as Generated.as_json tells it. What was kept before stays; the same answer to the same question is one
    prediction, another answer to it another one.
    """
    who = Recorded(f"playground, {model}", {"playground": model}, "typed into the playground", "unknown")
    folder = recorded_folder(place, who)
    with working_on(folder):
        at = next(iter(evals(folder)), None) or new_eval(folder)
        items, rows = at.items().to_pylist(), at.predictions().to_pylist()
        asked = canonical(list(messages)).decode()
        same = [row for row in rows if row["prompt"] == asked]
        known = next((row for row in same if row["output"] == answer.get("text")), None)
        if known is not None:
            return str(known["prediction_id"])
        item = _item(messages, len(same)).as_row()
        row = {**prediction(item, short_hash(who.identity), answer, {}), "clean": None}
        at.write("items", [*items[: len(rows)], item])  # an item without its prediction is of a save that was killed
        at.write("predictions", [*rows, row])
        _finish(at, who)
    return str(row["prediction_id"])


def _item(messages: Sequence[Mapping[str, Any]], sample: int) -> Item:
    """The question as an item without a gold answer; each answer to it has an item of its own."""
    record = {"messages": list(messages), "meta": {"sample": sample} if sample else {}}
    name = str(UUID(bytes=row_id(canonical(record))))
    turn = len(messages)
    return Item(item_id(name, turn), name, turn, 0, SPLIT, messages, {"role": "assistant", "content": None}, None, {})


def _finish(at: EvalFolder, who: Recorded) -> None:
    if (at.path / "run.json").is_file():
        return
    at.write_suite(Suite())
    told = {"suite": Suite().name, "model": dict(who.identity), "benchmarks": [], "partial": False}
    run = Run(
        name=at.name,
        kind="evaluation",
        state="done",
        started=utc_now(),
        base_model={"name": who.name},
        provenance=who.provenance,
        origin=who.origin,
        settings=told,
        **environment(),
    )
    write_run(at.path, run)
