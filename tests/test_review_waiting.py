"""Outputs held ahead of a person: none is before them twice, and nothing that is said of them is swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.errors import ConfigError
from curation.runs import run_place
from curation.store.journal import Journal, open_journal
from curation.store.tags import OK, Tag, draws, tags
from curation.workspace import init_workspace
from eval.review.frame import Frame, review_frame
from eval.review.judgement import Judgement
from eval.review.queues import RANDOM, REPEAT, SECOND_LOOK, QueueSettings
from eval.review.session import Review
from eval.taxonomy import DEFAULT
from tests.review_data import evaluation


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(run_place(init_workspace(tmp_path / "w")).journal) as opened:
        yield opened


@pytest.fixture
def frame(journal: Journal, tmp_path: Path) -> Frame:
    return review_frame([evaluation(tmp_path / "w" / "experiments", items=60)])


def review(frame: Frame, journal: Journal, **settings: int) -> Review:
    return Review(frame, journal, DEFAULT, "ana", QueueSettings(**settings))  # type: ignore[arg-type]


def paged(one: Review, lag: int, held: int = 40) -> list[str]:
    """Everything judged as the page does it: it holds outputs ahead, and the server hears of `lag` keys at once."""
    said: list[str] = []
    while ahead := [shown.prediction_id for shown in one.ahead(held)]:
        assert len(set(ahead)) == len(ahead), "an output is before the person twice"
        for prediction in ahead[:lag]:
            said.append(prediction)
            one.judge(Judgement(prediction, event=f"key {len(said)}"))
    return said


def given(journal: Journal, author: str = "ana") -> list[str]:
    return [tag.prediction_id for tag in tags(journal) if tag.author == author]


@pytest.mark.parametrize("lag", [1, 7, 40])
def test_a_random_draw_of_what_waits_counts_and_does_not_show_it_twice(
    frame: Frame, journal: Journal, lag: int
) -> None:
    said = paged(review(frame, journal, one_in=2, repeat_one_in=0), lag)
    assert len(said) == len(frame) == 60
    assert given(journal) == said
    at_random = [draw for draw in draws(journal) if draw.queue == RANDOM]
    assert len(at_random) > 30, "those of outputs that came from the queue, too"
    assert len({draw.prediction_id for draw in at_random}) == len(at_random)
    assert all(draw.probability == 1 / 60 for draw in at_random)


@pytest.mark.parametrize("lag", [1, 7, 40])
def test_every_key_is_stored_while_outputs_come_again_unsaid(frame: Frame, journal: Journal, lag: int) -> None:
    said = paged(review(frame, journal, repeat_one_in=5), lag)
    again = given(journal, "ana" + SECOND_LOOK)
    assert len(again) > 5
    assert sorted(given(journal) + again) == sorted(said)
    for prediction in again:
        first, second = (at for at, one in enumerate(said) if one == prediction)
        assert second - first > 20
    assert [draw.prediction_id for draw in draws(journal) if draw.queue == REPEAT] == again


def test_another_judgement_of_what_was_judged_is_refused_and_not_taken_for_the_first(
    frame: Frame, journal: Journal
) -> None:
    one = review(frame, journal, repeat_one_in=0)
    (first,) = one.ahead(1)
    stored = one.judge(Judgement(first.prediction_id, event="a"))
    assert ids(one.judge(Judgement(first.prediction_id, event="a"))) == ids(stored)
    with pytest.raises(ConfigError, match="judged by ana before; undo that first"):
        one.judge(Judgement(first.prediction_id, ("tone",), event="b"))
    later = review(frame, journal, repeat_one_in=0)  # the page was opened anew, and sends what it had not heard of
    assert ids(later.judge(Judgement(first.prediction_id, event="a"))) == ids(stored)
    assert [tag.tag for tag in tags(journal)] == [OK]


def test_a_first_look_that_is_taken_back_comes_before_its_repeat(frame: Frame, journal: Journal) -> None:
    one = review(frame, journal, repeat_one_in=30, one_in=0)
    first = one.ahead(40)[0].prediction_id
    one.judge(Judgement(first, event="a"))
    assert one.ahead(40)[-1].prediction_id == first  # again, unsaid
    assert one.undo() is not None
    assert [shown.prediction_id for shown in one.ahead(40)].count(first) == 1
    one.judge(Judgement(first, ("tone",), event="b"))
    assert one.ahead(40)[-1].prediction_id == first
    one.judge(Judgement(first, ("tone",), event="c"))
    assert [(tag.author, tag.tag) for tag in tags(journal)] == [("ana", "tone"), ("ana" + SECOND_LOOK, "tone")]


def ids(events: list[Tag]) -> list[str]:
    return [tag.id for tag in events]
