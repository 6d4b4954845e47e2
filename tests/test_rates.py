"""`curate rates`: rates, slices with a tag more often, and what changed from run to run beside a control."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.cli import main
from app.cli.render import LINES
from curation.errors import ConfigError, DataError
from curation.runs import run_place, write_run
from curation.store.journal import Journal
from curation.store.tags import OK, Draw, Tag, add_tags, new_id
from curation.workspace import Workspace
from eval.folder import EvalFolder, new_eval
from eval.review.changes import TagChange, tag_changes
from eval.taxonomy import DEFAULT, VERDICT
from tests.review_data import evaluation

Capture = pytest.CaptureFixture[str]
ITEMS = 60


@pytest.fixture
def runs(here: Workspace) -> list[EvalFolder]:
    found = [evaluation(run_place(here).experiments, items=ITEMS) for _ in range(2)]
    for folder in found:
        meta = [
            {"item_id": f"row{i}:1", "meta": json.dumps({"topic": "pins" if i % 3 else "ink"})} for i in range(ITEMS)
        ]
        folder.write("items", meta)
    return found


def say(
    journal: Journal,
    folder: EvalFolder,
    having: dict[str, set[int]],
    queue: str = "random",
    n: int = ITEMS,
    who: str = "ana",
) -> None:
    """Ana judges the first n items; the tags that each of them has."""
    rows = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()[:n]
    for number, prediction in enumerate(rows):
        names = [tag for tag, items in having.items() if number in items] or [OK]
        events = [Tag(new_id(), prediction, folder.of.name, t, taxonomy="v1", author=who) for t in names]
        draw = Draw(prediction, folder.of.name, who, queue, 0.1 if queue == "random" else None)
        add_tags(journal, events, [draw])


def changes(journal: Journal, runs: list[EvalFolder], **how: Any) -> dict[str, TagChange]:
    return {row.tag: row for row in tag_changes(journal, runs[0], runs[1], DEFAULT, **how)}


def test_a_tag_shrank_and_its_control_did_not(journal: Journal, runs: list[EvalFolder]) -> None:
    say(journal, runs[0], {"wrong fact": set(range(30)), "tone": set(range(20, 30))})
    say(journal, runs[1], {"wrong fact": set(range(5)), "tone": set(range(21, 31))}, n=50)
    found = changes(journal, runs, control="tone")
    wrong, tone = found["wrong fact"], found["tone"]
    assert list(found) == ["wrong fact", "tone"]  # the control comes last
    assert (wrong.n, wrong.before, wrong.after, wrong.lost, wrong.gained) == (50, 30, 5, 25, 0)
    assert wrong.p < 0.001
    assert wrong.low < -0.5 < wrong.high < 0
    assert wrong.beyond == pytest.approx(-0.5)
    assert wrong.beyond_high < 0
    assert (tone.control, tone.lost, tone.gained) == (True, 1, 1)
    assert tone.p == 1.0
    assert tone.beyond != tone.beyond


def test_a_milder_reviewer_moves_the_control_too(journal: Journal, runs: list[EvalFolder]) -> None:
    say(journal, runs[0], {"wrong fact": set(range(30)), "tone": set(range(25))})
    say(journal, runs[1], {"wrong fact": set(range(10)), "tone": set(range(5))})
    found = changes(journal, runs, control="tone")
    assert found["wrong fact"].p < 0.001
    assert found["wrong fact"].beyond == pytest.approx(0.0)
    assert found["tone"].p < 0.001


def test_wordings_of_one_question_are_no_further_proof(journal: Journal, runs: list[EvalFolder]) -> None:
    before, after = {"wrong fact": set(range(12))}, {"wrong fact": set[int]()}
    say(journal, runs[0], before)
    say(journal, runs[1], after)
    alone = changes(journal, runs)["wrong fact"]
    for folder in runs:
        rows = folder.predictions().to_pylist()
        folder.write("predictions", [{**row, "cluster": min(row["cluster"] // 12, 4)} for row in rows])
    together = changes(journal, runs)["wrong fact"]
    assert (alone.clusters, together.clusters) == (60, 5)
    assert alone.p < 0.001 < 0.2 < together.p


def test_outputs_that_a_queue_picked_by_looking_at_them_do_not_count(journal: Journal, runs: list[EvalFolder]) -> None:
    say(journal, runs[0], {"tone": {1}}, "flips")
    say(journal, runs[1], {"tone": {1}}, "flips")
    with pytest.raises(DataError, match="of 60 items judged by people under both none counts: a queue chose them"):
        changes(journal, runs)
    say(journal, runs[0], {"tone": {1}}, "unseen", n=9)
    say(journal, runs[1], {"tone": {1}}, "calibration", n=7)
    assert changes(journal, runs)["tone"].n == 7
    with pytest.raises(ConfigError, match='--control "tne": neither run has this tag; did you mean "tone"'):
        changes(journal, runs, control="tne")


def test_one_more_judge_under_one_run_moves_nothing(journal: Journal, runs: list[EvalFolder]) -> None:
    for folder in runs:
        say(journal, folder, {"tone": set(range(20))})
        say(journal, folder, {}, who="bea")
    assert changes(journal, runs)["tone"].after == 20  # one of two
    say(journal, runs[1], {}, who="eva")  # one of three would be too few
    row = changes(journal, runs)["tone"]
    assert (row.before, row.after, row.lost) == (20, 20, 0)


def test_rules_have_looked_at_all_items(journal: Journal, runs: list[EvalFolder]) -> None:
    for folder, count in zip(runs, (20, 4), strict=True):
        ids = folder.predictions(["prediction_id"])["prediction_id"].to_pylist()[:count]
        name = folder.of.name
        add_tags(
            journal, [Tag(new_id(), p, name, "cut off", author="rules", kind="rule", rule="cut off/2") for p in ids]
        )
    found = changes(journal, runs, by="rules")["cut off"]
    assert (found.n, found.before, found.after) == (60, 20, 4)


def test_the_command_says_it_in_fifteen_lines(
    here: Workspace, journal: Journal, runs: list[EvalFolder], capsys: Capture
) -> None:
    ink = {i for i in range(ITEMS) if i % 3 == 0}
    say(journal, runs[0], {"wrong fact": ink, "tone": {1, 2}})
    say(journal, runs[1], {"wrong fact": {0}, "tone": {1, 2}})

    def told(*words: str, code: int = 0) -> list[str]:
        capsys.readouterr()
        assert main(["-C", str(here.root), "rates", *words]) == code
        out, err = capsys.readouterr()
        return (err if code else out).splitlines()

    lines = told("1", "--slice", "topic")
    assert len(lines) <= LINES
    assert any(line.startswith("wrong fact") and "33 %" in line for line in lines)
    assert any("topic=ink: wrong fact in 20 of 20, elsewhere 0 of 40" in line for line in lines)
    assert "no slice has a tag surely more often" in "\n".join(told("2", "--slice", "topic"))
    lines = told("1", "2", "--control", "tone")
    assert "wrong fact shrank" in lines
    assert "the control tone did not surely move (p 1)" in lines
    data = json.loads(told("1", "2", "--control", "tone", "--json")[0])
    assert [row["tag"] for row in data["changes"]] == ["wrong fact", "tone"]
    assert data["changes"][1]["beyond"] is None
    assert "name a tag that the change should not touch" in "\n".join(told("1", "2"))
    assert "--control is for two" in told("1", "--control", "tone", code=2)[0]
    assert 'did you mean "rules"' in told("1", "--by", "rule", code=2)[0]
    assert told("1", "2", "--by", "rules", "--control", "tone", code=2)


def test_without_tags_it_says_what_to_do(here: Workspace, capsys: Capture) -> None:
    assert main(["-C", str(here.root), "rates"]) == 2
    assert "no evaluation yet; make one with curate eval" in capsys.readouterr().err
    evaluation(run_place(here).experiments)
    assert main(["-C", str(here.root), "rates"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: curate tag --as NAME · curate autotag"


def test_outputs_that_were_judged_are_found_beside_a_later_exam(
    here: Workspace, journal: Journal, runs: list[EvalFolder], capsys: Capture
) -> None:
    say(journal, runs[0], {"tone": set(range(6))})
    exam = new_eval(runs[0].of)
    write_run(exam.path, runs[0].run)
    rows = runs[0].predictions().to_pylist()
    exam.write("predictions", [{**row, "prediction_id": f"t{i}", "split": "test"} for i, row in enumerate(rows[:9])])
    given = [Tag(new_id(), "t1", runs[0].of.name, "bad form", taxonomy="v1", author="ana")]
    add_tags(journal, given, [Draw("t1", runs[0].of.name, "ana", "random", 0.1)])

    def told(*words: str) -> Any:
        assert main(["-C", str(here.root), "rates", "1", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    found = told()
    assert found["evaluation"] == runs[0].name
    assert [(row["tag"], row["hits"], row["n"]) for row in found["rates"]] == [("tone", 6, ITEMS)]
    found = told("--final")
    assert found["evaluation"] == exam.name
    assert [(row["tag"], row["hits"], row["n"]) for row in found["rates"]] == [("bad form", 1, 1)]
    for folder in runs[0].of.glob("eval-1"):
        (folder / "predictions.parquet").rename(here.root / "gone.parquet")
        (folder / "run.json").unlink()
    assert main(["-C", str(here.root), "rates", "1"]) == 2
    assert "holds outputs of the test split alone" in (said := capsys.readouterr().err)
    assert said.rstrip().endswith("or see those of test with --final")


def test_slices_speak_of_random_draws_alone(
    here: Workspace, journal: Journal, runs: list[EvalFolder], capsys: Capture
) -> None:
    """A queue that looks for what is wrong finds it where it looks: that makes no slice worse than the rest."""
    ink = {i for i in range(ITEMS) if i % 3 == 0}
    say(journal, runs[0], {"tone": ink}, "low confidence")
    words = ["-C", str(here.root), "rates", "1", "--slice", "topic"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "topic=ink" not in out
    assert "no random draw was judged; 60 other outputs were judged, and are counted alone" in out
    assert "nan" not in out
    say(journal, runs[0], {"tone": ink}, who="bea")
    assert main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["draws"] == {"judged": ITEMS, "skipped": 0, "elsewhere": 0}
    first = data["slices"][0]
    assert (first["value"], first["hits"], first["n"], first["high"]) == ("ink", 20, 20, 1.0)
    assert 0.8 < first["low"] < 0.9


def test_a_verdict_without_a_random_draw_has_no_mean(
    here: Workspace, journal: Journal, runs: list[EvalFolder], capsys: Capture
) -> None:
    prediction = runs[0].predictions(["prediction_id"])["prediction_id"][0].as_py()
    add_tags(journal, [Tag(new_id(), prediction, runs[0].of.name, VERDICT, "wrong", "v1", "ana")])
    assert main(["-C", str(here.root), "rates", "1"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("verdict"))
    assert row.split() == ["verdict", "mean", "-", *["no", "random", "draw", "was", "judged"], "0", "1"]


@pytest.mark.parametrize("by", ["people", "rules"])
def test_runs_of_which_one_was_asked_test_alone_say_how_they_are_compared(
    by: Any, here: Workspace, journal: Journal
) -> None:
    one = evaluation(run_place(here).experiments, items=4)
    two = evaluation(run_place(here).experiments, items=4, split="test")
    with pytest.raises(DataError, match=r"experiment_002/eval-1 holds outputs of the test split alone; .* --final"):
        tag_changes(journal, one, two, DEFAULT, by)
