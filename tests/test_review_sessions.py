"""Several sessions of one person: a judgement holds once, what is taken back comes again, nothing of it vanishes."""

from __future__ import annotations

import io
import json

import pytest

from app.cli import main
from curation.errors import ConfigError, StoreBusyError
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import OK, JudgedBeforeError, Tag, add_tags, draws, new_id, tags
from curation.workspace import Workspace
from eval.review import session
from eval.review.frame import Frame, review_frame
from eval.review.judgement import Judgement
from eval.review.people import people
from eval.review.queues import RANDOM, QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT
from tests.review_data import evaluation


def review(frame: Frame, journal: Journal, author: str = "ana", **settings: int) -> Review:
    return Review(frame, journal, DEFAULT, author, QueueSettings(**settings))  # type: ignore[arg-type]


def test_of_two_sessions_under_one_name_the_first_word_holds(frame: Frame, journal: Journal) -> None:
    one, two = review(frame, journal), review(frame, journal)
    shown = one.ahead(2)
    assert two.ahead(2) == shown
    one.judge(Judgement(shown[0].prediction_id, ("tone",)))
    with pytest.raises(ConfigError, match="was judged by ana meanwhile, in another session"):
        two.judge(Judgement(shown[0].prediction_id))
    assert people(journal, DEFAULT).given == {shown[0].prediction_id: {"ana": {"tone"}}}
    assert len(draws(journal)) == 1
    assert two.ahead(1)[0] == shown[1]  # the other session goes on with what is left
    two.judge(Judgement(shown[1].prediction_id))
    bea = review(frame, journal, "bea")
    assert bea.judge(Judgement(bea.ahead(1)[0].prediction_id))  # another person's word is no second one


def test_the_store_itself_refuses_a_second_word_and_takes_one_after_an_undo(journal: Journal) -> None:
    first = Tag(new_id(), "p", "r", "tone", author="ana")
    add_tags(journal, [first], once=True)
    add_tags(journal, [first], once=True)  # sent again
    with pytest.raises(JudgedBeforeError):
        add_tags(journal, [Tag(new_id(), "p", "r", OK, author="ana")], once=True)
    add_tags(journal, [Tag(new_id(), "p", "r", "tone", author="ana", undoes=first.id)])
    add_tags(journal, [Tag(new_id(), "p", "r", OK, author="ana")], once=True)
    assert [tag.tag for tag in tags(journal)] == [OK]


@pytest.mark.parametrize("one_in", [0, 1])
def test_what_was_taken_back_comes_again_in_the_next_session(frame: Frame, journal: Journal, one_in: int) -> None:
    one = review(frame, journal, one_in=one_in)
    first = one.ahead(1)[0]
    one.judge(Judgement(first.prediction_id, ("tone",)))
    one.undo()
    again = review(frame, journal, one_in=one_in)
    assert again.done == 0
    assert again.ahead(1)[0] == first
    again.judge(Judgement(first.prediction_id))
    if one_in:
        assert {(d.prediction_id, d.queue) for d in draws(journal)} == {(first.prediction_id, RANDOM)}


def test_an_undo_that_could_not_be_stored_can_be_said_again(
    frame: Frame, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = review(frame, journal)
    first = one.ahead(1)[0]
    one.judge(Judgement(first.prediction_id, ("tone",)))

    def busy(*_: object) -> int:
        raise StoreBusyError("another process is writing to it")

    with monkeypatch.context() as patched:
        patched.setattr(session, "add_tags", busy)
        with pytest.raises(StoreBusyError):
            one.undo()
    assert [tag.tag for tag in tags(journal)] == ["tone"]
    assert one.undo() == first
    assert tags(journal) == []


def test_done_counts_the_outputs_under_review_alone(here: Workspace, frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    for shown in one.ahead(10):
        one.judge(Judgement(shown.prediction_id))
    other = review_frame([evaluation(run_place(here).experiments, lambda i: f"else {i}", items=4)])
    assert (review(other, journal).done, review(frame, journal).done) == (0, 10)


def test_a_note_that_is_not_utf8_is_refused_and_the_next_line_is_taken(
    here: Workspace, frame: Frame, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = review(frame, journal)
    with pytest.raises(ConfigError, match="the note is not UTF-8"):
        one.judge(Judgement(one.ahead(1)[0].prediction_id, note="a\udcffb"))
    raw = io.TextIOWrapper(io.BytesIO(b"n \xff\xfe\nf n gr\xc3\xbcn\nq\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", raw)
    assert main(["-C", str(here.root), "tag", "--as", "bea", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["judged"] == 1
    assert "that line is not UTF-8" in told.err
    assert [(t.tag, t.note) for t in tags(journal)] == [("wrong fact", ""), ("note", "gr\u00fcn")]


class _Stopped(io.StringIO):
    """A terminal at which somebody presses Ctrl-C after the last line."""

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        if line := super().readline(-1):
            return line
        raise KeyboardInterrupt


def test_ctrl_c_ends_a_session_and_says_that_what_was_judged_is_kept(
    here: Workspace, frame: Frame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", _Stopped("1\n3f\n"))
    assert main(["-C", str(here.root), "tag", "--as", "otto"]) == 130
    assert capsys.readouterr().err.endswith("curate tag: interrupted; what was judged before is kept\n")
    with open_journal(run_place(here).journal) as journal:
        assert len({tag.prediction_id for tag in tags(journal) if tag.author == "otto"}) == 2
