"""A person's review: blind, durable, undone by events, the same in the terminal."""

from __future__ import annotations

import io
import json

import pytest

from app.cli import main
from app.cli.tag_lines import judgement
from curation.errors import ConfigError
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import OK, draws, tags
from curation.workspace import Workspace
from eval.review.frame import Frame, review_frame
from eval.review.judgement import Judgement
from eval.review.queues import RANDOM, REPEAT, QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT, VERDICT
from reports.tables.tags import agreements, pairs, steadiness, tag_rates
from tests.review_data import evaluation


@pytest.fixture
def frame(here: Workspace) -> Frame:
    experiments = run_place(here).experiments
    return review_frame([evaluation(experiments), evaluation(experiments, lambda i: f"answer {i % 15}")])


def review(frame: Frame, journal: Journal, author: str = "ana", **settings: int) -> Review:
    return Review(frame, journal, DEFAULT, author, QueueSettings(**settings))  # type: ignore[arg-type]


def test_what_is_shown_says_nothing_of_the_run(frame: Frame, journal: Journal) -> None:
    shown = review(frame, journal).ahead(60)
    assert len(shown) == 60
    assert all("experiment" not in str(one) for one in shown)
    assert shown[0].messages[0]["content"].startswith("question ")


def test_a_judgement_is_stored_with_its_draw_and_not_asked_again(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal, one_in=2)
    first, second = one.ahead(2)
    one.judge(Judgement(first.prediction_id, ("wrong fact",), "wrong", "said 3", event="e1"))
    one.judge(Judgement(first.prediction_id, ("wrong fact",), "wrong", "said 3", event="e1"))  # sent twice
    one.judge(Judgement(second.prediction_id, event="e2"))
    assert {(t.tag, t.value) for t in tags(journal)} == {("wrong fact", ""), (VERDICT, "wrong"), ("note", ""), (OK, "")}
    assert [(d.prediction_id, d.queue) for d in draws(journal)] == [
        (first.prediction_id, "unseen"),
        (second.prediction_id, RANDOM),
    ]
    again = review(frame, journal, one_in=2, repeat_one_in=0)
    assert not {first.prediction_id, second.prediction_id} & {s.prediction_id for s in again.ahead(100)}
    assert again.done == 2


def test_a_prediction_that_was_not_shown_cannot_be_tagged(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    shown = {s.prediction_id for s in one.ahead(5)}
    other = next(p for p in frame.at if p not in shown)
    with pytest.raises(ConfigError, match="was not shown to ana"):
        one.judge(Judgement(other))
    with pytest.raises(ConfigError, match="is not a tag"):
        one.judge(Judgement(next(iter(shown)), ("nonsense",)))
    assert tags(journal) == []


def test_undo_takes_back_and_shows_again(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    first = one.ahead(1)[0]
    one.judge(Judgement(first.prediction_id, ("tone",)))
    assert one.undo() == first
    assert tags(journal) == []
    assert one.ahead(1)[0] == first
    one.judge(Judgement(first.prediction_id))
    assert [t.tag for t in tags(journal)] == [OK]
    assert one.undo() is not None
    assert one.undo() is None


def test_items_of_test_are_left_out_unless_asked_for(here: Workspace) -> None:
    folder = evaluation(run_place(here).experiments, split="test")
    assert len(review_frame([folder])) == 0
    assert len(review_frame([folder], test_too=True)) == 30
    with pytest.raises(ConfigError, match="no evaluation to review"):
        review_frame([])


def test_a_random_draw_that_was_judged_before_counts_without_being_shown_again(frame: Frame, journal: Journal) -> None:
    first = review(frame, journal, one_in=0, repeat_one_in=0)
    for shown in first.ahead(40):
        first.judge(Judgement(shown.prediction_id))
    second = review(frame, journal, one_in=1, repeat_one_in=0)
    left = {s.prediction_id for s in second.ahead(60)}
    assert len(left) == 20
    assert len([d for d in draws(journal) if d.queue == RANDOM]) > 0
    found = tag_rates(journal, "experiment_001", list(frame.at), DEFAULT)
    assert found.empty  # only OK was said


def test_who_works_alone_sees_some_again_and_is_measured(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal, repeat_one_in=5, one_in=0)
    for _ in range(60):
        shown = one.ahead(1)
        if shown:
            one.judge(Judgement(shown[0].prediction_id, ("tone",) if int(shown[0].item_id[3:-2]) % 2 else ()))
    assert any(d.queue == REPEAT for d in draws(journal))
    (row,) = steadiness(journal, DEFAULT).to_dict("records")
    assert row["author"] == "ana"
    assert row["same"] == 1.0
    assert agreements(journal, DEFAULT).empty  # one person agrees with nobody


def test_a_tenth_comes_again_by_itself_while_nobody_else_judges(frame: Frame, journal: Journal) -> None:
    def repeats(author: str) -> int:
        one = review(frame, journal, author, one_in=0)
        for _ in range(50):
            one.judge(Judgement(one.ahead(1)[0].prediction_id))
        return sum(d.queue == REPEAT for d in draws(journal, author))

    assert 2 <= repeats("ana") <= 5
    assert repeats("bea") == 0


def test_the_slice_queue_shows_the_slice(here: Workspace) -> None:
    folder = evaluation(run_place(here).experiments)
    folder.write("items", [{"item_id": f"row{i}:1", "meta": f'{{"topic": {{"name": "t{i % 3}"}}}}'} for i in range(30)])
    found = review_frame([folder], fields=["topic.name"])
    settings = QueueSettings("slice", one_in=0, slice=("topic.name", "t1"))
    with open_journal(run_place(here).journal) as journal:
        one = Review(found, journal, DEFAULT, "ana", settings)
        assert {int(s.item_id[3:-2]) % 3 for s in one.ahead(99)} == {1}
        assert len(one.ahead(99)) == 10


def test_two_people_agree_where_they_say_the_same(frame: Frame, journal: Journal) -> None:
    for author in ("ana", "bea"):
        one = review(frame, journal, author, calibration=20, one_in=0)
        for shown in one.ahead(20):
            number = int(shown.item_id[3:-2])
            one.judge(
                Judgement(
                    shown.prediction_id, ("tone",) if number % 3 == 0 or (author == "bea" and number % 7 == 0) else ()
                )
            )
    assert pairs(journal, DEFAULT)["items"].tolist() == [20]
    found = agreements(journal, DEFAULT)
    assert set(found["tag"]) == {"tone"}
    assert 0 < found.loc[found["coefficient"] == "alpha_nominal", "value"].item() < 1


def test_a_line_of_keys_is_a_judgement() -> None:
    keys = DEFAULT
    assert judgement("p", "hh3", keys) == Judgement("p", verdict="wrong", rubrics=(("helpfulness", "a little"),))
    assert judgement("p", "f3 n said 15", keys) == Judgement("p", ("wrong fact",), "wrong", "said 15")
    assert judgement("p", "o", keys) == Judgement("p")
    assert judgement("p", "n only a note", keys) == Judgement("p", note="only a note")
    for line in ("z", "", "13", "of", "hhhhh"):
        with pytest.raises(ConfigError):
            judgement("p", line, keys)


def test_the_terminal_does_the_whole_job(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation(run_place(here).experiments, lambda i: "\x1b[31mred\u202e" if i == 0 else f"answer {i}")
    monkeypatch.setattr("sys.stdin", io.StringIO("o\nf3 n wrong number\nz\nu\no\nq\n"))
    assert main(["-C", str(here.root), "tag", "--as", "ana", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"judged": 2, "skipped": 0, "done": 2, "of": 30}
    assert "\x1b[31m" not in told.err
    assert '"z" is no key here' in told.err
    progress = [line for line in told.err.splitlines() if line.endswith(" of 30 judged")]
    assert [int(line.split()[0]) for line in progress] == [0, 1, 2, 1, 2]
    with open_journal(run_place(here).journal) as journal:
        assert [t.tag for t in tags(journal)] == [OK, OK]
    assert main(["-C", str(here.root), "tag", "--queue", "flip"]) == 2
    assert 'did you mean "flips"' in capsys.readouterr().err


def test_without_an_evaluation_it_says_what_to_do(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(here.root), "tag"]) == 2
    assert "no evaluation yet; make one with curate eval" in capsys.readouterr().err


def test_an_exam_on_test_is_passed_over_and_where_there_is_no_other_it_says_so(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = run_place(here).experiments
    evaluation(experiments, items=3, split="test")
    command = ["-C", str(here.root), "tag", "--as", "ana"]
    assert main(command) == 2
    assert "outputs of the test split alone" in capsys.readouterr().err
    assert main([*command, "1", "1", "--pairs"]) == 2
    assert "share no item outside the test split" in capsys.readouterr().err
    evaluation(experiments, items=4)
    evaluation(experiments, items=5, split="test")
    for words, of in (([], 4), (["--final"], 5)):
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        assert main([*command, *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["of"] == of
