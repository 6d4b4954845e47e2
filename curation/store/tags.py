"""Tags in the journal: judgements on predictions by people, rules and endpoints, as events that are never changed."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Final, Literal

from curation.errors import DataError
from curation.store.journal import Journal

# final: decided where people differ; preference: which of two outputs is better; skip: left unjudged, on purpose.
Kind = Literal["person", "rule", "endpoint", "final", "preference", "skip"]
OK: Final = "OK"  # looked at, and nothing is wrong with it; what nobody looked at has no tag at all
SKIPPED: Final = "skipped"  # the tag of an event of kind skip


@dataclass(frozen=True, slots=True)
class Tag:
    """One judgement. `undoes` names an earlier event of the same author that this one takes back."""

    id: str
    prediction_id: str
    run: str
    tag: str
    value: str = ""  # of a verdict or a rubric; "" for a plain tag
    taxonomy: str = ""  # version of the taxonomy it was given under
    author: str = ""
    kind: Kind = "person"
    rule: str = ""  # version of the rule, for tags by a rule
    span_start: int | None = None  # characters of the output that show it
    span_end: int | None = None
    confidence: float | None = None
    note: str = ""
    undoes: str = ""
    time: str = ""  # UTC, ISO 8601; set when it is stored


@dataclass(frozen=True, slots=True)
class Draw:
    """A prediction put before a person. Only random draws, which have a probability, may speak for the rest."""

    prediction_id: str
    run: str
    author: str
    queue: str
    probability: float | None = None
    time: str = ""


_COLUMNS: Final = ", ".join(field.name for field in fields(Tag))
_MARKS: Final = ", ".join("?" for _ in fields(Tag))


def new_id() -> str:
    """An id for an event, made where the event happens: sent twice, it is stored once."""
    return uuid.uuid4().hex


class JudgedBeforeError(DataError):
    """The author said something else of the prediction, which holds."""


def add_tags(journal: Journal, tags: Iterable[Tag], draws: Sequence[Draw] = (), *, once: bool = False) -> int:
    """Append the events, and the draws they answer, all or none; tags already stored are left out.

    Gives how many tags were new; where none was, the draws are taken to be stored too.

    What this has returned from is on disk. DataError for an id that another event has, or an undo of what is not there.
    once: JudgedBeforeError where an author has judged the prediction otherwise and did not take it back; nobody can
    say so better than the one who writes, since another process may have written a moment ago.
    """
    tags = list(tags)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    new = 0
    with journal.writing() as con:
        if once:
            _check_first(con, tags)
        for tag in tags:
            if tag.undoes:
                _check_undo(con, tag)
            values = astuple(tag)[:-1]
            stored = con.execute(f"select {_COLUMNS} from tags where id = ?", (tag.id,)).fetchone()
            if stored is None:
                con.execute(f"insert into tags ({_COLUMNS}) values ({_MARKS})", (*values, tag.time or now))
                new += 1
            elif stored[:-1] != values:
                raise DataError(f"tag {tag.id}: another event has this id; give each event one of its own")
        if new:
            _insert_draws(con, draws, now)
    return new


def undo(journal: Journal, tag: Tag) -> Tag:
    """Take back a tag: one more event, by the same author."""
    event = Tag(new_id(), tag.prediction_id, tag.run, tag.tag, author=tag.author, kind=tag.kind, undoes=tag.id)
    add_tags(journal, [event])
    return event


def tags(
    journal: Journal, run: str | None = None, *, kinds: Sequence[Kind] = ("person", "rule", "endpoint")
) -> list[Tag]:
    """What holds now, in the order it was given: events that were not taken back, of one run or of all."""
    marks = ", ".join("?" for _ in kinds)
    found = journal.read(
        f"select {_COLUMNS} from tags where undoes = '' and (? is null or run = ?) and kind in ({marks})"
        " and id not in (select undoes from tags where undoes <> '') order by number",
        (run, run, *kinds),
    )
    return [Tag(*row) for row in found]


def last_event(journal: Journal) -> int:
    """The number of the newest event, 0 where there is none: what was computed from tags holds while it stays."""
    return int(journal.read("select coalesce(max(number), 0) from tags")[0][0])


def tag_events(journal: Journal, prediction_id: str) -> list[Tag]:
    """All that ever happened to a prediction, undone or not, in order."""
    found = journal.read(f"select {_COLUMNS} from tags where prediction_id = ? order by number", (prediction_id,))
    return [Tag(*row) for row in found]


def events_of_run(journal: Journal, run: str, kind: Kind) -> list[Tag]:
    """All that ever happened to a run's predictions by this kind of judge, undone or not, in order."""
    found = journal.read(f"select {_COLUMNS} from tags where run = ? and kind = ? order by number", (run, kind))
    return [Tag(*row) for row in found]


def events_of(
    journal: Journal, *, beginning: str = "", predictions: Sequence[str] = (), undoing: str = ""
) -> list[Tag]:
    """All events, undone or not, by the beginning of their id, the predictions they judge, or what they take back."""
    values: list[tuple[str, ...]] = [(one,) for one in dict.fromkeys(predictions)]
    where = "prediction_id = ?"
    if undoing:
        where, values = "undoes = ?", [(undoing,)]
    elif beginning:
        where, values = "id >= ? and id < ?", [(beginning, f"{beginning}~")]
    found = [journal.read(f"select {_COLUMNS} from tags where {where} order by number", one) for one in values]
    return [Tag(*row) for rows in found for row in rows]


def tags_by_id(journal: Journal, ids: Sequence[str]) -> list[Tag]:
    """The events with these ids, undone or not; those not known here are left out."""
    found = [journal.read(f"select {_COLUMNS} from tags where id = ?", (one,)) for one in ids]
    return [Tag(*row) for rows in found for row in rows]


def add_draws(journal: Journal, draws: Sequence[Draw]) -> None:
    """Record what was put before whom, and with what probability."""
    with journal.writing() as con:
        _insert_draws(con, draws, datetime.now(UTC).isoformat(timespec="milliseconds"))


def draws(journal: Journal, author: str | None = None) -> list[Draw]:
    """What was drawn, for one person or for all, in order."""
    found = journal.read(
        "select prediction_id, run, author, queue, probability, time from draws"
        " where ? is null or author = ? order by number",
        (author, author),
    )
    return [Draw(*row) for row in found]


def _insert_draws(con: sqlite3.Connection, draws: Sequence[Draw], now: str) -> None:
    rows = [(*astuple(draw)[:-1], draw.time or now) for draw in draws]
    con.executemany(
        "insert into draws (prediction_id, run, author, queue, probability, time) values (?, ?, ?, ?, ?, ?)", rows
    )


def _check_first(con: sqlite3.Connection, tags: Sequence[Tag]) -> None:
    ids = {tag.id for tag in tags}
    for run, prediction, author, kind in {(tag.run, tag.prediction_id, tag.author, tag.kind) for tag in tags}:
        held = con.execute(
            "select id from tags as held where run = ? and prediction_id = ? and author = ? and kind = ?"
            " and undoes = '' and not exists (select 1 from tags as undo where undo.run = held.run"
            " and undo.prediction_id = held.prediction_id and undo.undoes = held.id)",
            (run, prediction, author, kind),
        )
        if any(one not in ids for (one,) in held.fetchall()):
            raise JudgedBeforeError(f"prediction {prediction}: was judged by {author} before; undo that first")


def _check_undo(con: sqlite3.Connection, tag: Tag) -> None:
    earlier = con.execute("select author, undoes from tags where id = ?", (tag.undoes,)).fetchone()
    if earlier is None or earlier[1]:
        raise DataError(f"tag {tag.undoes}: there is no such tag to undo")
    if earlier[0] != tag.author:
        raise DataError(f"tag {tag.undoes}: was given by {earlier[0]}; only they can take it back")
