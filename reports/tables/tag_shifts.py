"""Tags by rules on the items of a comparison: how often each side earns them, and which tag a patch was made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.patches.files import load_patches
from curation.store import Store
from curation.store.journal import Journal
from curation.store.tags import events_of_run, tags, tags_by_id
from eval.compare.claim import difference
from eval.compare.comparison import Comparison
from eval.compare.exam import clusters_of
from eval.compare.measures import Draws
from eval.compare.sides import Model
from eval.metrics.metric import Measured, mean_of
from eval.stats.compare import Difference, under_holm


@dataclass(frozen=True, slots=True)
class Shift:
    """diff: the share of outputs with the tag, second side against the first. patches: those made from it."""

    tag: str
    diff: Difference
    patches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shifts:
    """touched: items of the exam that were left out, for a patch between the versions was made from them."""

    rows: list[Shift]
    touched: int = 0


def tag_shifts(found: Comparison, journal: Journal, store: Store | None, root: Path) -> Shifts:
    """Every tag that a rule gave to an output of either side, targeted ones first, then by how often it was given.

    Empty where rules have not judged every model on these items. p is under Holm over all tags.
    """
    made_from, spent = _patched(found, journal, store, root)
    items = found.exam.items["item_id"].to_pylist()
    looked = [_judged(model, journal, set(items)) for side in (found.a, found.b) for model in side.models]
    known = [model for model in looked if model is not None]
    if len(known) < len(looked):
        return Shifts([])
    out = {item for model in known for item, prediction in model.of_item.items() if prediction in spent}
    kept = [item for item in items if item not in out]
    names = {tag for model in known for given in model.tags.values() for tag in given}
    first = len(found.a.models)
    clusters = clusters_of(found.exam)[np.fromiter((item not in out for item in items), np.bool_, len(items))]
    rows = []
    for name in sorted(names):
        each = [_measured(name, model, kept) for model in known]
        diff = difference(each[:first], each[first:], clusters, 0.0, **Draws().as_keywords())
        rows.append(Shift(name, diff, made_from.get(name, ())))
    adjusted = under_holm([row.diff for row in rows])
    rows = [Shift(row.tag, diff, row.patches) for row, diff in zip(rows, adjusted, strict=True)]
    order = sorted(rows, key=lambda row: (not row.patches, -row.diff.value_a - row.diff.value_b, row.tag))
    return Shifts(order, len(out))


@dataclass(frozen=True, slots=True)
class _Judged:
    of_item: Mapping[str, str]  # item -> prediction
    tags: Mapping[str, set[str]]  # prediction -> tags; of those that have one


def _judged(model: Model, journal: Journal, items: Collection[str]) -> _Judged | None:
    """What rules say of a model's answers to these items; None where they have not looked."""
    of_item: dict[str, str] = {}
    given: dict[str, set[str]] = {}
    seen: set[str] = set()
    for part in model.parts:
        for folder in part.evals:
            told = folder.predictions(["prediction_id", "item_id"]).to_pydict()
            for prediction, item in zip(told["prediction_id"], told["item_id"], strict=True):
                if item in items:
                    of_item.setdefault(item, prediction)
        seen |= {event.prediction_id for event in events_of_run(journal, part.name, "rule")}
        for tag in tags(journal, part.name, kinds=("rule",)):
            given.setdefault(tag.prediction_id, set()).add(tag.tag)
    return _Judged(of_item, given) if seen & set(of_item.values()) else None


def _measured(name: str, model: _Judged, items: Sequence[str]) -> Measured:
    values = [
        float(name in model.tags.get(model.of_item[item], ())) if item in model.of_item else np.nan for item in items
    ]
    return mean_of(name, f"tag:{name}", values, higher_is_better=False)


def _patched(
    found: Comparison, journal: Journal, store: Store | None, root: Path
) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """(tag -> the patches between the two versions that were made from it, the predictions behind those patches)."""
    if store is None or found.data is None or found.data.same:
        return {}, set()
    old, new = ({p["id"] for p in store.resolve(v).stats.get("patches", ())} for v in (found.data.old, found.data.new))
    behind: dict[str, set[str]] = {}
    for entry in load_patches(root):
        if entry.id in new - old:
            behind.setdefault(entry.id, set()).update(entry.fields.get("tags", ()))
    made: dict[str, tuple[str, ...]] = {}
    spent: set[str] = set()
    for patch, ids in sorted(behind.items()):
        events = tags_by_id(journal, sorted(ids))
        spent |= {event.prediction_id for event in events}
        for tag in {event.tag for event in events}:
            made[tag] = (*made.get(tag, ()), patch)
    return made, spent
