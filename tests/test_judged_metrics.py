"""Verdicts and rubrics by people are metrics of a comparison and of a report, with the outputs they are of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import Draw, Tag, add_tags, new_id
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.review.people import FINAL
from eval.review.scores import estimates, scores
from eval.taxonomy import DEFAULT
from tests.compared import built, right_at, run_of, sit

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports
Capture = pytest.CaptureFixture[str]
HELP = DEFAULT.rubrics["helpfulness"].levels


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Workspace, Sequence[EvalFolder]]:
    made = built(tmp_path / "work", rows=120, split={"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}})
    folders = [run_of(made), run_of(made, seed=2)]
    return made, [sit(made, folder, right_at(0.5, folder.name)) for folder in folders]


def said(made: Workspace, folder: EvalFolder, values: Sequence[str], queue: str = "unseen", tag: str = "verdict",
         author: str = "ana") -> list[str]:  # fmt: skip
    """The author gives the first outputs these verdicts; the predictions."""
    ids: list[str] = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()[: len(values)]
    with open_journal(run_place(made).journal) as journal:
        for prediction, value in zip(ids, values, strict=True):
            event = Tag(new_id(), prediction, folder.of.name, tag, value, taxonomy="v1", author=author)
            probability = 0.1 if queue == "random" else None
            add_tags(journal, [event], [Draw(prediction, folder.of.name, author, queue, probability)])
    return ids


def compared(made: Workspace, capsys: Capture) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["-C", str(made.root), "compare", "1", "2", "--alone", "--stored", "--json"]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["secondary"]}


def test_a_verdict_is_compared_on_the_items_that_both_have_judged(
    sides: tuple[Workspace, Sequence[EvalFolder]], capsys: Capture
) -> None:
    made, (one, two) = sides
    assert "verdict (people)" not in compared(made, capsys)
    said(made, one, ["wrong", "wrong", "partly", "correct", "cannot judge", *["wrong"] * 7])
    said(made, two, ["correct", "partly", "partly", "correct", "correct", *["correct"] * 5])
    found = compared(made, capsys)["verdict (people)"]
    assert found["n"] == 9  # one could not be judged, two were judged under one run alone
    assert (found["value_a"], found["value_b"]) == (1.5 / 9, 8 / 9)
    assert found["diff"] == pytest.approx(6.5 / 9)
    assert found["low"] < found["diff"] < found["high"]
    assert found["p_adjusted"] >= found["p"]
    assert main(["-C", str(made.root), "compare", "1", "2", "--alone", "--stored", "--full"]) == 0
    assert "verdict (people)" in capsys.readouterr().out


def test_one_more_judge_under_one_run_is_no_difference(
    sides: tuple[Workspace, Sequence[EvalFolder]], capsys: Capture
) -> None:
    made, (one, two) = sides
    for folder in sides[1]:
        said(made, folder, ["correct", "wrong"] * 4)
    said(made, two, ["wrong"] * 8, author="bea")
    found = compared(made, capsys)["verdict (people)"]
    assert (found["n"], found["value_a"], found["diff"]) == (8, 0.5, 0.0)
    said(made, one, [*["wrong"] * 8, "correct"], author="bea")
    said(made, two, [*["wrong"] * 8, "wrong"], author="eva")  # of an item that nobody judged under both, whoever did
    found = compared(made, capsys)["verdict (people)"]
    assert (found["n"], found["value_a"], found["value_b"]) == (9, 3 / 9, 2 / 9)


def test_what_was_decided_of_an_output_counts_in_its_pair_and_not_what_its_judges_said(
    sides: tuple[Workspace, Sequence[EvalFolder]], capsys: Capture
) -> None:
    made, (one, two) = sides
    said(made, one, ["wrong"] * 4)
    ids = said(made, two, ["wrong"] * 4)
    event = Tag(new_id(), ids[0], two.of.name, "verdict", "correct", taxonomy="v1", author="eva", kind=FINAL)
    with open_journal(run_place(made).journal) as journal:
        add_tags(journal, [event])
    found = compared(made, capsys)["verdict (people)"]
    assert (found["n"], found["value_a"], found["value_b"]) == (4, 0.0, 1 / 4)


def test_what_a_queue_picked_by_its_output_counts_in_no_comparison(
    sides: tuple[Workspace, Sequence[EvalFolder]], capsys: Capture
) -> None:
    made, (one, two) = sides
    for folder, value in ((one, "wrong"), (two, "correct")):
        said(made, folder, [value] * 8, "flips")
    assert "verdict (people)" not in compared(made, capsys)
    main(["-C", str(made.root), "compare", "1", "2", "--alone", "--stored", "--json"])
    (note,) = [n for n in json.loads(capsys.readouterr().out)["notes"] if n.startswith("people: ")]
    assert note.startswith("people: 16 judged outputs were found by queues that look at outputs")


def test_rubrics_go_by_their_order_judges_are_averaged_and_decisions_hold(
    sides: tuple[Workspace, Sequence[EvalFolder]],
) -> None:
    made, (one, _) = sides
    ids = said(made, one, [HELP[0], HELP[1], HELP[3]], tag="helpfulness")
    said(made, one, [HELP[3]], tag="helpfulness", author="bea")
    with open_journal(run_place(made).journal) as journal:
        found = scores(journal, DEFAULT).values["helpfulness"]
        assert [found[i] for i in ids] == pytest.approx([0.5, 1 / 3, 1.0])
        final = Tag(new_id(), ids[0], one.of.name, "helpfulness", HELP[0], "v1", "eva", FINAL)
        add_tags(journal, [final])
        assert scores(journal, DEFAULT).values["helpfulness"][ids[0]] == 0.0


def test_a_run_has_an_interval_from_random_draws_alone(sides: tuple[Workspace, Sequence[EvalFolder]]) -> None:
    made, (one, _) = sides
    ids = said(made, one, ["wrong", "correct", "partly", "correct"] * 3, "random")
    assert len(ids) == 12
    others = [("low confidence", ["wrong"] * 20)]
    for queue, values in others:
        said(made, one, values, queue, author="bea")
    with open_journal(run_place(made).journal) as journal:
        ((found, counted),) = estimates(journal, DEFAULT, one.of.name)
    assert (found.n, counted) == (12, 20)
    assert 0 <= found.low < found.value < found.high <= 1


def test_a_report_shows_them(sides: tuple[Workspace, Sequence[EvalFolder]]) -> None:
    pytest.importorskip("altair")
    from reports.document import Table
    from reports.sections.errors import tags
    from reports.sections.metrics import compared as section
    from reports.sections.subject import subject

    made, (one, two) = sides
    said(made, one, ["wrong"] * 8, "random")
    said(made, two, ["correct", "wrong"] * 4, "random")
    of = subject(made, made.root, ["1", "2"])
    tables = [block for block in tags(of) if isinstance(block, Table)]
    assert [table.rows[0][0] for table in tables if table.caption.startswith("Verdict and rubrics")] == ["verdict"]
    (metrics, *_) = [block for block in section(of) if isinstance(block, Table)]
    (row,) = [row for row in metrics.rows if row[0] == "verdict (people)"]
    assert "8" in row


def test_the_dashboard_shows_what_was_judged_since(
    sides: tuple[Workspace, Sequence[EvalFolder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("streamlit")
    from tests.dashboard_screens import dashboard_in, screen

    def metrics() -> list[str]:
        found = screen("compare_view", a="experiment_001", b="experiment_002")
        table = next(one.value for one in found.dataframe if "verdict" in one.value.columns)
        return [str(name) for name in table["what"]]

    made, (one, two) = sides
    with dashboard_in(made.root, monkeypatch):
        assert "verdict (people)" not in metrics()
        said(made, one, ["wrong"] * 8)
        said(made, two, ["correct"] * 8)
        assert "verdict (people)" in metrics()


def test_auroc_goes_by_people_where_they_judged_both_sides_and_by_a_metric_where_not(
    tmp_path: Path, capsys: Capture
) -> None:
    made = built(tmp_path / "work", rows=120, split={"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}})
    suite = {"metrics": ["token_f1", "exact_match", "auroc"], "primary": {"metric": "token_f1"}, "benchmarks": []}
    folders = [run_of(made), run_of(made, seed=2)]
    one, two = (sit(made, folder, right_at(0.5, folder.name), suite=suite) for folder in folders)
    for folder in (one, two):
        lines = folder.predictions().to_pylist()
        folder.write("predictions", [{**line, "logprob_mean": -1.0 - i % 3} for i, line in enumerate(lines)])
    by_metric = compared(made, capsys)["auroc"]
    assert (
        by_metric["signature"].endswith("|right:exact_match|normalise:squad") or "people" not in by_metric["signature"]
    )
    said(made, one, ["correct", "wrong"] * 6)
    assert compared(made, capsys)["auroc"] == by_metric
    main(["-C", str(made.root), "compare", "1", "2", "--alone", "--stored", "--json"])
    assert any(
        note.startswith("auroc: goes by a metric, for people judged outputs of experiment_001 and no item's of all")
        for note in json.loads(capsys.readouterr().out)["notes"]
    )
    said(made, two, ["correct"] * 4 + ["wrong"] * 4)
    by_people = compared(made, capsys)["auroc"]
    assert by_people["signature"].endswith("|right:people")
    assert (by_people["n"], by_people["left_out"]) == (8, by_metric["n"] - 8)

    def area(right: list[int]) -> float:
        sure = [-1.0 - i % 3 for i in range(8)]
        pairs = [(a, b) for a in range(8) for b in range(8) if right[a] > right[b]]
        return sum((sure[a] > sure[b]) + (sure[a] == sure[b]) / 2 for a, b in pairs) / len(pairs)

    assert by_people["value_a"] == pytest.approx(area([1, 0] * 4))
    assert by_people["value_b"] == pytest.approx(area([1] * 4 + [0] * 4))
