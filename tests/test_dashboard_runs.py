"""Overview, Training, Compare, Errors and Playground, in a workspace with two versions, seeds, a base, tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.runs import run_place
from curation.workspace import Workspace
from tests.dashboard_screens import dashboard_in, screen, sound, told
from tests.reported import reported, tagged
from tests.tagged_run import build, evaluated, learned

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = reported(tmp_path_factory.mktemp("runs") / "w", seeds=1)
    tagged(made, run_place(made).experiments / "experiment_002")
    return made.root


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with dashboard_in(root, monkeypatch) as made:
        yield made


@pytest.mark.usefixtures("here")
class TestRuns:
    def test_the_overview_names_versions_runs_verdicts_and_what_is_stale(self) -> None:
        found = screen("overview")
        shown = [one.value for one in found.dataframe]
        assert shown[0]["version"].tolist() == ["v2", "v1"]
        assert shown[1]["run"].tolist()[0] == "experiment_003"
        assert "is better than base on token_f1" in told(found)
        assert "experiment_003 (v2) is better than experiment_002 (v1)" in told(found)
        assert "curate tag" in told(found)

    def test_the_overview_makes_no_whole_comparison(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from app.dashboard import comparing

        monkeypatch.setattr(comparing, "compare", None)
        assert "is better than base on token_f1" in told(screen("overview"))

    def test_curves_of_the_runs_that_a_link_names(self) -> None:
        found = screen("curves", runs="experiment_002")
        assert found.multiselect(key="runs").value == ["experiment_002"]
        assert set(found.dataframe[0].value["run"]) == {"experiment_002"}
        assert found.multiselect(key="runs").set_value([]).run().info
        assert screen("curves", runs="nowhere").multiselect(key="runs").value == ["experiment_003"]

    def test_a_comparison_has_verdict_metrics_benchmarks_data_and_flips(self) -> None:
        found = screen("compare_view", a="experiment_002", b="experiment_003")
        assert "experiment_003 (v2) is better than experiment_002 (v1) on token_f1" in told(found)
        table = next(one.value for one in found.dataframe if "verdict" in one.value.columns)
        assert {"decides", "benchmark", "metric", "slice"} <= set(table["role"])
        assert (table["low"] <= table["difference"]).all()
        assert (table["difference"] <= table["high"]).all()
        why = next(one.value for one in found.dataframe if "why" in one.value.columns)
        assert {"added", "removed"} <= set(why["change"])
        trades = next(one.value for one in found.dataframe if "elsewhere" in one.value.columns)
        assert set(trades["benchmark"]) == {"arc-easy"}
        flips = next(one.value for one in found.dataframe if "change" in one.value.columns and "item" in one.value)
        assert flips["change"].abs().is_monotonic_decreasing
        assert f"item {flips['item'][0]}" in told(found)
        assert "curate compare experiment_002 experiment_003" in told(found)

    def test_what_cannot_be_compared_says_why(self) -> None:
        found = screen("compare_view", suite="nowhere")
        assert "is better than" in told(found)
        found = screen("compare_view", b="experiment_003", a="experiment_003")
        assert found.selectbox(key="a").value != found.selectbox(key="b").value

    def test_errors_by_slice_and_over_runs(self) -> None:
        found = screen("errors_view", evaluation="experiment_003/eval-1")
        tables = [one.value for one in found.dataframe]
        slices = next(table for table in tables if "rest_hits" in table.columns)
        assert set(slices["field"]) >= {"topic"}
        trend = next(table for table in tables if {"run", "tag", "low"} <= set(table.columns))
        assert set(trend["run"]) >= {"experiment_002", "experiment_003"}
        assert (trend["low"] <= trend["share"]).all()
        found.selectbox(key="by").select("by people").run()
        sound(found)

    def test_a_link_leads_to_an_item(self) -> None:
        found = screen("errors_view", evaluation="experiment_003/eval-1")
        found.number_input(key="worst").set_value(7).run()
        item = sound(found).query_params["item"]
        item = item[0] if isinstance(item, list) else item
        again = screen("errors_view", evaluation="experiment_003/eval-1", item=item)
        assert again.number_input(key="worst").value == 7
        assert f"item {item}" in told(again)

    def test_the_playground_offers_trained_runs(self) -> None:
        found = screen("playground")
        assert found.selectbox(key="run").options == ["experiment_003", "experiment_002"]
        found.button(key="answer").click().run()  # what was typed last would come with this click
        assert "Write a prompt first." in told(found)


def test_one_run_alone_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation.workspace import init_workspace
    from tests.review_data import evaluation

    made = init_workspace(tmp_path / "w")
    evaluation(run_place(made).experiments, items=6)
    with dashboard_in(made.root, monkeypatch):
        assert "curate eval" in told(screen("compare_view"))
        found = told(screen("errors_view"))
        assert "curate autotag" in found
        assert "One run so far was asked these items" in found
        overview = told(screen("overview"))
        assert "curate build" in overview
        assert "No measurement of these runs is in the journal" in told(screen("curves"))


def test_one_runs_curves_are_told_apart_by_a_legend() -> None:
    import pandas as pd

    from reports.charts.training import curve

    table = pd.DataFrame(
        {"run": ["r1"] * 2, "metric": ["train_loss", "validation_loss"], "step": [1, 1], "value": [2.0, 2.5]}
    )
    drawn = curve(table).to_dict()["encoding"]
    assert "legend" not in drawn["color"]  # None hides that of the same field everywhere
    assert "legend" not in drawn["strokeDash"]


def test_an_output_shows_the_training_rows_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BAD", "GOOD"):
        monkeypatch.setattr(f"tests.tagged_run.{name}", f"raw/{name} export.jsonl")  # a space, for a shell to part
    build(tmp_path)
    made = evaluated(tmp_path, learned())
    made.write(
        "item_metrics",
        [{"item_id": row["item_id"], "metric": "exact_match", "value": 0.0} for row in made.predictions().to_pylist()],
    )
    with dashboard_in(tmp_path, monkeypatch):
        found = screen("errors_view", evaluation=made.name)
        assert not any("asks the same" in one.value.columns for one in found.dataframe)  # looked up when asked for
        found.toggle(key="behind").set_value(True).run()
        (rows,) = (one.value for one in sound(found).dataframe if "asks the same" in one.value.columns)
        assert rows["alike"].between(0, 1).all()
        assert f"curate why '{rows['row'][0]}' --version v1" in told(found)
