"""A model's stored answers to the items of an exam, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from eval.compare.exam import Exam
from eval.compare.places import PART, Ints, Places
from eval.compare.sides import Model, Part
from eval.compare.trained import Bools
from eval.folder import PREDICTIONS, EvalFolder
from eval.items import ITEMS

_OF_ITEM: Final = ("item_id", "row_id", "turn", "cluster", "split", "reference_chars")
_OF_GOLD: Final = ("reference_nll", "reference_tokens")
_TEXTS: Final = {"prompt": "messages", "reference": "reference"}  # of an answer, and what it is called of an item
# Of an item, or a text: what a pool of all answers does not hold.
_UNREAD: Final = ("row_id", "turn", "cluster", "split", "reference", "prompt", "output", "reference_chars")
_READ: Final = [name for name in PREDICTIONS.names if name not in _UNREAD]
_KEYS: Final = {"prompt_sha256": pa.string(), "sha256": pa.string(), "language": pa.string()}  # of an item


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Read like the folder of an evaluation; texts stay on disk until they are asked for.

    light: predictions without their texts, and each item's language. asked, given: where the items and the outputs
    stand. stored: the same as `given` for the items that were asked alike, of whom the likelihood is from there too.
    answered: what the model was asked, with or without an output. said: what people said of its outputs, by
    prediction; empty unless they judged all models that are compared.
    """

    name: str
    light: Any
    asked: Places
    given: Places
    stored: Places
    answered: Bools
    said: Mapping[str, float] = field(default_factory=dict)

    def items(self, columns: list[str] | None = None) -> Any:
        return self.asked.table("items", columns or ITEMS.names)

    def predictions(self, columns: list[str] | None = None) -> Any:
        wanted = columns or PREDICTIONS.names
        if not {"output", *_TEXTS} & set(wanted):
            return self.light.select(wanted)
        none = pa.schema([PREDICTIONS.field(name) for name in wanted]).empty_table()
        return pa.concat_tables([none, *self.batches("predictions", wanted)]).combine_chunks()

    def take(self, chosen: npt.NDArray[Any]) -> Sheet:
        """Of some items, by a mask or by their numbers."""
        at = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        asked, given, stored = (one.take(at) for one in (self.asked, self.given, self.stored))
        return replace(
            self,
            light=self.light.take(pa.array(at)),
            asked=asked,
            given=given,
            stored=stored,
            answered=self.answered[at],
        )

    def verdicts(self) -> Mapping[str, float]:
        return self.said

    def batches(self, name: str, columns: list[str] | None = None) -> Iterator[Any]:
        """In parts, for a text as an object takes many times what it takes in a table."""
        if name == "items":
            yield from self.asked.parts("items", columns or ITEMS.names)
            return
        wanted = columns or PREDICTIONS.names
        of_items = {mine: its for mine, its in _TEXTS.items() if mine in wanted}
        asked = self.asked.parts("items", list(of_items.values())) if of_items else repeat(None)
        given = self.given.parts("predictions", ["output"]) if "output" in wanted else repeat(None)
        for start, texts, outputs in zip(range(0, self.light.num_rows, PART), asked, given, strict=False):
            part = self.light.slice(start, PART)
            found = {mine: texts[its] for mine, its in of_items.items()} | (
                {"output": outputs["output"]} if outputs else {}
            )
            yield pa.table({one: found[one] if one in found else part[one] for one in wanted})


def sheet(exam: Exam, model: Model, learned: Sequence[Bools]) -> Sheet:
    """An item's answer is the first that a part gave which did not learn from it (`learned`, one entry a part).

    Answers are known by their item and its prompt, or else by the prompt alone, so that an item whose reference was
    mended keeps its answer; the likelihood of a reference counts only for that very reference.
    """
    pools, folders = zip(*(_pool(part, exam) for part in model.parts), strict=True)
    pool = pa.concat_tables(pools).combine_chunks()
    start = np.cumsum([0, *(one.num_rows for one in pools[:-1])])
    output, gold = (np.full(exam.items.num_rows, -1) for _ in range(2))
    for one, first, touched in zip(pools, start, learned, strict=True):
        _fill(output, _asked(exam.items, one), first, touched)
        _fill(gold, _places(exam.items["sha256"], one["sha256"]), first, touched)
    light = _table(exam.items, pool, output, gold)
    known = Places.whole(*zip(*chain.from_iterable(folders), strict=True)) if any(folders) else Places.whole((), ())
    as_asked = (output == gold) & _alike(exam.items["language"], pool["language"], output)
    given, stored = known.take(output), known.take(np.where(as_asked, output, -1))
    return Sheet(model.name, light, exam.at, given, stored, output >= 0)


def _alike(wanted: Any, known: Any, at: Ints) -> Bools:
    """Whether each value is the one at its place."""
    here = known.take(pa.array(at, mask=at < 0))
    same = pc.fill_null(pc.equal(wanted, here), False)
    return np.asarray(pc.or_(same, pc.and_(pc.is_null(wanted), pc.is_null(here))).to_numpy())


def _fill(chosen: npt.NDArray[Any], found: npt.NDArray[Any], first: int, touched: Bools) -> None:
    free = (chosen < 0) & (found >= 0) & ~touched
    chosen[free] = found[free] + first


def _asked(items: Any, pool: Any) -> npt.NDArray[Any]:
    exact = _places(_both(items), _both(pool))
    return np.where(exact >= 0, exact, _places(items["prompt_sha256"], pool["prompt_sha256"]))


def _both(table: Any) -> Any:
    return pc.binary_join_element_wise(table["item_id"], table["prompt_sha256"], "#")


def _places(wanted: Any, known: Any) -> npt.NDArray[Any]:
    """Where each value stands first, -1 where it does not."""
    found: npt.NDArray[Any] = pc.fill_null(pc.index_in(wanted, value_set=_whole(known)), -1).to_numpy()
    return found.astype(np.int64)


def _whole(column: Any) -> Any:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies a single one too


def _table(items: Any, pool: Any, output: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Any:
    at_output, at_gold = (pa.array(at, mask=at < 0) for at in (output, gold))
    columns = {name: items[name] for name in _OF_ITEM}
    columns |= {name: pool[name].take(at_gold) for name in _OF_GOLD}
    of_output = [name for name in _READ if name not in columns]
    columns |= {name: pool[name].take(at_output) for name in of_output}
    columns["finish_reason"] = pc.fill_null(columns["finish_reason"], "missing")
    light = {name: _whole(columns[name]) for name in PREDICTIONS.names if name in columns}
    return pa.table({**light, "language": items["language"]})


def _pool(part: Part, exam: Exam) -> tuple[Any, list[tuple[EvalFolder, int]]]:
    """Every prediction of the part made with the exam's generation settings, the newest first and without texts, and
    how many are of which evaluation.

    ConfigError where there are only others.
    """
    alike: list[EvalFolder] = []
    other: list[EvalFolder] = []
    for folder in part.evals:
        told = folder.run.settings.get("generation")
        (alike if told is None or told == exam.generation else other).append(folder)
    if other and not alike:
        here, there = (_said(one) for one in (exam.generation, other[0].run.settings["generation"]))
        raise ConfigError(
            f"{other[0].name} generated with {there}, {exam.sources[0].folder.name} with {here}; evaluate both with "
            f"one suite: curate eval {part.name} --suite {exam.suite.name}"
        )
    fields = [*map(PREDICTIONS.field, _READ), *(pa.field(name, kind) for name, kind in _KEYS.items())]
    tables = [pa.schema(fields).empty_table()]
    for folder in alike:
        keys, told = folder.items(["item_id", *_KEYS]), folder.predictions(_READ)
        at = pc.index_in(told["item_id"], value_set=_whole(keys["item_id"]))
        for name in _KEYS:
            told = told.append_column(name, keys[name].take(at))
        tables.append(told)
    lengths = [(folder, told.num_rows) for folder, told in zip(alike, tables[1:], strict=True)]
    return pa.concat_tables(tables).combine_chunks(), lengths


def _said(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())
