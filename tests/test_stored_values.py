"""Comparisons take up what evaluations stored of each item, and only where nothing it rests on has changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.workspace import Workspace
from eval import stored_values
from eval.compare import stored as taken_up
from eval.compare.comparison import Comparison, Settings, compare, gates
from eval.compare.exam import learned_by, open_exam
from eval.compare.measures import Draws
from eval.compare.sheet import Sheet, sheet
from eval.compare.sides import chosen
from eval.compare.stored import StoredOnce, from_store
from eval.compare.trained import Exposure
from eval.folder import EvalFolder
from eval.measuring import Trust, measured
from eval.recompute import recompute, write_numbers
from tests.compared import SUITE, base_of, build, right_at, row, run_of, sit
from tests.lineage_workspace import store_of, workspace, write

NAMES = ["token_f1", "exact_match", "perplexity", "bits_per_char", "rouge1", "rougeL", "chrf", "bleu", "length_ratio"]
NAMES += ["refusal_rate", "repetition_rate", "number_support", "accuracy"]
RATIOS = {"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}}
QUICK = Settings(draws=Draws(resamples=200, permutations=200))


def numbered(number: int, **changes: Any) -> dict[str, Any]:
    return row(number, language="ro" if number % 9 == 0 else "en", **changes)


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    """A base and a run of v2; the base was evaluated on v1, whose references are others in a few items."""
    made = workspace(tmp_path / "work", [numbered(number) for number in range(120)], split=RATIOS)
    build(made)
    base = base_of(made)
    suite = {**SUITE, "metrics": NAMES, "labels": ["yes", "no"]}
    write_numbers(sit(made, base, right_at(0.4, "base"), suite=suite), suite_of(made, base), Trust())
    write(made.root, [numbered(n, **({"completion": "Said anew."} if n % 10 == 1 else {})) for n in range(130)])
    build(made)
    run = run_of(made)
    write_numbers(sit(made, run, right_at(0.7, "run"), suite=suite), suite_of(made, run), Trust())
    sit(made, base, right_at(0.4, "base"), suite=suite, limit=1)  # an evaluation without numbers changes nothing
    return made


def suite_of(made: Workspace, run: Path) -> Any:
    return EvalFolder.open(run / "eval-1").suite


def folder(made: Workspace, number: int) -> EvalFolder:
    return EvalFolder.open(made.root / "experiments" / f"experiment_00{number}" / "eval-1")


def compared(made: Workspace) -> Comparison:
    experiments = made.root / "experiments"
    return compare(experiments, chosen(experiments, []), store_of(made), QUICK)


def sheets(made: Workspace) -> tuple[Any, list[Sheet]]:
    sides = chosen(made.root / "experiments", [])
    exposure = Exposure(store_of(made))
    exam = open_exam(sides, exposure)
    models = [side.models[0] for side in sides]
    return exam, [sheet(exam, model, learned_by(exam, model, exposure, [])) for model in models]


def same(one: Any, other: Any) -> bool:
    assert (one.name, one.signature, one.formula, one.higher_is_better) == (
        other.name,
        other.signature,
        other.formula,
        other.higher_is_better,
    )
    return bool(np.array_equal(one.stats, other.stats, equal_nan=True)) and bool(
        np.array_equal(one.item, other.item, equal_nan=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_taken_up_is_what_measuring_gives(here: Workspace, name: str) -> None:
    exam, (base, run) = sheets(here)
    alone = replace(exam.suite, metrics=tuple(one for one in exam.suite.metrics if one.name == name))
    found = from_store(run, alone, StoredOnce())
    assert found is not None
    assert same(found, measured(run, alone)[name])
    some = base.take(base.answered)  # to the items that it was asked
    mended = some.stored.of < 0
    assert 0 < mended.sum() < len(mended) / 2  # these are measured
    found = from_store(some, alone, StoredOnce())
    assert found is None or same(found, measured(some, alone)[name])
    assert found is not None or name in ("bleu", "rouge1", "rougeL")  # whose mended items are in English alone


def test_a_comparison_is_the_same_with_and_without(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    measured_of: list[str] = []

    def counted(one: Any, suite: Any, trust: Trust) -> Any:
        measured_of.append(suite.metrics[0].name)
        return measured(one, suite, trust)

    monkeypatch.setattr("eval.compare.measures.measured", counted)
    first = compared(here)
    assert "token_f1" not in measured_of
    monkeypatch.setattr(taken_up, "stored_values", lambda folder: {})
    second = compared(here)
    assert "token_f1" in measured_of
    assert repr((first.primary, first.others)) == repr((second.primary, second.others))  # NaN is not itself
    assert len(first.others) > 5


def test_gates_alone_are_those_of_the_comparison(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared(here).checks
    for name in ("secondary", "slices", "flips", "beside"):  # which they do not rest on
        monkeypatch.setattr(f"eval.compare.measures.{name}", None, raising=False)
        monkeypatch.setattr(f"eval.compare.comparison.{name}", None, raising=False)
    experiments = here.root / "experiments"
    assert gates(experiments, chosen(experiments, []), store_of(here), QUICK) == whole
    assert {one.result for one in whole} == {"passed", "cannot tell"}


def changed(path: Path, column: str, change: Callable[[Any], Any]) -> None:
    """The file with one value of a column changed, and all that is written beside it kept."""
    table = pq.read_table(path)
    values = table[column].to_pylist()
    at = next(i for i, value in enumerate(values) if value is not None)
    values[at] = change(values[at])
    place = table.column_names.index(column)
    table = table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    kept = pq.read_metadata(path).metadata or {}
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({key: value for key, value in kept.items() if key == b"curate"})


@pytest.mark.parametrize("column", ["value", "stats", "item_id"])
def test_values_that_somebody_changed_are_not_taken_up(here: Workspace, column: str) -> None:
    before, run = compared(here), folder(here, 2)
    whole = stored_values.stored_values(run)
    changes: dict[str, Callable[[Any], Any]] = {
        "value": lambda value: value + 0.25,
        "stats": lambda value: [value[0] + 0.25, *value[1:]],
        "item_id": lambda value: f"{value}x",
    }
    changed(run.path / "item_metrics.parquet", column, changes[column])
    assert set(whole) - set(stored_values.stored_values(run)) == {"token_f1"}  # the first that stands in the file
    assert compared(here).primary == before.primary
    told = recompute(run, Trust())  # which says what was wrong, and mends it
    assert told.changed or column == "stats"  # of which no number but this comparison's is made
    assert set(stored_values.stored_values(run)) == set(whole)


def test_of_other_predictions_nothing_stored_is_taken_up(here: Workspace) -> None:
    before, run = compared(here), folder(here, 2)
    told = run.predictions().to_pylist()
    run.write("predictions", [{**line, "output": line["reference"]} for line in told])
    assert stored_values.stored_values(run) == {}
    after = compared(here)
    assert (before.primary.value_b < 1, after.primary.value_b) == (True, 1.0)


def test_of_other_items_or_other_code_nothing_stored_is_taken_up(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder(here, 2)
    assert stored_values.stored_values(run)
    changed(run.path / "items.parquet", "language", lambda _: "de")
    assert stored_values.stored_values(run) == {}
    assert stored_values.stored_values(folder(here, 1))
    monkeypatch.setattr(stored_values, "code", lambda: "of another release")
    assert stored_values.stored_values(folder(here, 1)) == {}


def test_code_is_all_that_metrics_are_computed_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in stored_values._CODE:  # each of them is there
        assert list(stored_values._ROOT.glob(name)), name
    (tmp_path / "eval/metrics").mkdir(parents=True)
    monkeypatch.setattr(stored_values, "_ROOT", tmp_path)
    found = set()
    for text in ("one", "two"):
        (tmp_path / "eval/metrics/matching.py").write_text(text)
        stored_values.code.cache_clear()
        found.add(stored_values.code())
    stored_values.code.cache_clear()
    assert len(found) == 2


def test_asked_otherwise_it_is_measured(here: Workspace) -> None:
    exam, (_, run) = sheets(here)
    (f1,) = (one for one in exam.suite.metrics if one.name == "token_f1")
    alone = replace(exam.suite, metrics=(f1,))
    assert from_store(run, alone, StoredOnce()) is not None
    squad = replace(exam.suite, metrics=(replace(f1, options={"normalise": "squad"}),))
    assert from_store(run, squad, StoredOnce()) is None
    assert from_store(run, replace(alone, labels=("ja", "nein")), StoredOnce()) is None
    some = run.take(np.asarray([one == "en" for one in run.light["language"].to_pylist()]))
    assert from_store(some, alone, StoredOnce()) is None  # signatures may tell of languages


def test_a_report_of_what_is_stored_loads_no_compiler() -> None:
    code = "import reports.report, reports.sections.subject, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
