"""A queue with nothing to show says why: one that was empty from the first is not taken for one judged to the end."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from curation.runs import run_place
from curation.store.journal import open_journal
from curation.workspace import Workspace, init_workspace
from eval.folder import EvalFolder
from eval.review.flips import flips
from eval.suite import MetricChoice, Primary, Suite
from reports.tables.training import runs
from reports.todo import todo
from tests.review_data import evaluation

Seen = Callable[..., str]


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "w")


@pytest.fixture
def seen(here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Seen:
    """What the terminal shows for these words and lines."""

    def told(*words: str, lines: str = "q\n") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        assert main(["-C", str(here.root), "tag", *words, "--as", "ana"]) == 0
        return capsys.readouterr().err

    return told


def measured(here: Workspace, metric: str, values: list[float], **more: list[float]) -> EvalFolder:
    folder = evaluation(run_place(here).experiments, items=len(values), metrics={metric: values, **more})
    folder.write_suite(Suite(metrics=(MetricChoice(metric),), primary=Primary(metric)))
    return folder


def test_flips_go_by_exact_match_where_it_tells_and_by_the_primary_metric_where_not(here: Workspace) -> None:
    exact = [measured(here, "exact_match", values) for values in ([1.0, 0.0, 1.0], [1.0, 1.0, 1.0])]
    assert (set(flips(exact).items), flips(exact).metric) == ({"row1:1"}, "exact_match")
    graded = [measured(here, "token_f1", values) for values in ([0.9, 0.2, 0.4], [0.8, 0.7, 0.3])]
    assert (set(flips(graded).items), flips(graded).metric) == ({"row1:1"}, "token_f1")
    long = [
        measured(here, "token_f1", values, exact_match=[0.0, 0.0]) for values in ([0.9, 0.2], [0.1, 0.3])
    ]  # answers too long to be the same word by word
    assert (set(flips(long).items), flips(long).metric) == ({"row0:1"}, "token_f1")


def test_without_flips_it_says_why(here: Workspace, seen: Seen) -> None:
    one = measured(here, "token_f1", [0.9, 0.2])
    assert "flips are between two runs; name both" in seen("1", "--queue", "flips")
    same = measured(here, "token_f1", [0.8, 0.1])
    assert "by token_f1 from 0.5 on" in flips([one, same]).why
    assert "right in one of these runs and wrong in another" in seen("1", "2", "--queue", "flips")
    unbounded = [measured(here, "perplexity", [12.0, 3.0]) for _ in range(2)]
    assert "perplexity knows no right and wrong" in flips(unbounded).why
    other = measured(here, "exact_match", [1.0, 0.0])
    assert "no two of these evaluations measured the same metric" in flips([one, other]).why


def test_each_queue_says_why_it_is_empty(here: Workspace, seen: Seen) -> None:
    folder = evaluation(run_place(here).experiments, items=4)
    assert "two people said different things" in seen("--queue", "disagreement")
    assert 'no item here has a field "topic"' in seen("--queue", "slice", "--slice", "topic=pins")
    folder.write("items", [{"item_id": f"row{i}:1", "meta": json.dumps({"topic": f"t{i % 2}"})} for i in range(4)])
    assert "no item here has topic=pins; its values: t0 (2), t1 (2)" in seen(
        "--queue", "slice", "--slice", "topic=pins"
    )
    rows = [{**row, "logprob_mean": None} for row in folder.predictions().to_pylist()]
    folder.write("predictions", rows)
    assert "has the probabilities of its tokens" in seen("--queue", "low confidence")
    assert "4 were skipped" in seen(lines="s\n" * 4)
    assert "you have judged all that is in the queue unseen" in seen(lines="o\n" * 4)


def test_the_page_says_it_too(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("streamlit")
    from tests.dashboard_screens import dashboard_in, screen, sound, told

    evaluation(run_place(here).experiments, items=4)
    with dashboard_in(here.root, monkeypatch):
        found = screen("review", **{"as": "ana"})
        found.selectbox(key="queue").select("disagreement").run()
        assert "two people said different things" in told(sound(found))


def test_what_nobody_saw_is_told_also_where_no_metric_says_what_is_wrong(here: Workspace) -> None:
    place = run_place(here)
    open_journal(place.journal).close()

    def said(folder: EvalFolder) -> list[str]:
        return [one.what for one in todo(["v1"], runs(place), [folder], place.journal) if "seen by nobody" in one.what]

    assert said(measured(here, "exact_match", [1.0, 0.0, 0.0])) == [
        "2 wrong outputs of experiment_001/eval-1 were seen by nobody"
    ]
    assert said(measured(here, "token_f1", [0.1, 0.9])) == ["2 outputs of experiment_002/eval-1 were seen by nobody"]
