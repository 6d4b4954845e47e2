"""Review tags as a file that outlives a run: keyed by item and normalised output, taken up where both come again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import DataError
from curation.store.files import disk_reason
from curation.store.journal import Journal
from curation.store.tags import OK, Tag, add_tags, tags, tags_by_id
from curation.validate import format_validator
from eval.metrics.matching import plain
from eval.review.frame import Frame
from eval.review.names import reviewer_name
from eval.taxonomy import NOTE, VERDICT, Taxonomy

_SCHEMA: Final = "review.schema.json"
_SPACE: Final = uuid.UUID("6f0c1c0e-6d1f-4d0b-9c55-5b1f0f4f2a11")  # of the ids of imported events


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One line of the file."""

    item: str
    output: str
    tags: tuple[str, ...] = ()
    verdict: str = ""
    note: str = ""
    prompt: str = ""
    reference: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.item, plain(self.output)

    def said(self) -> list[tuple[str, str, str]]:
        """(tag, value, note) of each event; OK where nothing was found wrong."""
        found = [(tag, "", "") for tag in self.tags] + ([(VERDICT, self.verdict, "")] if self.verdict else [])
        return [*(found or [(OK, "", "")]), *([(NOTE, "", self.note)] if self.note else [])]

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"item": self.item, "prompt": self.prompt, "output": self.output}
        told |= {"reference": self.reference, "tags": list(self.tags), "verdict": self.verdict, "note": self.note}
        return {key: value for key, value in told.items() if value or key in ("output", "tags")}


@dataclass(frozen=True, slots=True)
class Applied:
    """lines == used + other_output + not_asked. tagged: predictions that lines were used for, of all runs here."""

    lines: int
    used: int
    other_output: int  # the item was asked, and answered otherwise
    not_asked: int  # no such item here
    tagged: tuple[str, ...]
    stored: int  # events; none where the file was taken up before


def read_reviews(path: Path, taxonomy: Taxonomy) -> list[Reviewed]:
    """Every line; DataError that names the first one that is damaged, has a tag unknown here, or comes twice."""
    from curation.errors import ConfigError

    validator = format_validator(_SCHEMA)
    found: dict[tuple[str, str], Reviewed] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise DataError(f"{where}: is not JSON ({error}); repair the line, or take it out") from None
        if problem := validator.explain(told):
            raise DataError(f"{where}: {problem}")
        # A name of before a rename or merge is read as in the journal.
        names = (tag if tag in taxonomy.tags else taxonomy.present(tag, "") for tag in told["tags"])
        one = Reviewed(**{**told, "tags": tuple(dict.fromkeys(names))})
        try:
            for tag, value, _ in one.said():
                taxonomy.check(tag, value)
        except ConfigError as error:
            raise DataError(f"{where}: {error}") from None
        if found.setdefault(one.key, one) is not one:
            raise DataError(
                f"{where}: this output of item {one.item} was judged in an earlier line; keep one of the two"
            )
    return list(found.values())


def apply_reviews(
    reviews: Sequence[Reviewed], frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str
) -> Applied:
    """Store what the file says of the outputs that came again, as `author`; what this person said here before stays."""
    author = reviewer_name(author)
    columns = (frame.table[name].to_pylist() for name in ("prediction_id", "item_id", "output"))
    asked: dict[str, list[tuple[str, str]]] = {}
    for prediction, item, output in zip(*columns, strict=True):
        asked.setdefault(item, []).append((prediction, plain(output)))
    judged = {tag.prediction_id for tag in tags(journal, kinds=("person",)) if tag.author == author}
    events: list[Tag] = []
    tagged: list[str] = []
    used = 0
    for one in reviews:
        same = [prediction for prediction, output in asked.get(one.item, ()) if output == one.key[1]]
        used += bool(same)
        tagged += same
        for prediction in same:
            if prediction not in judged:
                events += _events(one, prediction, frame.run_of(prediction), taxonomy, author)
    absent = sum(one.item not in asked for one in reviews)
    stored = add_tags(journal, [event for event in events if not tags_by_id(journal, _ids(event, taxonomy))])
    return Applied(len(reviews), used, len(reviews) - used - absent, absent, tuple(tagged), stored)


def reviews_of(frame: Frame, journal: Journal, taxonomy: Taxonomy, author: str) -> list[Reviewed]:
    """What one person said of these outputs, by item; an output that came twice, once."""
    said: dict[str, list[Tag]] = {}
    for tag in tags(journal, kinds=("person",)):
        if tag.author == author and tag.prediction_id in frame.at:
            said.setdefault(tag.prediction_id, []).append(tag)
    found: dict[tuple[str, str], Reviewed] = {}
    for prediction, given in said.items():
        one = _reviewed(frame, prediction, given, taxonomy)
        found.setdefault(one.key, one)
    return [found[key] for key in sorted(found)]


def as_lines(reviews: Iterable[Reviewed]) -> bytes:
    return b"".join(orjson.dumps(one.as_json()) + b"\n" for one in reviews)


def _events(one: Reviewed, prediction: str, run: str, taxonomy: Taxonomy, author: str) -> list[Tag]:
    """With ids of their own, the same each time the file is taken up."""
    made = []
    for tag, value, note in one.said():
        event = _id(author, prediction, tag, value)
        made.append(Tag(event, prediction, run, tag, value, taxonomy.name, author, note=note))
    return made


def _ids(event: Tag, taxonomy: Taxonomy) -> list[str]:
    """The ids under which the file may have been taken up before, by the present name or an earlier one: what was
    taken back since stays so."""
    before = {name for change in taxonomy.history for name in change.before}
    names = [event.tag, *sorted(name for name in before if taxonomy.present(name, "") == event.tag != name)]
    return [_id(event.author, event.prediction_id, name, event.value) for name in names]


def _id(*said: str) -> str:
    return uuid.uuid5(_SPACE, "\0".join(said)).hex


def _reviewed(frame: Frame, prediction: str, given: Sequence[Tag], taxonomy: Taxonomy) -> Reviewed:
    """Rubrics stay behind: the file speaks of tags, verdicts and notes."""
    shown = frame.shown(prediction)
    plain_tags = [
        taxonomy.present(t.tag, t.taxonomy) for t in given if t.tag not in (OK, NOTE, VERDICT) and not t.value
    ]
    verdict = next((t.value for t in given if t.tag == VERDICT), "")
    note = " · ".join(t.note for t in given if t.tag == NOTE)
    return Reviewed(
        shown.item_id,
        shown.output,
        tuple(dict.fromkeys(plain_tags)),
        verdict,
        note,
        _question(shown.messages),
        shown.reference or "",
    )


def _question(messages: Sequence[Mapping[str, Any]]) -> str:
    asked = [message.get("content") or "" for message in messages if message["role"] == "user"]
    return str(asked[-1]) if asked else ""


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({disk_reason(error)})") from None
