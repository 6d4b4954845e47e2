"""What was said of one output, and the events that it is stored as."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from curation.errors import ConfigError
from curation.store.tags import OK, Kind, Tag, new_id
from eval.taxonomy import NOTE, VERDICT, Taxonomy


@dataclass(frozen=True, slots=True)
class Judgement:
    """No tag, verdict or rubric means OK: looked at, nothing wrong."""

    prediction_id: str
    tags: tuple[str, ...] = ()
    verdict: str = ""
    note: str = ""
    rubrics: tuple[tuple[str, str], ...] = ()  # name, level
    event: str = ""  # made where it was said, so that it is stored once however often it is sent


def events_of(said: Judgement, run: str, taxonomy: Taxonomy, author: str, kind: Kind = "person") -> list[Tag]:
    """A judgement as events; ConfigError for a tag, verdict or level that the taxonomy does not have."""
    plain = [(tag, "", "") for tag in dict.fromkeys(said.tags)]
    valued = [(VERDICT, said.verdict, "")] if said.verdict else []
    valued += [(name, level, "") for name, level in said.rubrics]
    note = [(NOTE, "", said.note)] if said.note.strip() else []
    what: Sequence[tuple[str, str, str]] = [*plain, *valued, *note]
    if not plain and not valued:
        what = [(OK, "", ""), *what]
    for tag, value, _ in what:
        taxonomy.check(tag, value)
    if said.note and not _is_utf8(said.note):
        raise ConfigError("the note is not UTF-8, and nothing was stored; write it again")
    event = said.event or new_id()
    return [
        Tag(event_id(event, tag, value), said.prediction_id, run, tag, value, taxonomy.name, author, kind, note=text)
        for tag, value, text in what
    ]


def _is_utf8(text: str) -> bool:
    """Halves of a pair, as a terminal in another encoding or a broken page sends, cannot be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def event_id(event: str, tag: str, value: str = "") -> str:
    """One id a part of a judgement, the same however often it is sent."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{event} {tag} {value}").hex
