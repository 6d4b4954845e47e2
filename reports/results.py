"""results.csv, which nothing else writes: every number of a run as one row, made anew from what the run stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from curation.errors import DataError
from curation.runs import RUN_FILE, Run, read_run
from curation.store.files import disk_errors, replace_file

if TYPE_CHECKING:
    import pandas as pd

RESULTS_FILE: Final = "results.csv"
METRICS_FILE: Final = "metrics.parquet"
WHOLE: Final = "all"  # the slice that leaves no item out
_EVALUATION: Final = re.compile(r"eval-([1-9][0-9]*)")
_ALONE: Final = ("base_model", "version", "seed")  # they have columns of their own


class Result(NamedTuple):
    """One number; the names are those of an evaluation's metrics.parquet. None where it was not measured."""

    split: str
    slice: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int | None  # items (of a training: rows) that the value is of
    signature: str | None  # how the metric was computed, in its library's words


COLUMNS: Final = ("run", "base_model", "version", "seed", *Result._fields)
Provider = Callable[[Path, Run], Iterator[tuple[str, Result]]]


def results_rows(folder: Path) -> pd.DataFrame:
    """A run's numbers, its evaluations' among them: COLUMNS, then hp_* for each hyperparameter off its default."""
    import pandas as pd

    run = read_run(folder)
    told = {"base_model": run.base, "version": (run.version or {}).get("name"), "seed": _seed(run)}
    hyper = {f"hp_{key}": _cell(value) for key, value in changed_settings(run.config or {}).items()}
    rows = [
        {"run": name, **told, **result._asdict(), **hyper}
        for provider in PROVIDERS
        for name, result in provider(folder, run)
    ]
    table = pd.DataFrame(rows, columns=[*COLUMNS, *hyper])
    whole = {"seed": "Int64", "n": "Int64"}  # an integer that may be missing: 3, not 3.0
    return table.astype(whole | dict.fromkeys(("value", "ci_low", "ci_high"), "float64"))


def write_results(folder: Path) -> Path:
    """Write the run's results.csv anew; the same stored numbers give the same bytes."""
    text = results_rows(folder).to_csv(index=False, lineterminator="\n", na_rep="")
    path = folder / RESULTS_FILE
    with disk_errors(path, "what it said before stays"):
        replace_file(path, text.encode())
    return path


def changed_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a stored training config that differ from their defaults; base, version and seed apart."""
    from train.config import TrainingConfig

    defaults = {entry.name: entry.default for entry in fields(TrainingConfig)}
    usual = {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}
    return {key: value for key, value in config.items() if key not in _ALONE and usual.get(key) != value}


def _training(folder: Path, run: Run) -> Iterator[tuple[str, Result]]:
    rows = (run.version or {}).get("rows", {})
    for metric, value in run.metrics.items() if run.kind == "training" else ():
        split = "validation" if metric.startswith("validation_") else "train"
        yield run.name, Result(split, WHOLE, metric, value, None, None, rows.get(split), None)


def _evaluations(folder: Path, run: Run) -> Iterator[tuple[str, Result]]:
    """Of eval-1, eval-2, ...; of the folder itself where it is an evaluation of a base model alone."""
    places = [path for path in folder.iterdir() if _EVALUATION.fullmatch(path.name)]
    ordered = sorted(places, key=lambda path: int(path.name.removeprefix("eval-")))
    for place in [folder] * (run.kind == "evaluation") + ordered:
        name = read_run(place).name if (place / RUN_FILE).is_file() else f"{run.name}/{place.name}"
        for result in _stored(place / METRICS_FILE):
            yield name, result


# Who knows numbers of a run; each gives (the run or evaluation they are of, the number).
PROVIDERS: Final[tuple[Provider, ...]] = (_training, _evaluations)


def _stored(path: Path) -> Iterator[Result]:
    if not path.is_file():
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); move its folder away and run the evaluation again"
        ) from None
    missing = [name for name in Result._fields if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path}: the column {missing[0]} is missing; move its folder away and run the evaluation again"
        )
    for row in table.select(list(Result._fields)).to_pylist():
        yield Result(**row)


def _seed(run: Run) -> int | None:
    return next(iter(run.seeds), None)


def _cell(value: Any) -> str:
    """A setting as text in one cell, numbers as they are written."""
    return value if isinstance(value, str) else json.dumps(value)
