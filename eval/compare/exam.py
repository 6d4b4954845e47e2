"""The exam of a comparison: the newer version's items and references, without what either side learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError, DataError
from eval.compare.places import Places
from eval.compare.sides import Model, Part, Side
from eval.compare.trained import Bools, Exposure
from eval.folder import EvalFolder
from eval.items import ITEMS
from eval.suite import DEFAULT, FOLDER, Suite

TEXTS: Final = ("messages", "tools", "answer", "reference", "meta")  # of ITEMS: as long as somebody wrote


@dataclass(frozen=True, slots=True)
class Source:
    """An evaluation whose items are asked; of out-of-fold predictions there is one a fold."""

    folder: EvalFolder
    version: str | None  # its id
    version_name: str | None
    split: str


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """items: those that count, of the table ITEMS what is no text, and reference_chars. at: where each stands in its
    source. left_out: why -> how many of `whole`."""

    items: Any
    suite: Suite
    sources: tuple[Source, ...]
    at: Places
    whole: int
    left_out: dict[str, int]

    @property
    def source_of(self) -> npt.NDArray[np.int64]:
        """Of each item."""
        return self.at.of

    @property
    def split(self) -> str:
        return self.sources[0].split

    @property
    def version(self) -> str | None:
        """v2, or v2 (5 folds)."""
        name = self.sources[0].version_name
        return f"{(name or '').partition('-fold')[0]} ({len(self.sources)} folds)" if len(self.sources) > 1 else name

    @property
    def generation(self) -> dict[str, Any]:
        return self.suite.generation.as_json()

    @property
    def told(self) -> str:
        """validation of v2."""
        return f"{self.split} of {self.version}" if self.version else self.split

    @property
    def partial(self) -> bool:
        """Whether the evaluation was limited to some of the items."""
        return any(source.folder.run.settings.get("partial") for source in self.sources)

    def without(self, out: Bools, told: dict[str, int]) -> Exam:
        """The same without some items; told: why -> how many."""
        kept = self.items.filter(pa.array(~out))
        left_out = {**self.left_out, **told}
        return Exam(kept, self.suite, self.sources, self.at.take(~out), self.whole, left_out)


def open_exam(sides: Sequence[Side], exposure: Exposure, suite: str | None = None) -> Exam:
    """All items of the newer side's evaluation: the newest one of the suite, or else the newest that is not of test
    and was not limited to a part.

    The newer side is the one with the newer version; without one that the store knows, the second. ConfigError where
    it was not evaluated.
    """
    model = newer(sides, exposure).models[0]
    sources = tuple(_source(part, suite) for part in model.parts)
    tables = [_light(source.folder) for source in sources]
    items = pa.concat_tables(tables).combine_chunks()
    if not items.num_rows:
        raise DataError(f"{sources[0].folder.name}: holds no items; run curate eval {model.parts[0].name} again")
    at = Places.whole([source.folder for source in sources], [table.num_rows for table in tables])
    return Exam(items, sources[0].folder.suite, sources, at, items.num_rows, {})


def _light(folder: EvalFolder) -> Any:
    """The items without their texts."""
    parts = (batch["reference"] for batch in folder.batches("items", ["reference"]))
    chars = [pc.utf8_length(part).cast(pa.int64()) for part in parts]
    table = folder.items([name for name in ITEMS.names if name not in TEXTS])
    return table.append_column("reference_chars", pa.chunked_array(chars, pa.int64()))


def newer(sides: Sequence[Side], exposure: Exposure) -> Side:
    first, second = sides
    age = [exposure.order(side.models[0].parts[0].version) for side in (first, second)]
    if second.is_base and not first.is_base:
        return first
    return first if age[0] > age[1] and not first.is_base else second


def spent(exam: Exam, exposure: Exposure, root: Path) -> Bools:
    """The items that a patch was made from since their evaluation; a later one does not ask them."""
    found = np.zeros(exam.items.num_rows, np.bool_)
    names = np.asarray(exam.items["item_id"].to_pylist(), object)
    for number, source in enumerate(exam.sources):
        gone = exposure.spent(root, source.version)
        found |= (exam.source_of == number) & np.fromiter((name in gone for name in names), np.bool_, len(names))
    return found


def exposed(exam: Exam, part: Part, exposure: Exposure) -> Bools:
    """The items that this part of a model learned from. ConfigError where nobody can tell."""
    found = np.zeros(exam.items.num_rows, np.bool_)
    if part.version is None:
        return found
    for number, source in enumerate(exam.sources):
        mine = np.flatnonzero(exam.source_of == number)
        if len(mine):
            asked = exam.at.take(mine)
            rows = exam.items["row_id"].take(pa.array(mine))
            found[mine] = exposure.touched(rows, part.version, source.version, partial(asked.table, "items"))
    return found


def learned_by(exam: Exam, model: Model, exposure: Exposure, notes: list[str]) -> list[Bools]:
    """For each part of the model the items that it learned from; none, and a note, where nobody can tell."""
    found = []
    for part in model.parts:
        try:
            found.append(exposed(exam, part, exposure))
        except ConfigError as error:
            notes.append(f"{part.name}: {error}; items it learned from may be among these")
            found.append(np.zeros(exam.items.num_rows, np.bool_))
    return found


def clusters_of(exam: Exam) -> npt.NDArray[np.int64]:
    """What ties items together: a number for each cluster of each source."""
    pairs = np.column_stack([exam.source_of, exam.items["cluster"].to_numpy()])
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def without_suite(part: Part, suite: str) -> str:
    """Why there is no evaluation with this suite, and which suites there are, or how to have it asked."""
    asked = list(dict.fromkeys(str(one.run.settings.get("suite", "-")) for one in part.evals))
    told = f"was not evaluated with suite {suite}"
    told += f"; it was with {', '.join(asked)}" if asked else ""
    suites = part.folder.parent.parent / FOLDER
    written = sorted(path.stem for path in suites.glob("*.yaml"))
    if suite in (*written, DEFAULT):
        return f"{told}; curate eval {part.name} --suite {suite}"
    there = f": {', '.join(written)}" if written else ""
    return f"{told}, and {FOLDER}/ holds no such suite{there}; name one that was asked"


def ranked(evals: Sequence[EvalFolder]) -> list[EvalFolder]:
    """Those of test behind all others, and those of a part of the items behind the whole ones."""
    return sorted(evals, key=lambda one: (one.suite.is_test, bool(one.run.settings.get("partial"))))


def _source(part: Part, suite: str | None) -> Source:
    if suite is not None:
        chosen = [one for one in part.evals if one.run.settings.get("suite") == suite]
        if not chosen:
            raise ConfigError(f"{part.name}: {without_suite(part, suite)}")
    else:
        chosen = ranked(part.evals)
    if not chosen:
        raise ConfigError(f"{part.name}: was not evaluated yet; run curate eval {part.name}")
    told = chosen[0].run.settings.get("exam") or {}
    return Source(chosen[0], told.get("version_id"), told.get("version"), str(told.get("split", "items")))
