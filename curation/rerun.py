"""What would become of one row under another recipe: the stages run again over the rows that a version stores.

Sources are not read again, and stages before the first changed one are not repeated: their outcome stands in the
ledger. Of patches and the user's own stages it is taken from there as well. Splitting is repeated only as far as it
can drop a row, between the row and those with a fixed split.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation import tables
from curation.errors import ConfigError
from curation.lookup import Tables
from curation.preferences import with_preferences
from curation.reading.sources import Source, SourceSpec
from curation.recipe import Recipe, recipe_from
from curation.records import sides
from curation.rerun_stages import Evaluation, Obstacle, Run, acts_on_many, order_of

# Settings that are no stage's own, and the first stage that they bear on.
_AFFECTS: Final = {"sources": "conflicts", "reviewed_field": "conflicts"}


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


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the row."""

    obstacle: Obstacle | None  # None: it was kept
    sure: bool  # False: a stage that cannot be repeated here was taken to say what it said before
    selecting: Any  # the rows that `select` chose from, if it dropped the row


class Rerun:
    """The rows of a version, ready to go through the stages again; `root` is the workspace with its evaluation sets."""

    def __init__(self, tables: Tables, root: Path | None = None) -> None:
        self._tables, self._root = tables, root
        self._ledger = tables.ledger
        self._rows = tables.table("rows")
        self._names: list[str] = tables.table("sources")["source"].to_pylist()
        self._recipe = tables.version.recipe
        self.order = order_of(self._recipe)
        self._level = self._levels()
        self._known: dict[tuple[Any, ...], Trial] = {}
        self._survivors: dict[int, Any] = {}

    def trial(self, index: int, settings: Mapping[str, Any], patch: str | None = None) -> Trial:
        """What drops the row on ledger line `index` if these settings are changed and this patch is taken back."""
        key = (index, patch, orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS))
        if key not in self._known:
            self._known[key] = self._trial(index, settings, patch)
        return self._known[key]

    def _levels(self) -> Any:
        """For each line of the ledger the place of the stage that took it out; kept ones are past the last."""
        level = pc.index_in(self._ledger["stage"], value_set=pa.array(self.order, pa.string())).fill_null(-1)
        return pc.if_else(pc.equal(self._ledger["verdict"], "kept"), len(self.order), level).to_numpy()

    def _trial(self, index: int, settings: Mapping[str, Any], patch: str | None) -> Trial:
        recipe = recipe_from(changed_recipe(self._recipe, settings))
        sections = {_AFFECTS.get(path.split(".")[0], path.split(".")[0]) for path in settings}
        places = [self.order.index(name) for name in sections if name in self.order]
        first = min([int(self._level[index]), *places])
        start = max(first, self.order.index("conflicts"))
        own = {stage.use for stage in recipe.stages}
        run = Run(index, recipe, self._repeated(own), self._evaluation)
        run.sure = not own & set(self.order[first:]) and (patch is None or self._drops_only(patch))
        rows = self._entering(run, first, start, patch)
        rows = self._with_preferences(recipe, rows)
        for name in self.order[start:-1]:
            rows = run.through(name, rows)
        run.split(rows)
        return Trial(run.obstacle, run.sure, run.selecting)

    def _repeated(self, own: set[str]) -> dict[str, list[int]]:
        """What each of the user's stages that stay in the recipe took out, lines of the ledger."""
        return {name: np.flatnonzero(self._level == self.order.index(name)).tolist() for name in sorted(own)}

    @cached_property
    def _evaluation(self) -> Evaluation:
        """What is known of the evaluation items in rows: those found, and the rows that nobody looked at."""
        level, place = self._level, self.order.index("decontaminate")
        said = self._tables.table("contamination")["row_id"].combine_chunks()
        found = pc.and_(pc.is_in(self._ledger["row_id"], value_set=said), pa.array(level >= place))
        sets = self._tables.version.stats.get("evaluation_sets", [])
        return Evaluation(
            root=self._root,
            hashes={one["name"]: one["sha256"] for one in sets},
            ask=pa.array(np.flatnonzero((level < place) | found.to_numpy(zero_copy_only=False)), pa.int64()),
            drop=np.flatnonzero(level == place).tolist(),
        )

    def _entering(self, run: Run, first: int, start: int, patch: str | None) -> Any:
        """The rows that reach the stage `start`, in build order."""
        needed = None if acts_on_many(run.recipe, self.order[start:]) else self._needed(run)
        rows = self._survived(start, needed)
        again = (self._level >= first) & (self._level < start)
        again &= (self._level != 0) | np.isin(np.arange(len(again)), self._dropped_by(patch))
        lines = np.flatnonzero(again if needed is None else again & needed)
        if not len(lines):
            return rows
        more = self._table(lines, "converted")
        for name in self.order[1 : self.order.index("conflicts")]:
            more = run.through(name, more)
        return pa.concat_tables([rows, more.select(tables.ROWS.names)]).sort_by("pos").combine_chunks()

    def _survived(self, start: int, needed: Any) -> Any:
        lines = self._level >= start
        if needed is not None:
            return self._table(np.flatnonzero(lines & needed), "record")
        if start not in self._survivors:
            self._survivors[start] = self._table(np.flatnonzero(lines), "record")
        return self._survivors[start]

    def _needed(self, run: Run) -> Any:
        """Where no stage compares rows, only the row and those with a fixed split bear on what becomes of it."""
        fixed = [source.name for source in self._sources(run.recipe) if source.spec.split]
        needed = pc.is_in(self._ledger["source"], value_set=pa.array(fixed, pa.string())).to_numpy().copy()
        needed[run.index] = True
        return needed

    def _dropped_by(self, patch: str | None) -> Any:
        said = self._ledger["detail"]
        return np.flatnonzero(
            (self._level == 0) & pc.fill_null(pc.starts_with(said, f"{patch} by "), False).to_numpy()
            if patch is not None
            else np.zeros(len(said), np.bool_)
        )

    def _drops_only(self, patch: str) -> bool:
        """Whether the patch did nothing but drop rows that no other one had changed: those are stored as they were."""
        lines = [line for line in self._tables.table("patches").to_pylist() if line["patch"] == patch]
        named = pa.array([line["row_id"] for line in lines], pa.binary(16))
        stored = self._ledger["row_id"].take(pa.array(self._dropped_by(patch)))
        return all(line["op"] == "drop" for line in lines) and bool(
            pc.all(pc.is_in(stored, value_set=named), min_count=0).as_py()
        )

    def _table(self, lines: Any, column: str) -> Any:
        """tables.ROWS of ledger lines, pos being the line; their record as stored or as converted."""
        ledger = self._ledger.take(pa.array(lines, pa.int64()))
        at = pc.index_in(ledger["row_id"], value_set=self._rows["row_id"].combine_chunks())
        stored = self._rows.take(at)
        record = pc.coalesce(stored[column], stored["record"]) if column == "converted" else stored["record"]
        parsed = [sides(orjson.loads(text)["messages"]) for text in record.to_pylist()]
        columns = [
            pa.array(lines, pa.int64()),
            pc.index_in(ledger["source"], value_set=pa.array(self._names)).cast(pa.int32()),
            ledger["row_id"],
            *(pa.array([side[i] for side in parsed], tables.ROWS.field(3 + i).type) for i in range(4)),
            record.cast(pa.large_binary()),
        ]
        return pa.Table.from_arrays(columns, schema=tables.ROWS)

    def _with_preferences(self, recipe: Recipe, rows: Any) -> Any:
        sources = self._sources(recipe)
        try:
            return with_preferences(rows, sources, recipe.reviewed_field, self._edited())
        except ConfigError:  # no row that is left has the field: none of them is reviewed by it
            return with_preferences(rows, sources, None, self._edited())

    def _edited(self) -> Any:
        """Lines of the ledger whose row a patch has changed."""
        flags = self._tables.table("flags").select(["source", "unit", "reason"])
        flags = flags.filter(pc.is_in(flags["reason"], value_set=pa.array(["patch_edit", "patch_relabel"])))
        units = set(zip(flags["source"].to_pylist(), flags["unit"].to_pylist(), strict=True))
        if not units:
            return pa.array([], pa.int64())
        places = zip(self._ledger["source"].to_pylist(), self._ledger["unit"].to_pylist(), strict=True)
        return pa.array([line for line, place in enumerate(places) if place in units], pa.int64())

    def _sources(self, recipe: Recipe) -> list[Source]:
        """A source for every stored name, with what the recipe says of it; the file itself is not looked at."""
        plain = recipe.resolved()["sources"]
        items = [source_item(name, plain) for name in self._names]
        specs = [
            SourceSpec(path=name, reviewed=name.startswith("patches/")) if i is None else recipe.sources[i]
            for name, i in zip(self._names, items, strict=True)
        ]
        return [Source(name, None, "jsonl", None, "", 0, spec) for name, spec in zip(self._names, specs, strict=True)]


def source_item(name: str, sources: Sequence[Mapping[str, Any]]) -> int | None:
    """Which item of a resolved recipe's sources covers a file, by its path: a file, a folder, or a pattern."""
    for item, spec in enumerate(sources):
        path = Path(spec["path"]).as_posix()
        if name == path or name.startswith(f"{path}/") or fnmatch.fnmatchcase(name, path):
            return item
    return None
