"""One row on its way through the stages of a build once more, and what stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.errors import CurateError
from curation.recipe import Recipe

_ORDER: Final = (
    *("patches", "turns", "normalise", "filters", "language"),
    *("conflicts", "exact", "near", "decontaminate", "select", "split"),
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What dropped the row this time."""

    stage: str
    reason: str
    value: float | None
    detail: str | None
    matched: int | None  # line of the ledger


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a version knows of evaluation items in its rows; rows are lines of the ledger."""

    root: Path | None
    hashes: Mapping[str, str]  # of the sets that the version compared its rows with
    ask: Any  # rows to compare: those that hold an item, and those that the stage never saw
    drop: Sequence[int]  # what it dropped
    known: dict[Any, Any] = field(default_factory=dict)  # what was found in which rows under which settings


def order_of(recipe: Mapping[str, Any]) -> list[str]:
    """All stages of a resolved recipe that may take a row out, the user's own where they stand."""
    order: list[str] = []
    for name in _ORDER:
        order.append(name)
        own = [stage["use"] for stage in recipe.get("stages", ()) if stage["after"] == name]
        order += [use for use in dict.fromkeys(own) if use not in order]
    return order


def acts_on_many(recipe: Recipe, stages: Sequence[str]) -> bool:
    """Whether one of these stages, or the recipe's fields, decides about a row by looking at others."""
    return (
        ("conflicts" in stages and _conflicts_drop(recipe))
        or ("exact" in stages and recipe.exact.action != "off")
        or ("near" in stages and recipe.near.action != "off")
        or bool(recipe.select.steps)
        or recipe.split.split_field is not None
    )


def _conflicts_drop(recipe: Recipe) -> bool:
    return recipe.conflicts.action in ("drop", "source_priority")


class Run:
    """The way of the row on ledger line `index`; `repeated`: what the user's stages took out, and take out again."""

    def __init__(
        self, index: int, recipe: Recipe, repeated: Mapping[str, Sequence[int]], evaluation: Evaluation
    ) -> None:
        self.index, self.recipe = index, recipe
        self.obstacle: Obstacle | None = None
        self.sure = True
        self.selecting: Any = None
        self._repeated, self._evaluation = repeated, evaluation

    def through(self, name: str, rows: Any) -> Any:
        """The rows that are left after a stage; nothing is done once the row has been stopped."""
        if self.obstacle is not None or not rows.num_rows:
            return rows
        if name == "conflicts" and not _conflicts_drop(self.recipe):
            return rows
        if name == "decontaminate":
            return self._decontaminated(rows)
        if name not in _ORDER:
            return self._without(name, rows, self._repeated.get(name, ()))
        if name == "select":
            self.selecting = rows
        verdict = _stage(name)(rows, getattr(self.recipe, name))
        self._note(name, verdict.dropped)
        return verdict.kept

    def split(self, rows: Any) -> None:
        """A row can only be dropped here for a row with a fixed split, so nothing else needs to be compared."""
        from curation.splits import split

        if self.obstacle is not None:
            return
        if pc.all(pc.is_null(rows["fixed_split"])).as_py() and self.recipe.split.split_field is None:
            return
        mine = pc.equal(rows["pos"], self.index)
        fixed = pc.is_valid(rows["fixed_split"])
        chosen = rows if self.recipe.split.split_field else rows.filter(pc.or_(mine, fixed))
        self._note("split", split(chosen, self.recipe.split).dropped)

    def _without(self, name: str, rows: Any, gone: Sequence[int]) -> Any:
        if self.index in gone:
            self.obstacle = Obstacle(name, "", None, None, None)
        return rows.filter(pc.invert(pc.is_in(rows["pos"], value_set=pa.array(gone, pa.int64()))))

    def _decontaminated(self, rows: Any) -> Any:
        """Each row is looked at by itself, so those in which nothing was found need not be looked at again."""
        from curation.stages.decontaminate import decontaminate, find_contamination

        config = self.recipe.decontaminate
        asked = rows.filter(pc.is_in(rows["pos"], value_set=self._evaluation.ask))
        if config.action != "drop" or not config.against or not asked.num_rows:
            return rows
        if self._evaluation.root is None:
            return self._as_before(rows)
        question = (config, asked["pos"].to_numpy().tobytes())
        known = self._evaluation.known
        try:
            found = known.get(question) or find_contamination(asked, config, self._evaluation.root)
        except (CurateError, OSError):
            return self._as_before(rows)
        if {one.name: one.sha256 for one in found.sets} != self._evaluation.hashes:
            return self._as_before(rows)
        known[question] = found
        dropped = decontaminate(asked, config, found).dropped
        self._note("decontaminate", dropped)
        return rows.filter(pc.invert(pc.is_in(rows["pos"], value_set=dropped["pos"].combine_chunks())))

    def _as_before(self, rows: Any) -> Any:
        """The evaluation sets are not there, or are others: what they would say of other rows is not known."""
        self.sure = False
        return self._without("decontaminate", rows, self._evaluation.drop)

    def _note(self, stage: str, dropped: Any) -> None:
        """Remember if the row is among the dropped."""
        for line in dropped.filter(pc.equal(dropped["pos"], self.index)).to_pylist():
            self.obstacle = Obstacle(stage, line["reason"], line["value"], line["detail"], line["matched"])


def _stage(name: str) -> Callable[[Any, Any], tables.Verdict]:
    """Imported when needed: each brings compiled code."""
    from curation.stages.conflicts import conflicts
    from curation.stages.exact import exact
    from curation.stages.filters import filters
    from curation.stages.language import language
    from curation.stages.near import near
    from curation.stages.normalise import normalise
    from curation.stages.select import select
    from curation.stages.turns import turns

    stages: dict[str, Any] = {"turns": turns, "normalise": normalise, "filters": filters, "language": language}
    stages |= {"conflicts": conflicts, "exact": exact, "near": near, "select": select}
    stage: Callable[[Any, Any], tables.Verdict] = stages[name]
    return stage
