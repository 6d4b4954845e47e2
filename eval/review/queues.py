"""What is put before a reviewer next, and with what right it may speak for the outputs nobody looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from curation.errors import ConfigError
from curation.store.tags import Draw

Queue = Literal["unseen", "flips", "low confidence", "disagreement", "slice"]
QUEUES: Final[tuple[Queue, ...]] = ("unseen", "flips", "low confidence", "disagreement", "slice")
RANDOM: Final = "random"
CALIBRATION: Final = "calibration"
REPEAT: Final = "repeat"
SECOND_LOOK: Final = "#2"  # behind an author's name: what they said when an output came again, unsaid
_AFTER: Final = 20  # outputs between a first look and its silent repeat, so that it is not simply remembered


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prediction that may be shown. confidence: mean log-probability of its tokens, None where there is none."""

    prediction_id: str
    run: str
    item_id: str
    confidence: float | None = None
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """one_in: every so many outputs one is drawn at random from all, whatever the queue (0: none).

    calibration: so many outputs, the same for everybody, come first. repeat_one_in: every so many outputs one of the
    reviewer's own comes again, unsaid (0: none; None: one in ten for a reviewer who works alone).
    """

    queue: Queue = "unseen"
    one_in: int = 5
    calibration: int = 0
    repeat_one_in: int | None = None
    seed: int = 0
    slice: tuple[str, str] | None = None  # field and value, for the queue `slice`

    def __post_init__(self) -> None:
        if self.queue == "slice" and self.slice is None:
            raise ConfigError("queue slice: name the slice, for instance --slice topic=pins")
        if min(self.one_in, self.calibration, self.repeat_one_in or 0) < 0:
            raise ConfigError("a queue's numbers must be at least 0")


def drawn(
    frame: Sequence[Candidate],
    author: str,
    settings: QueueSettings,
    *,
    history: Sequence[Draw] = (),
    flips: Collection[str] = (),
    disputed: Collection[str] = (),
) -> Iterator[Draw]:
    """What `author` sees next, without end until all is seen. `frame`: every prediction of the runs under review.

    `history` is what was drawn before, for anybody; `flips` the items on which two runs differ; `disputed` the
    predictions whose reviewers disagree. The order is the same wherever it is asked for.

    A random draw takes the next prediction of one shuffled order of the frame. Where the author has seen it through
    another queue it is drawn all the same (recorded, not to be shown again): left out, the sample would lean to
    what the queues did not choose.
    """
    mine = [draw for draw in history if draw.author == author]
    seen = {draw.prediction_id for draw in mine}
    shuffled = _shuffled(frame, f"{RANDOM} {settings.seed}")
    taken = {draw.prediction_id for draw in history if draw.queue == RANDOM}
    at_random = iter([c for c in shuffled if c.prediction_id not in taken])
    queue = _ordered(frame, settings, flips, disputed)
    chosen = iter(queue)
    common = _shuffled(frame, f"{CALIBRATION} {settings.seed}")[: settings.calibration]
    own = [draw for draw in mine if draw.queue != REPEAT]
    repeated = {draw.prediction_id for draw in mine if draw.queue == REPEAT}
    for candidate in common:
        if candidate.prediction_id not in seen:
            yield _note(candidate, author, CALIBRATION, None, seen, own)
    if not queue:
        return  # a queue that holds nothing is not filled with random draws
    number = len({(draw.prediction_id, draw.queue) for draw in mine})  # one that was judged anew is there twice
    while True:
        number += 1
        if settings.repeat_one_in and number % settings.repeat_one_in == 0 and len(own) > _AFTER:
            again = next((d for d in own[:-_AFTER] if d.prediction_id not in repeated), None)
            if again is not None:
                repeated.add(again.prediction_id)
                yield Draw(again.prediction_id, again.run, author, REPEAT)
                continue
        if settings.one_in and number % settings.one_in == 0:
            candidate_or_none = next(at_random, None)
            if candidate_or_none is not None:
                yield _note(candidate_or_none, author, RANDOM, 1 / len(frame), seen, own)
                continue
        following = next((c for c in chosen if c.prediction_id not in seen), None)
        if following is None:
            return
        yield _note(following, author, settings.queue, None, seen, own)


def _note(
    candidate: Candidate, author: str, queue: str, probability: float | None, seen: set[str], own: list[Draw]
) -> Draw:
    draw = Draw(candidate.prediction_id, candidate.run, author, queue, probability)
    if candidate.prediction_id not in seen:
        own.append(draw)
    seen.add(candidate.prediction_id)
    return draw


def _ordered(
    frame: Sequence[Candidate], settings: QueueSettings, flips: Collection[str], disputed: Collection[str]
) -> list[Candidate]:
    """The queue's predictions; shuffled, so that runs are interleaved, and then by what the queue is about."""
    shuffled = _shuffled(frame, f"{settings.queue} {settings.seed}")
    match settings.queue:
        case "unseen":
            return shuffled
        case "flips":
            order = {item: i for i, item in enumerate(dict.fromkeys(c.item_id for c in shuffled))}
            return sorted((c for c in shuffled if c.item_id in flips), key=lambda c: order[c.item_id])
        case "low confidence":
            known = ((c.confidence, c) for c in shuffled if c.confidence is not None)
            return [c for _, c in sorted(known, key=lambda pair: pair[0])]
        case "disagreement":
            return [c for c in shuffled if c.prediction_id in disputed]
        case "slice":
            assert settings.slice is not None, "checked when the settings were made"
            name, value = settings.slice
            return [c for c in shuffled if c.slices.get(name) == value]


def _shuffled(frame: Sequence[Candidate], salt: str) -> list[Candidate]:
    """One order a salt, whatever the order of the frame."""
    return sorted(frame, key=lambda c: hashlib.sha256(f"{salt} {c.prediction_id}".encode()).digest())
