"""results.csv: regenerated from what a run stored, to the byte."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import DataError
from curation.runs import Run, new_run_folder, write_run
from reports.results import COLUMNS, Result, changed_settings, results_rows, write_results
from tests.test_runs import training
from train.config import training_config

METRICS = {
    "train_loss": 1.25,
    "validation_loss": 1.5,
    "trained_tokens": 12345.0,
    "tokens_per_second": 100.5,
    "seconds": 12.25,
    "peak_memory_mb": 640.0,
}


def trained(folder: Path, metrics: dict[str, float] | None = None, **config: Any) -> Run:
    settings = training_config({"base_model": "models/tiny", **config}).as_json()
    run = training(folder.name, config=settings, seeds=(settings["seed"],), metrics=metrics or METRICS)
    write_run(folder, run)
    return run


def evaluated(folder: Path, rows: list[Result]) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row._asdict() for row in rows]), folder / "metrics.parquet")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_run_folder(tmp_path / "experiments")


def test_training_metrics_have_their_split(folder: Path) -> None:
    trained(folder)
    rows = read(write_results(folder))
    assert {row["metric"]: (row["split"], row["value"], row["n"]) for row in rows} == {
        "train_loss": ("train", "1.25", "8"),
        "validation_loss": ("validation", "1.5", "2"),
        "trained_tokens": ("train", "12345.0", "8"),
        "tokens_per_second": ("train", "100.5", "8"),
        "seconds": ("train", "12.25", "8"),
        "peak_memory_mb": ("train", "640.0", "8"),
    }
    assert {(row["run"], row["base_model"], row["version"], row["seed"], row["slice"]) for row in rows} == {
        ("experiment_001", "models/tiny", "v1", "1", "all")
    }


def test_hyperparameters_off_their_default_have_a_column(folder: Path) -> None:
    trained(folder, seed=7, learning_rate=1e-4, lora_target_modules=["q_proj", "v_proj"], packing=False, lora_r=16)
    table = results_rows(folder)
    assert list(table.columns) == [*COLUMNS, "hp_lora_target_modules", "hp_learning_rate", "hp_packing"]
    first = table.iloc[0]
    assert (first["hp_lora_target_modules"], first["hp_learning_rate"]) == ('["q_proj", "v_proj"]', "0.0001")
    assert (first["hp_packing"], first["seed"]) == ("false", 7)


def test_a_setting_equal_to_its_default_is_none_however_it_was_given() -> None:
    config = training_config({"base_model": "m", "report_to": [], "warmup_steps": 0.03}).as_json()
    assert changed_settings(config) == {}
    assert changed_settings(config | {"warmup_steps": 0.1}) == {"warmup_steps": 0.1}


def test_evaluations_are_read_where_they_exist(folder: Path) -> None:
    run = trained(folder)
    rouge = Result("validation", "all", "rouge_l", 0.5, 0.4, 0.6, 636, "rouge_score 0.1.2")
    part = Result("validation", "topic=pins", "rouge_l", 0.25, None, None, 12, None)
    for number in (10, 2):
        evaluated(folder / f"eval-{number}", [rouge._replace(value=number / 100), part])
    write_run(folder / "eval-2", replace(run, name="experiment_001/eval-2", kind="evaluation"))
    rows = [row for row in read(write_results(folder)) if row["metric"] == "rouge_l"]
    assert [(row["run"], row["slice"], row["value"]) for row in rows] == [
        ("experiment_001/eval-2", "all", "0.02"),
        ("experiment_001/eval-2", "topic=pins", "0.25"),
        ("experiment_001/eval-10", "all", "0.1"),
        ("experiment_001/eval-10", "topic=pins", "0.25"),
    ]
    whole, one = rows[:2]
    assert (whole["ci_low"], whole["ci_high"], whole["n"]) == ("0.4", "0.6", "636")
    assert whole["signature"] == "rouge_score 0.1.2"
    assert (one["ci_low"], one["ci_high"], one["n"], one["signature"]) == ("", "", "12", "")


def test_an_evaluation_of_a_base_model_alone(folder: Path) -> None:
    write_run(folder, Run(folder.name, "evaluation", "done", "2026", {"name": "models/tiny"}, settings={}))
    evaluated(folder, [Result("test", "all", "exact_match", 0.02, 0.01, 0.05, 100, None)])
    (row,) = read(write_results(folder))
    assert (row["run"], row["version"], row["metric"], row["value"]) == ("experiment_001", "", "exact_match", "0.02")


def test_the_same_numbers_give_the_same_bytes(folder: Path) -> None:
    trained(folder, learning_rate=1e-4)
    first = write_results(folder).read_bytes()
    (folder / "results.csv").write_text("spoilt")
    assert write_results(folder).read_bytes() == first
    trained(folder, METRICS | {"train_loss": 1.0}, learning_rate=1e-4)
    assert write_results(folder).read_bytes() != first


def test_a_loss_that_is_no_number_leaves_its_cell_empty(folder: Path) -> None:
    trained(folder, {"train_loss": math.nan})
    (row,) = read(write_results(folder))
    assert (row["metric"], row["value"]) == ("train_loss", "")


def test_a_run_without_numbers_has_the_headings(folder: Path) -> None:
    write_run(folder, training(folder.name, metrics={}, config=None))
    assert write_results(folder).read_text("utf-8") == ",".join(COLUMNS) + "\n"


def test_damaged_metrics_are_one_line(folder: Path) -> None:
    trained(folder)
    (folder / "eval-1").mkdir()
    (folder / "eval-1" / "metrics.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="run the evaluation again") as caught:
        write_results(folder)
    assert "\n" not in str(caught.value)
    evaluated(folder / "eval-1", [])
    pq.write_table(pa.table({"split": ["test"]}), folder / "eval-1" / "metrics.parquet")
    with pytest.raises(DataError, match="the column slice is missing"):
        write_results(folder)
    assert not (folder / "results.csv").exists()
