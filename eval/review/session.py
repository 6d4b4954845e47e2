"""One person's review: what comes next, what they say, what they take back; for browser and terminal alike."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from curation.errors import ConfigError
from curation.store.journal import Journal
from curation.store.tags import SKIPPED, Draw, JudgedBeforeError, Tag, add_draws, add_tags, draws, new_id, tags_by_id
from eval.neighbours import Neighbour
from eval.review.flips import Flips
from eval.review.frame import Frame, Shown
from eval.review.judgement import Judgement, event_id, events_of
from eval.review.names import reviewer_name
from eval.review.nothing import nothing_left
from eval.review.people import people
from eval.review.proposals import Proposal, Proposed, TrainingData
from eval.review.queues import REPEAT, SECOND_LOOK, QueueSettings, drawn
from eval.taxonomy import Taxonomy

ALONE: Final = 10  # every so many outputs one comes again, unsaid, while nobody else has judged anything


class Review:
    """Draws ahead and records; `author` sees each prediction once, repeats apart."""

    def __init__(
        self,
        frame: Frame,
        journal: Journal,
        taxonomy: Taxonomy,
        author: str,
        settings: QueueSettings,
        *,
        flips: Flips | None = None,
        data: TrainingData | None = None,
    ) -> None:
        self.frame, self.journal, self.taxonomy, self.author = frame, journal, taxonomy, reviewer_name(author)
        author = self.author
        said = people(journal, taxonomy)
        if not {*said.authors} - {author} and settings.repeat_one_in is None:
            settings = replace(settings, repeat_one_in=ALONE)
        self._judged = {prediction for prediction, by in said.given.items() if author in by and prediction in frame.at}
        # What somebody skipped, or took back and did not judge anew, is before them again, and may be drawn for others.
        history = [
            draw
            for draw in draws(journal)
            if draw.prediction_id in frame.at and draw.author in said.given.get(draw.prediction_id, ())
        ]
        self._settings, self._flips = settings, flips or Flips(frozenset())
        self._disputed = [prediction for prediction in said.disputed() if prediction in frame.at]
        self._draws = drawn(
            frame.candidates(), author, settings, history=history, flips=self._flips.items, disputed=self._disputed
        )
        self._ahead: deque[Draw] = deque()  # at most one of a prediction: a judgement says which one it answers by that
        self._later: list[Draw] = []  # repeats of what still waits for its first look
        self._counting: dict[str, list[Draw]] = {}  # random draws that a waiting prediction answers along with its own
        self._said: list[tuple[Draw, list[Tag]]] = []
        self._skipped: set[str] = set()  # in this session
        self._data = data
        self._patches: dict[str, str] = {}  # prediction -> the patch that was proposed with its judgement

    @property
    def done(self) -> int:
        """Predictions judged by this person, in all sessions."""
        return len(self._judged)

    @property
    def skipped(self) -> int:
        """Predictions that this person skipped in this session; the next one shows them again."""
        return len(self._skipped)

    def ahead(self, count: int = 20) -> list[Shown]:
        """The next predictions to show, fewer at the end; asked again it gives the same until they are judged."""
        while len(self._ahead) < count:
            draw = self._ready() or next(self._draws, None)
            if draw is None:
                break
            if draw.queue == REPEAT and draw.prediction_id in self._skipped:
                continue  # there was no first look to repeat
            if draw.queue == REPEAT:
                (self._later if self._waits(draw) else self._ahead).append(draw)
            elif draw.prediction_id in self._judged or draw.prediction_id in self._skipped:
                add_draws(self.journal, [draw])  # drawn at random, and answered already: it counts, unshown
            elif self._waits(draw):
                self._counting.setdefault(draw.prediction_id, []).append(draw)  # it counts once it is judged
            else:
                self._ahead.append(draw)
        return [self.frame.shown(draw.prediction_id) for draw in list(self._ahead)[:count]]

    def nothing_left(self) -> str:
        """Why `ahead` gives nothing: whether all was judged, or the queue was empty from the first."""
        if self._skipped:
            return f"{self.skipped:,} were skipped, and come again in the next session"
        return nothing_left(self.frame.candidates(), self._settings, self._flips.why, len(self._disputed))

    def has_judged(self, prediction_id: str) -> bool:
        return prediction_id in self._judged

    def near(self, prediction_id: str) -> list[Neighbour]:
        """The training rows most like a prediction; none where its run's training is not known."""
        shown, run = self.frame.shown(prediction_id), self.frame.run_of(prediction_id)
        return self._data.near(shown, run) if self._data else []

    def change(self, said: Judgement, proposal: Proposal, *, allow_test: bool = False) -> Proposed:
        """Store what was said, and write the patch that it proposes. Where the patch is refused (the errors of
        TrainingData.propose) the judgement stays, and the same may be proposed again: it is stored once."""
        given = self._said_before(said) or self.judge(said)
        if self._data is None:
            raise ConfigError("nothing is known here of the data behind the outputs; use curate patch add")
        shown = self.frame.shown(said.prediction_id)
        made = self._data.propose(proposal, shown, given, self.author, allow_test=allow_test)
        self._patches[said.prediction_id] = made.patch
        return made

    def judge(self, said: Judgement) -> list[Tag]:
        """Store what was said of a prediction that was shown, and give its events; when this returns it is on disk.

        A judgement sent again (its `event` says so) is stored once. ConfigError for a tag that the taxonomy does not
        have, or a prediction that is not before this person: another judgement of one that they judged, too.
        """
        if sent := self._sent_before(said):
            return sent
        draw = next((d for d in self._ahead if d.prediction_id == said.prediction_id), None)
        if draw is None:
            if said.prediction_id in self._judged:
                raise ConfigError(
                    f'prediction "{said.prediction_id}" was judged by {self.author} before; undo that first'
                )
            raise ConfigError(f'prediction "{said.prediction_id}" was not shown to {self.author}')
        events = self._events(draw, said)
        try:
            add_tags(self.journal, events, [draw, *self._counting.get(draw.prediction_id, ())], once=True)
        except JudgedBeforeError:
            self._forget(draw)
            raise ConfigError(
                f'prediction "{said.prediction_id}" was judged by {self.author} meanwhile, in another session; '
                "that holds, and this was not stored"
            ) from None
        self._forget(draw)
        self._said.append((draw, events))
        return events

    def skip(self, prediction_id: str, event: str = "") -> None:
        """Leave a prediction that was shown unjudged; the skip and its draw are on disk when this returns.

        Sent again (`event` says so) it is stored once. ConfigError for what is not before this person.
        """
        skipped = Tag(
            event_id(event or new_id(), SKIPPED),
            prediction_id,
            self.frame.run_of(prediction_id) if prediction_id in self.frame.at else "",
            SKIPPED,
            author=self.author,
            kind="skip",
        )
        draw = next((d for d in self._ahead if d.prediction_id == prediction_id), None)
        if draw is None:
            if tags_by_id(self.journal, [skipped.id]):
                return
            raise ConfigError(f'prediction "{prediction_id}" was not shown to {self.author}')
        add_tags(self.journal, [skipped], [draw, *self._counting.get(prediction_id, ())])
        self._ahead.remove(draw)
        self._counting.pop(prediction_id, None)
        self._skipped.add(prediction_id)
        self._said.append((draw, [skipped]))

    def undo(self) -> Shown | None:
        """Take back the last judgement or skip of this session, with the patch it proposed; its prediction comes first.

        A patch that was built meanwhile stays: its version holds it.
        """
        if not self._said:
            return None
        draw, events = self._said[-1]  # of this session until the undo is on disk: where it fails it can be said again
        if self._data and (patch := self._patches.pop(draw.prediction_id, None)):
            self._data.take_back(patch)
        taken = [
            Tag(new_id(), t.prediction_id, t.run, t.tag, author=t.author, kind=t.kind, undoes=t.id) for t in events
        ]
        add_tags(self.journal, taken)
        self._said.pop()
        self._skipped.discard(draw.prediction_id)
        if draw.queue != REPEAT:
            self._judged.discard(draw.prediction_id)
            self._hold_back(draw.prediction_id)
        self._ahead.appendleft(draw)
        return self.frame.shown(draw.prediction_id)

    def _forget(self, draw: Draw) -> None:
        """It is judged, and waits no longer."""
        self._ahead.remove(draw)
        self._counting.pop(draw.prediction_id, None)
        self._judged.add(draw.prediction_id)

    def _waits(self, draw: Draw) -> bool:
        return any(one.prediction_id == draw.prediction_id for one in self._ahead)

    def _ready(self) -> Draw | None:
        """A repeat that was held back, once its first look is over."""
        draw = next((d for d in self._later if d.prediction_id in self._judged and not self._waits(d)), None)
        if draw is not None:
            self._later.remove(draw)
        return draw

    def _hold_back(self, prediction_id: str) -> None:
        """Its first look is to come again: its repeat waits."""
        self._later += [draw for draw in self._ahead if draw.prediction_id == prediction_id]
        self._ahead = deque(draw for draw in self._ahead if draw.prediction_id != prediction_id)

    def _said_before(self, said: Judgement) -> list[Tag]:
        """The events of the same judgement of this session, were its patch refused."""
        for draw, events in reversed(self._said):
            if draw.prediction_id == said.prediction_id:
                same = [(t.tag, t.value, t.note) for t in self._events(draw, said)]
                return events if same == [(t.tag, t.value, t.note) for t in events] else []
        return []

    def _sent_before(self, said: Judgement) -> list[Tag]:
        """The stored events of a judgement that comes a second time, from this session or one before it."""
        if not said.event or said.prediction_id not in self._judged:
            return []
        run = self.frame.run_of(said.prediction_id)
        ids = [tag.id for tag in events_of(said, run, self.taxonomy, self.author)]
        return tags_by_id(self.journal, ids)

    def _events(self, draw: Draw, said: Judgement) -> list[Tag]:
        author = self.author + SECOND_LOOK * (draw.queue == REPEAT)
        return events_of(said, self.frame.run_of(draw.prediction_id), self.taxonomy, author)
