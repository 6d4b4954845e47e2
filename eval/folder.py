"""Evaluations on disk, experiments/experiment_NNN/eval-K: the one place that reads and writes their files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curation.config_file import load_config
from curation.errors import ConfigError, CurateError, DataError
from curation.runs import RUN_FILE, Run, damaged_runs, read_run, readable_runs, run_number
from curation.store.files import TEMP_PREFIX, disk_errors, replace_file, sync_file, sync_folder
from eval.items import ITEMS

if TYPE_CHECKING:
    from eval.suite import Suite

PREDICTIONS: Final = pa.schema(
    [
        ("prediction_id", pa.string()),  # 16 hex digits; the same output of the same model keeps it
        ("item_id", pa.string()),
        ("row_id", pa.string()),
        ("turn", pa.int64()),
        ("cluster", pa.int64()),
        ("split", pa.string()),
        ("sample", pa.int64()),
        ("prompt", pa.large_string()),  # JSON: the messages before the answer
        ("output", pa.large_string()),  # null where there is none
        ("reference", pa.large_string()),
        ("finish_reason", pa.string()),  # stop | length | error | missing
        ("detail", pa.string()),  # why there is no output, or no likelihood of reference or labels; else ""
        ("output_tokens", pa.int64()),
        ("logprob_mean", pa.float64()),  # of the output's tokens; natural logarithm
        ("logprob_min", pa.float64()),
        ("logprob_first", pa.float64()),
        ("reference_nll", pa.float64()),  # sum over the gold answer's tokens, its end of turn among them
        ("reference_tokens", pa.int64()),
        ("reference_chars", pa.int64()),
        ("label_logliks", pa.list_(pa.float64())),  # of each of the suite's labels as the answer, its end among it
        ("seconds", pa.float64()),
        ("clean", pa.bool_()),  # whether the training never touched the item; null where nobody can tell
    ]
)
METRICS: Final = pa.schema(
    [
        ("split", pa.string()),  # or the benchmark's name
        ("slice", pa.string()),  # all, clean, or field=value
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("n", pa.int64()),
        ("signature", pa.string()),
    ]
)
ITEM_METRICS: Final = pa.schema(
    [
        ("item_id", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),  # null where the item says nothing by itself
        ("stats", pa.list_(pa.float64())),  # what corpus values are computed from; null where it is missing
    ]
)
BENCHMARKS: Final = pa.schema(
    [
        ("benchmark", pa.string()),
        ("regime", pa.string()),
        ("item_id", pa.string()),
        ("gold", pa.int64()),  # which choice is right, from 0; this and the next two null where there are no choices
        ("logliks", pa.list_(pa.float64())),  # one a choice, natural logarithm
        ("lengths", pa.list_(pa.int64())),  # characters of what is scored
        ("acc", pa.float64()),
        ("acc_norm", pa.float64()),
        ("scores", pa.large_string()),  # JSON: metric -> number, or [sum, weight]; of tasks of lm-evaluation-harness
        ("clean", pa.bool_()),  # null where nobody can tell
        ("cut", pa.bool_()),  # longer than the model reads, so that its beginning was left out; null: nobody looked
    ]
)
SCHEMAS: Final[Mapping[str, Any]] = {
    "items": ITEMS,
    "predictions": PREDICTIONS,
    "metrics": METRICS,
    "item_metrics": ITEM_METRICS,
    "benchmarks": BENCHMARKS,
}
SUITE: Final = "suite.yaml"
VERDICTS_FILE: Final = "verdicts.json"
_NUMBERED: Final = re.compile(r"eval-([1-9][0-9]*)")
_BATCH: Final = 1024  # rows
_TOLD: Final = b"curate"


@dataclass(frozen=True, slots=True)
class EvalFolder:
    """One evaluation. Its tables are read anew at each call; those it has not are empty."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> EvalFolder:
        """ConfigError where the folder is no evaluation."""
        folder = cls(path)
        if folder.run.kind != "evaluation":
            raise ConfigError(f"{path}: is a {folder.run.kind}, not an evaluation; name its eval-K")
        return folder

    @property
    def name(self) -> str:
        """experiment_003/eval-1."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def run(self) -> Run:
        """Of the evaluation; `settings` say what was asked, of which exam."""
        return read_run(self.path)

    @property
    def of(self) -> Path:
        """The folder of the run (or base model) that was evaluated."""
        return self.path.parent

    @property
    def suite(self) -> Suite:
        name = str(self.run.settings.get("suite", ""))
        from eval.suite import SCHEMA, suite_of  # ARC and generation come along; a list of evaluations needs neither

        if not (self.path / SUITE).is_file():
            raise self.no_suite()
        return suite_of(load_config(self.path / SUITE, SCHEMA), name, where=str(self.path / SUITE), stored=True)

    def primary(self) -> str:
        """The metric that its suite is decided by; "" of answers kept from the playground, which have no suite."""
        try:
            return self.suite.primary.metric
        except ConfigError:
            return ""

    def no_suite(self) -> ConfigError:
        return ConfigError(
            f"{self.path / SUITE}: no such file, so nobody can tell how this was asked; copy the whole folder again, "
            f"or move it away and run curate eval {self.of.name}"
        )

    def items(self, columns: list[str] | None = None) -> Any:
        return self._table("items", columns)

    def predictions(self, columns: list[str] | None = None) -> Any:
        """One line an item, in the order of items()."""
        return self._table("predictions", columns)

    def metrics(self) -> Any:
        return self._table("metrics", None)

    def item_metrics(self, columns: list[str] | None = None) -> Any:
        return self._table("item_metrics", columns)

    def benchmarks(self) -> Any:
        return self._table("benchmarks", None)

    def verdicts(self) -> dict[str, float]:
        """What people said of outputs, by prediction_id: 1 right, 0 wrong, between them partly; empty if nobody did."""
        path = self.path / VERDICTS_FILE
        if not path.is_file():
            return {}
        try:
            told: dict[str, float] = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise self._damaged(path, error) from None
        return told

    def batches(self, name: str, columns: list[str] | None = None, rows: int = _BATCH) -> Iterator[Any]:
        """A table in record batches, so that its length does not matter."""
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            return
        try:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(rows, columns=columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(path, error) from None

    def told(self, name: str) -> bytes | None:
        """What was written beside a table."""
        read = self._footer(name)
        told: bytes | None = None if read is None else (read.metadata or {}).get(_TOLD)
        return told

    def rows(self, name: str) -> int:
        """Of a table; 0 where it has none."""
        read = self._footer(name)
        return 0 if read is None else int(read.num_rows)

    def check_whole(self) -> None:
        """DataError where items have no answers, or answers no items: a folder that was copied or restored in part."""
        items, answers = self.rows("items"), self.rows("predictions")
        if items != answers:
            raise DataError(
                f"{self.path}: holds {items:,} items and {answers:,} answers, so a part of it is missing; copy the "
                "whole folder again, or move it away and run the evaluation again"
            )

    def _footer(self, name: str) -> Any:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            return None
        try:
            return pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(path, error) from None

    def write(self, name: str, rows: Iterable[Mapping[str, Any]], told: bytes | None = None) -> int:
        """Write a table from its rows, whole or not at all; gives their number. told: what is written beside it."""
        schema, path = SCHEMAS[name], self.path / f"{name}.parquet"
        unfinished = path.with_name(f"{TEMP_PREFIX}{os.getpid()}-{path.name}")
        with disk_errors(path, "nothing was written"):
            try:
                count = 0
                with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                    for chunk in _chunks(rows):
                        writer.write_table(pa.Table.from_pylist(chunk, schema))
                        count += len(chunk)
                    if told is not None:
                        writer.add_key_value_metadata({_TOLD: told})
                sync_file(unfinished)
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
            sync_folder(self.path)
        return count

    def write_suite(self, suite: Suite) -> None:
        with disk_errors(self.path / SUITE, "nothing was written"):
            replace_file(self.path / SUITE, suite.as_yaml())

    def _table(self, name: str, columns: list[str] | None) -> Any:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            empty = SCHEMAS[name].empty_table()
            return empty.select(columns) if columns else empty
        wanted = columns or SCHEMAS[name].names
        try:
            with pq.ParquetFile(path) as file:
                there = set(file.schema_arrow.names)
                table = file.read([column for column in wanted if column in there])
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(path, error) from None
        for column in wanted:  # what an evaluation of an earlier release does not say
            if column not in there:
                kind = SCHEMAS[name].field(column).type
                table = table.append_column(column, pa.nulls(table.num_rows, kind))
        return table.select(wanted)

    @staticmethod
    def _damaged(path: Path, error: Exception) -> DataError:
        told = " ".join(str(error).split())[:120]
        todo = "copy its folder again, or move that away and run the evaluation again"
        return DataError(f"{path}: cannot be read ({told}); {todo}")


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _BATCH:
            yield chunk
            chunk = []
    yield chunk  # an empty table has its columns too


def evals(run: Path) -> list[EvalFolder]:
    """All evaluations of a run, oldest first, finished or not."""
    found = [path for path in run.iterdir() if _NUMBERED.fullmatch(path.name) and (path / RUN_FILE).is_file()]
    return [EvalFolder(path) for path in sorted(found, key=lambda path: int(path.name.removeprefix("eval-")))]


def all_finished(experiments: Path) -> tuple[list[EvalFolder], dict[str, CurateError]]:
    """Finished evaluations of every run, oldest run first; the runs and evaluations that are damaged, and why."""
    done, damaged = [], {folder.name: error for folder, error in damaged_runs(experiments).items()}
    for folder, _ in readable_runs(experiments):
        for one in evals(folder):
            try:
                done += [one] if one.run.state == "done" else []
            except CurateError as error:
                damaged[one.name] = error
    return done, damaged


Wanted = Callable[["EvalFolder"], bool]


def latest_eval(run: Path, wanted: Wanted = lambda _: True) -> EvalFolder | None:
    """The newest finished evaluation of a run, of those that are wanted."""
    return next((one for one in reversed(evals(run)) if one.run.state == "done" and wanted(one)), None)


def last_evaluation(experiments: Path, wanted: Wanted = lambda _: True) -> EvalFolder | None:
    """The newest finished evaluation of the newest run that has one; of a base or baseline only where no other is.

    A comparison asks those after the run, and whoever reviews then means the run that was trained. DataError where a
    damaged run is newer: no other is taken unasked.
    """
    ranked = sorted(readable_runs(experiments), key=lambda run: not _is_beside(run[1]))
    last = next((found for run, _ in reversed(ranked) if (found := latest_eval(run, wanted)) is not None), None)
    for folder, error in damaged_runs(experiments).items():
        if last is not None and run_number(folder.name) > run_number(last.of.name):
            raise error
    return last


def foremost(done: Sequence[EvalFolder]) -> EvalFolder | None:
    """Of evaluations in their order the last one; one of a base or baseline only where no other is."""
    return max(reversed(done), key=lambda one: not _is_beside(read_run(one.of)), default=None)


def _is_beside(run: Run) -> bool:
    return run.kind == "base" or bool(run.settings.get("baseline"))


def new_eval(run: Path) -> EvalFolder:
    """Make eval-K in a run's folder, one above the highest there is; two processes never get the same."""
    with disk_errors(run, "no evaluation was started"):
        while True:
            names = (_NUMBERED.fullmatch(path.name) for path in run.iterdir())
            number = max((int(found[1]) for found in names if found), default=0) + 1
            try:
                (run / f"eval-{number}").mkdir()
            except FileExistsError:
                continue
            return EvalFolder(run / f"eval-{number}")
