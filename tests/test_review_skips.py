"""What a person skips: on record with its draw, in no rate, before them again, and said where it is much."""

from __future__ import annotations

import io
import json

import pytest

from app.cli import main
from curation.errors import ConfigError
from curation.store.journal import Journal
from curation.store.tags import SKIPPED, Draw, draws, events_of_run, tags
from curation.workspace import Workspace
from eval.review.frame import Frame
from eval.review.judgement import Judgement
from eval.review.people import people
from eval.review.queues import RANDOM, REPEAT, QueueSettings
from eval.review.rates import Drawn, what_became_of
from eval.review.session import Review
from eval.taxonomy import DEFAULT
from reports.tables.tags import random_draws
from tests.dashboard_screens import dashboard_in, screen, told

Capture = pytest.CaptureFixture[str]
RUN = "experiment_001"


def review(frame: Frame, journal: Journal, author: str = "ana", one_in: int = 1, repeat_one_in: int = 0) -> Review:
    return Review(frame, journal, DEFAULT, author, QueueSettings(one_in=one_in, repeat_one_in=repeat_one_in))


def skipped(journal: Journal) -> list[str]:
    return [tag.prediction_id for tag in tags(journal, kinds=("skip",))]


def test_a_skipped_draw_is_on_record_and_in_no_rate(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    first, second, third = one.ahead(3)
    one.skip(first.prediction_id, "key 1")
    one.skip(first.prediction_id, "key 1")  # sent twice
    one.judge(Judgement(second.prediction_id))
    assert skipped(journal) == [first.prediction_id]
    assert [(d.prediction_id, d.queue) for d in draws(journal)] == [
        (first.prediction_id, RANDOM),
        (second.prediction_id, RANDOM),
    ]
    assert random_draws(journal, RUN, DEFAULT) == Drawn(1, 1, 0)
    assert (one.done, one.skipped, one.ahead(1)[0]) == (1, 1, third)
    assert first.prediction_id not in people(journal, DEFAULT).given  # skipped is not seen and clean
    with pytest.raises(ConfigError, match="was not shown to ana"):
        one.skip(second.prediction_id, "key 3")


def test_it_comes_again_in_the_next_session_and_may_be_drawn_for_another(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    first = one.ahead(1)[0]
    one.skip(first.prediction_id)
    assert first not in one.ahead(99)
    assert review(frame, journal, "bea").ahead(1)[0] == first
    again = review(frame, journal)
    assert again.ahead(1)[0] == first
    again.judge(Judgement(first.prediction_id))
    assert random_draws(journal, RUN, DEFAULT) == Drawn(1, 0, 0)
    assert first not in review(frame, journal, "bea").ahead(1)


def test_a_skip_is_taken_back_by_one_more_event(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal)
    first = one.ahead(1)[0]
    one.skip(first.prediction_id)
    assert one.undo() == first
    assert one.ahead(1)[0] == first
    assert (one.skipped, skipped(journal)) == (0, [])
    assert [(e.tag, bool(e.undoes)) for e in events_of_run(journal, RUN, "skip")] == [(SKIPPED, False), (SKIPPED, True)]


def test_what_was_skipped_is_neither_drawn_anew_nor_shown_as_a_second_look(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal, one_in=2, repeat_one_in=3)
    seen: list[str] = []
    while ahead := one.ahead(1):
        seen.append(ahead[0].prediction_id)
        if len(seen) % 2:
            one.skip(seen[-1])
        else:
            one.judge(Judgement(seen[-1]))
    assert one.nothing_left() == f"{one.skipped:,} were skipped, and come again in the next session"
    at_random = [draw.prediction_id for draw in draws(journal) if draw.queue == RANDOM]
    again = {draw.prediction_id for draw in draws(journal) if draw.queue == REPEAT}
    assert len(set(at_random)) == len(at_random) > len(frame) / 2
    assert again <= set(people(journal, DEFAULT).given)
    assert all(seen.count(prediction) == 1 + (prediction in again) for prediction in seen)


def test_words_say_when_more_than_a_tenth_was_skipped() -> None:
    def told(judged: int, skipped: int, elsewhere: int = 0) -> str:
        drawn = [Draw(f"p{i}", "r", "ana", RANDOM, 0.01) for i in range(judged + skipped)]
        given = [f"p{i}" for i in range(judged)] + [f"q{i}" for i in range(elsewhere)]
        return what_became_of([*drawn, Draw("q0", "r", "ana", "flips")], given).told

    assert told(0, 0) == ""
    assert told(9, 0) == "rates by people: of 9 random draws"
    assert told(9, 1) == (
        "rates by people: of 9 random draws; 1 of 10 draws were skipped or taken back, and are in no rate"
    )
    assert told(8, 1, 3) == (
        "rates by people: of 8 random draws; 3 other outputs were judged, and are counted alone; 1 of 9 draws were "
        "skipped or taken back, and are in no rate: more than a tenth, so the rates speak of what people chose to judge"
    )
    assert told(0, 0, 2).startswith("no random draw was judged; 2 other outputs")


def test_the_terminal_skips_takes_back_and_rates_say_so(
    here: Workspace, frame: Frame, journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s\nu\no\ns\no\nq\n"))
    assert main(["-C", str(here.root), "tag", "--as", "ana", "--one-in", "1"]) == 0
    told = capsys.readouterr()
    assert "taken back" in told.err
    assert told.out.startswith("2 judged now, 2 of 30 in all; 1 skipped, to come again")
    assert main(["-C", str(here.root), "rates", "1"]) == 0
    out = capsys.readouterr().out
    assert "nobody gave a tag" in out  # all that was judged is OK, which is not the same as unseen
    assert "of 2 random draws; 1 of 3 draws were skipped or taken back" in out
    assert main(["-C", str(here.root), "rates", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["draws"] == {"judged": 2, "skipped": 1, "elsewhere": 0}


def test_a_random_draw_at_which_somebody_stopped_comes_first_next_time(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal, one_in=5)
    for _ in range(4):
        one.judge(Judgement(one.ahead(1)[0].prediction_id))
    for _ in range(2):
        one.undo()
    for _ in range(2):
        one.judge(Judgement(one.ahead(1)[0].prediction_id))
    (stopped_at,) = one.ahead(1)
    again = review(frame, journal, one_in=5)
    assert again.ahead(1) == [stopped_at]
    again.judge(Judgement(stopped_at.prediction_id))
    assert [d.queue for d in draws(journal)][-1] == RANDOM


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports
def test_outputs_that_were_all_found_clean_are_not_called_unseen(
    here: Workspace, frame: Frame, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("streamlit")
    one = review(frame, journal)
    one.judge(Judgement(one.ahead(1)[0].prediction_id))
    one.skip(one.ahead(1)[0].prediction_id)
    with dashboard_in(here.root, monkeypatch):
        shown = told(screen("errors_view"))
    assert "Nobody gave a tag" in shown
    assert "of 1 random draws; 1 of 2 draws were skipped or taken back" in shown
    assert "No tags yet" not in shown
