"""Which evaluation a screen means at first; on Errors what counts as right and as worst, and how a prompt is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pandas as pd
import pytest

from curation.runs import read_run, run_place, write_run
from curation.workspace import init_workspace
from eval.folder import VERDICTS_FILE, EvalFolder
from eval.suite import MetricChoice, Primary, Suite
from reports.tables.evaluation import confidence, right_by, worst_first
from tests.dashboard_screens import dashboard_in, screen, told
from tests.review_data import evaluation

BITS = [0.9, 0.1, 0.5, 0.3]


@pytest.fixture
def measured(tmp_path: Path) -> EvalFolder:
    """Four outputs by metrics of which less is better, of which more is, and that are no share."""
    made = init_workspace(tmp_path / "w")
    metrics = {"bits_per_char": BITS, "rougeL": [0.2, 0.4, 0.8, 0.6], "chrf": [20.0, 40.0, 80.0, 60.0]}
    found = evaluation(run_place(made).experiments, items=4, metrics=metrics)
    names = tuple(MetricChoice(name) for name in metrics)
    found.write_suite(Suite(metrics=names, primary=Primary("bits_per_char"), benchmarks=()))
    return found


def test_what_costs_most_bits_is_worst(measured: EvalFolder) -> None:
    assert list(worst_first(measured, "bits_per_char")["value"]) == sorted(BITS, reverse=True)
    assert list(worst_first(measured, "rougeL")["value"]) == [0.2, 0.4, 0.6, 0.8]


def test_the_way_that_a_suite_names_is_the_way(measured: EvalFolder) -> None:
    measured.write_suite(
        Suite(metrics=(MetricChoice("bits_per_char"),), primary=Primary("bits_per_char", direction="higher"))
    )
    assert list(worst_first(measured, "bits_per_char")["value"]) == sorted(BITS)


def test_only_shares_of_which_more_is_better_say_what_is_right(measured: EvalFolder) -> None:
    assert right_by(measured) == ["rougeL"]


def test_the_screen_begins_with_the_worst_by_what_decides(
    measured: EvalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dashboard_in(measured.path.parents[2], monkeypatch):
        found = screen("errors_view")
        assert found.selectbox(key="worst by").value == "bits_per_char"
        assert found.selectbox(key="right by").options == ["rougeL"]
        assert "bits_per_char 0.900" in told(found)
        assert "user: question 0" in told(found)


def test_people_say_what_is_right_where_they_judged(measured: EvalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = measured.predictions(["prediction_id"])["prediction_id"].to_pylist()
    (measured.path / VERDICTS_FILE).write_bytes(orjson.dumps(dict(zip(ids, [1.0, 0.0, 1.0, 1.0], strict=True))))
    pd.testing.assert_series_equal(confidence(measured, "")["right"], pd.Series([1, 0, 1, 1], name="right"))
    with dashboard_in(measured.path.parents[2], monkeypatch):
        assert screen("errors_view").selectbox(key="right by").options == ["people"]


@pytest.mark.parametrize("beside", ["base", "baseline"])
def test_the_run_that_was_trained_last_is_meant(beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = init_workspace(tmp_path / "w")
    experiments = run_place(made).experiments
    evaluation(experiments, items=4)
    meant, later = evaluation(experiments, items=4), evaluation(experiments, items=4)
    run = read_run(later.of)
    write_run(
        later.of,
        replace(run, kind="base")
        if beside == "base"
        else replace(run, kind="predictions", settings={"baseline": "copy"}),
    )
    with dashboard_in(made.root, monkeypatch):
        assert screen("errors_view").selectbox(key="evaluation").value == meant.name
        assert screen("review").multiselect(key="evaluations").value == [meant.name]


def test_two_versions_stand_against_each_other_and_not_two_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = init_workspace(tmp_path / "w")
    first, second, third = (evaluation(run_place(made).experiments, items=4) for _ in range(3))
    for one in (second, third):
        write_run(one.path, replace(one.run, version={"name": "v2", "id": "22222222", "rows": {"train": 9}}))
    with dashboard_in(made.root, monkeypatch):
        found = screen("pairwise")
        assert found.selectbox(key="first").value == first.name
        assert found.selectbox(key="second").value == third.name
