"""Deciding where people differ: an event with who, when and the final value, which holds from then on."""

from __future__ import annotations

from dataclasses import replace

from curation.store.journal import Journal
from curation.store.tags import Tag, add_tags, new_id, tags
from eval.review.frame import Frame
from eval.review.judgement import Judgement, events_of
from eval.review.names import reviewer_name
from eval.review.people import FINAL, people
from eval.taxonomy import Taxonomy


def decide(frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str, said: Judgement) -> list[Tag]:
    """Store what holds of an output: its tags, or none (OK), its verdict and rubrics. On disk when it returns.

    An earlier decision of the same author is taken back; that of another stays on record, and holds no longer.
    """
    author = reviewer_name(author)
    run = frame.run_of(frame.shown(said.prediction_id).prediction_id)
    earlier = [
        e for e in tags(journal, run, kinds=(FINAL,)) if (e.author, e.prediction_id) == (author, said.prediction_id)
    ]
    new = events_of(said, run, taxonomy, author, FINAL)
    if {event.id for event in new} <= {event.id for event in earlier}:  # sent twice
        return new
    add_tags(journal, [*(_taken_back(event) for event in earlier), *new])
    return new


def take_back(journal: Journal, author: str, prediction_id: str) -> bool:
    """Take back an author's decision about an output; False where there is none."""
    who = (reviewer_name(author), prediction_id)
    held = [e for e in tags(journal, kinds=(FINAL,)) if (e.author, e.prediction_id) == who]
    add_tags(journal, [_taken_back(event) for event in held])
    return bool(held)


def to_decide(frame: Frame, journal: Journal, taxonomy: Taxonomy) -> list[str]:
    """The outputs of the frame of which people say different things, and nobody has decided."""
    return [prediction for prediction in people(journal, taxonomy).disputed() if prediction in frame.at]


def _taken_back(event: Tag) -> Tag:
    return replace(event, id=new_id(), value="", note="", undoes=event.id, time="")
