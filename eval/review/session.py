"""One person's review: what comes next, what they say, what they take back; for browser and terminal alike."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from curation.errors import ConfigError
from curation.store.journal import Journal
from curation.store.tags import OK, Draw, Tag, add_draws, add_tags, draws, new_id, tags
from eval.review.frame import Frame, Shown
from eval.review.queues import REPEAT, SECOND_LOOK, QueueSettings, drawn
from eval.taxonomy import NOTE, VERDICT, Taxonomy


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of one prediction. No tag and no verdict means OK: looked at, nothing wrong."""

    prediction_id: str
    tags: tuple[str, ...] = ()
    verdict: str = ""
    note: str = ""
    rubrics: tuple[tuple[str, str], ...] = ()  # name, level
    event: str = ""  # made where it was said, so that it is stored once however often it is sent


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
        flips: Collection[str] = (),
    ) -> None:
        if not author.strip() or SECOND_LOOK in author:
            raise ConfigError(f'a reviewer needs a name (without "{SECOND_LOOK}"); say --as NAME')
        self.frame, self.journal, self.taxonomy, self.author = frame, journal, taxonomy, author
        given = tags(journal, kinds=("person",))
        self._judged = {tag.prediction_id for tag in given if tag.author == author}
        history = [draw for draw in draws(journal) if draw.prediction_id in frame.at]
        self._draws = drawn(
            frame.candidates(), author, settings, history=history, flips=flips, disputed=_disputed(given)
        )
        self._ahead: deque[Draw] = deque()
        self._said: list[tuple[Draw, list[Tag]]] = []

    @property
    def done(self) -> int:
        """Predictions judged by this person, in all sessions."""
        return len(self._judged)

    def ahead(self, count: int = 20) -> list[Shown]:
        """The next predictions to show, fewer at the end; asked again it gives the same until they are judged."""
        while len(self._ahead) < count:
            draw = next(self._draws, None)
            if draw is None:
                break
            if draw.prediction_id in self._judged and draw.queue != REPEAT:
                add_draws(self.journal, [draw])  # drawn at random, and already judged: it counts, unshown
            else:
                self._ahead.append(draw)
        return [self.frame.shown(draw.prediction_id) for draw in list(self._ahead)[:count]]

    def judge(self, said: Judgement) -> None:
        """Store what was said of a prediction that was shown; when this returns it is on disk.

        A judgement sent again is stored once. ConfigError for a tag that the taxonomy does not have, or a
        prediction that was not before this person.
        """
        draw = next((d for d in self._ahead if d.prediction_id == said.prediction_id), None)
        if draw is None:
            if any(d.prediction_id == said.prediction_id for d, _ in self._said):
                return
            raise ConfigError(f'prediction "{said.prediction_id}" was not shown to {self.author}')
        events = self._events(draw, said)
        add_tags(self.journal, events, [draw])
        self._ahead.remove(draw)
        self._judged.add(draw.prediction_id)
        self._said.append((draw, events))

    def undo(self) -> Shown | None:
        """Take back the last judgement of this session; its prediction comes first again."""
        if not self._said:
            return None
        draw, events = self._said.pop()
        taken = [Tag(new_id(), t.prediction_id, t.run, t.tag, author=t.author, undoes=t.id) for t in events]
        add_tags(self.journal, taken)
        if draw.queue != REPEAT:
            self._judged.discard(draw.prediction_id)
        self._ahead.appendleft(draw)
        return self.frame.shown(draw.prediction_id)

    def _events(self, draw: Draw, said: Judgement) -> list[Tag]:
        plain = [(tag, "", "") for tag in dict.fromkeys(said.tags)]
        valued = [(VERDICT, said.verdict, "")] if said.verdict else []
        valued += [(name, level, "") for name, level in said.rubrics]
        note = [(NOTE, "", said.note)] if said.note.strip() else []
        what: Sequence[tuple[str, str, str]] = [*plain, *valued, *note]
        if not plain and not said.verdict:
            what = [(OK, "", ""), *what]
        for tag, value, _ in what:
            self.taxonomy.check(tag, value)
        author = self.author + SECOND_LOOK * (draw.queue == REPEAT)
        event = said.event or new_id()
        run = self.frame.run_of(draw.prediction_id)
        return [
            Tag(_id(event, tag, value), draw.prediction_id, run, tag, value, self.taxonomy.name, author, note=text)
            for tag, value, text in what
        ]


def _id(event: str, tag: str, value: str) -> str:
    """One id a part of a judgement, the same however often it is sent."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{event} {tag} {value}").hex


def _disputed(given: Sequence[Tag]) -> set[str]:
    """Predictions whose judges do not all say the same."""
    said: dict[str, dict[str, set[str]]] = {}
    for tag in given:
        if tag.tag != NOTE and not tag.author.endswith(SECOND_LOOK):
            said.setdefault(tag.prediction_id, {}).setdefault(tag.author, set()).add(f"{tag.tag} {tag.value}")
    return {prediction for prediction, by in said.items() if len({frozenset(held) for held in by.values()}) > 1}
