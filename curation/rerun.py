"""What would become of one row under another recipe: the stages run again over the rows that a version stores.

Sources are not read again, and stages before the first changed one are not repeated: their outcome stands in the
ledger. Splitting is repeated only as far as it can drop a row, between the row and those with a fixed split.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.lookup import Tables
from curation.preferences import with_preferences
from curation.reading.sources import Source, SourceSpec
from curation.recipe import Recipe, recipe_from
from curation.records import sides

ORDER: Final = ("turns", "filters", "conflicts", "exact", "near", "split")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What dropped the row this time."""

    stage: str
    reason: str
    value: float | None
    detail: str | None
    matched: int | None  # line of the ledger


def changed_recipe(recipe: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved recipe with settings such as near.threshold replaced; None takes the setting out."""
    changed: dict[str, Any] = orjson.loads(orjson.dumps(dict(recipe)))
    for path, value in settings.items():
        *outer, last = path.split(".")
        at: Any = changed
        for step in outer:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[last] = value
    pruned: dict[str, Any] = _without_none(changed)
    return pruned


def _without_none(value: Any) -> Any:
    """Defaults that are None stand in a resolved recipe, but not in one a user may write."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


class Rerun:
    """The rows of a version, ready to go through the stages again."""

    def __init__(self, tables: Tables) -> None:
        self._ledger = tables.ledger
        self._rows = tables.table("rows")
        self._names: list[str] = tables.table("sources")["source"].to_pylist()
        self._recipe = tables.version.recipe
        self._known: dict[tuple[Any, ...], Obstacle | None] = {}
        self._survivors: dict[int, Any] = {}

    def obstacle(self, index: int, settings: Mapping[str, Any]) -> Obstacle | None:
        """What drops the row on ledger line `index` if these settings are changed; None if it is kept."""
        key = (index, *sorted(settings.items()))
        if key not in self._known:
            self._known[key] = self._obstacle(index, settings)
        return self._known[key]

    def _obstacle(self, index: int, settings: Mapping[str, Any]) -> Obstacle | None:
        recipe = recipe_from(changed_recipe(self._recipe, settings))
        first = min((ORDER.index(path.split(".")[0]) for path in settings if path.split(".")[0] in ORDER), default=0)
        first = min(first, ORDER.index(self._ledger["stage"][index].as_py()))
        run = _Run(index, recipe)
        rows = self._rows_again(run, first)
        rows = with_preferences(rows, self._sources(recipe), recipe.reviewed_field)
        if first <= ORDER.index("conflicts") and recipe.conflicts.action in ("drop", "source_priority"):
            rows = run.through("conflicts", rows)
        if first <= ORDER.index("exact"):
            rows = run.through("exact", rows)
        rows = run.through("near", rows)
        self._split(run, rows)
        return run.obstacle

    def _rows_again(self, run: _Run, first: int) -> Any:
        """The rows that reach `exact` (or `near`, if nothing before it changes), in build order."""
        reached = max(first, ORDER.index("exact"))
        if reached not in self._survivors:
            later = pc.is_in(self._ledger["stage"], value_set=pa.array(ORDER[reached:]))
            passed = pc.or_(pc.equal(self._ledger["verdict"], "kept"), later)
            self._survivors[reached] = self._table(pc.indices_nonzero(passed).to_pylist(), "record")
        survivors = self._survivors[reached]
        if first >= ORDER.index("exact"):
            return survivors
        again = pc.is_in(self._ledger["stage"], value_set=pa.array(ORDER[first : ORDER.index("exact")]))
        rows = self._table(pc.indices_nonzero(again).to_pylist(), "converted")
        for stage in ("turns", "normalise", "filters"):
            rows = run.through(stage, rows)
        return pa.concat_tables([survivors, rows]).sort_by("pos").combine_chunks()

    def _table(self, indices: Sequence[int], column: str) -> Any:
        """tables.ROWS of ledger lines, pos being the line; their record as stored or as converted."""
        ledger = self._ledger.take(pa.array(indices, pa.int64()))
        at = pc.index_in(ledger["row_id"], value_set=self._rows["row_id"].combine_chunks())
        stored = self._rows.take(at)
        record = pc.coalesce(stored[column], stored["record"]) if column == "converted" else stored["record"]
        parsed = [sides(orjson.loads(text)["messages"]) for text in record.to_pylist()]
        columns = [
            pa.array(indices, pa.int64()),
            pc.index_in(ledger["source"], value_set=pa.array(self._names)).cast(pa.int32()),
            ledger["row_id"],
            *(pa.array([side[i] for side in parsed], tables.ROWS.field(3 + i).type) for i in range(4)),
            record.cast(pa.large_binary()),
        ]
        return pa.Table.from_arrays(columns, schema=tables.ROWS)

    def _sources(self, recipe: Recipe) -> list[Source]:
        """A source for every stored name, with what the recipe says of it; the file itself is not looked at."""
        plain = recipe.resolved()["sources"]
        items = [source_item(name, plain) for name in self._names]
        specs = [
            SourceSpec(path=name) if i is None else recipe.sources[i]
            for name, i in zip(self._names, items, strict=True)
        ]
        return [Source(name, None, "jsonl", None, "", 0, spec) for name, spec in zip(self._names, specs, strict=True)]

    def _split(self, run: _Run, rows: Any) -> None:
        """A row can only be dropped here for a row with a fixed split, so nothing else needs to be compared."""
        from curation.splits import split

        if run.obstacle is not None:
            return
        if pc.all(pc.is_null(rows["fixed_split"])).as_py() and run.recipe.split.split_field is None:
            return
        mine = pc.equal(rows["pos"], run.index)
        fixed = pc.is_valid(rows["fixed_split"])
        chosen = rows if run.recipe.split.split_field else rows.filter(pc.or_(mine, fixed))
        run.note("split", split(chosen, run.recipe.split).dropped)


class _Run:
    def __init__(self, index: int, recipe: Recipe) -> None:
        self.index, self.recipe = index, recipe
        self.obstacle: Obstacle | None = None

    def through(self, name: str, rows: Any) -> Any:
        if self.obstacle is not None or not rows.num_rows:
            return rows
        verdict = _stage(name)(rows, getattr(self.recipe, name))
        self.note(name, verdict.dropped)
        return verdict.kept

    def note(self, stage: str, dropped: Any) -> None:
        """Remember if the row is among the dropped."""
        for line in dropped.filter(pc.equal(dropped["pos"], self.index)).to_pylist():
            self.obstacle = Obstacle(stage, line["reason"], line["value"], line["detail"], line["matched"])


def _stage(name: str) -> Callable[[Any, Any], tables.Verdict]:
    """Imported when needed: each brings compiled code."""
    from curation.stages.conflicts import conflicts
    from curation.stages.exact import exact
    from curation.stages.filters import filters
    from curation.stages.near import near
    from curation.stages.normalise import normalise
    from curation.stages.turns import turns

    stages: dict[str, Any] = {"turns": turns, "normalise": normalise, "filters": filters}
    stages |= {"conflicts": conflicts, "exact": exact, "near": near}
    stage: Callable[[Any, Any], tables.Verdict] = stages[name]
    return stage


def source_item(name: str, sources: Sequence[Mapping[str, Any]]) -> int | None:
    """Which item of a resolved recipe's sources covers a file, by its path: a file, a folder, or a pattern."""
    for item, spec in enumerate(sources):
        path = Path(spec["path"]).as_posix()
        if name == path or name.startswith(f"{path}/") or fnmatch.fnmatchcase(name, path):
            return item
    return None
