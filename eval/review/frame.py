"""The predictions under review: what the queues choose from, and what is shown of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation.errors import ConfigError
from curation.runs import resolve_run
from eval.folder import EvalFolder, last_evaluation, latest_eval
from eval.measuring import slice_values
from eval.review.queues import Candidate

_COLUMNS = ["prediction_id", "item_id", "split", "prompt", "output", "reference", "finish_reason", "logprob_mean"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reviewer sees of a prediction; never which run made it."""

    prediction_id: str
    item_id: str
    messages: tuple[Mapping[str, Any], ...]  # before the answer
    output: str
    reference: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """Predictions of one evaluation or several, held as columns; 100,000 of them take tens of megabytes."""

    table: pa.Table
    runs: tuple[str, ...]  # one a row
    at: Mapping[str, int]  # prediction -> row
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # item -> field -> value

    def candidates(self) -> list[Candidate]:
        columns = (self.table[name].to_pylist() for name in ("prediction_id", "item_id", "logprob_mean"))
        rows = zip(*columns, self.runs, strict=True)
        return [Candidate(p, run, item, confidence, self.slices.get(item, {})) for p, item, confidence, run in rows]

    def shown(self, prediction_id: str) -> Shown:
        if prediction_id not in self.at:
            raise ConfigError(f'prediction "{prediction_id}" is not among those under review')
        row = self.table.slice(self.at[prediction_id], 1).to_pylist()[0]
        messages = tuple(orjson.loads(row["prompt"]))
        return Shown(prediction_id, row["item_id"], messages, row["output"], row["reference"])

    def run_of(self, prediction_id: str) -> str:
        return self.runs[self.at[prediction_id]]

    def __len__(self) -> int:
        return int(self.table.num_rows)


def to_review(folder: EvalFolder, *, test_too: bool = False) -> bool:
    """Whether it holds an output of another split than test (or any, where test may be seen)."""
    return any(_kept(folder.predictions(["output", "split"]), test_too))


def newest_to_review(experiments: Path, ref: str | None = None, *, test_too: bool = False) -> EvalFolder:
    """Of a run, or of the last one: the newest evaluation with something to review, or else the newest.

    ConfigError where there is none.
    """

    def wanted(one: EvalFolder) -> bool:
        return to_review(one, test_too=test_too)

    if ref is None:
        last = last_evaluation(experiments, wanted) or last_evaluation(experiments)
        if last is None:
            raise ConfigError("no evaluation yet; make one with curate eval")
        return last
    run = resolve_run(experiments, ref)
    found = latest_eval(run, wanted) or latest_eval(run)
    if found is None:
        raise ConfigError(f"{run.name} has no finished evaluation; make one with curate eval {run.name}")
    return found


def nothing_to_review(folders: Sequence[EvalFolder]) -> str:
    """Why a review of these has nothing to show, and what to do."""
    names = ", ".join(folder.name for folder in folders)
    if any(to_review(folder, test_too=True) for folder in folders):
        why = "holds outputs of the test split alone, which nobody looks at before the end"
    else:
        why = "holds no output"
    return f"{names} {why}; ask the validation split: curate eval {folders[0].of.name}"


def _kept(table: pa.Table, test_too: bool) -> list[bool]:
    columns = (table[name].to_pylist() for name in ("output", "split"))
    return [output is not None and (test_too or split != "test") for output, split in zip(*columns, strict=True)]


def review_frame(folders: Sequence[EvalFolder], *, test_too: bool = False, fields: Sequence[str] = ()) -> Frame:
    """The predictions of these evaluations that have an output, each once; items of test are left out unless asked for.

    Where two evaluations hold the same output of the same model it is the same prediction. fields: of an item's meta,
    whose values are then known as slices.
    """
    tables, runs = [], []
    for folder in folders:
        table = folder.predictions(_COLUMNS)
        table = table.filter(pa.array(_kept(table, test_too), pa.bool_()))
        tables.append(table)
        runs += [folder.of.name] * table.num_rows
    if not tables:
        raise ConfigError("there is no evaluation to review; make one with curate eval")
    whole = pa.concat_tables(tables)
    first: dict[str, int] = {}
    for row, prediction in enumerate(whole["prediction_id"].to_pylist()):
        first.setdefault(prediction, row)
    rows = sorted(first.values())
    once = whole.take(pa.array(rows, pa.int64()))
    at = {prediction: row for row, prediction in enumerate(once["prediction_id"].to_pylist())}
    slices = {item: held for folder in folders for item, held in slice_values(folder, fields).items()}
    return Frame(once, tuple(runs[row] for row in rows), at, slices)
