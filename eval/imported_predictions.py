"""Outputs recorded elsewhere, matched with what was asked: a version's split, a file, or what they say themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final
from uuid import UUID

from curation.errors import DataError
from curation.pack.layout import item_id
from curation.reading.sources import Source as FileSource
from curation.records import canonical, row_id
from curation.runs import RunPlace
from curation.source import Source
from eval.exam import Opened, open_exam
from eval.items import Item, file_items
from eval.lookup import Lookup, digest
from eval.measuring import Trust
from eval.prediction_layouts import (
    Prediction,
    check_plain,
    mt_bench_turns,
    opened,
    prompt_text,
    question_turns,
    read_predictions,
    records,
    user,
)
from eval.recorded import NO_TRUST, Recorded, Sat, exam_of, record
from eval.suite import Suite

_ALONE: Final = "recorded"  # the split of outputs that bring their own prompts
_IDS: Final = ("item_id", "id", "question_id")  # of a row's own fields, those that may name it


@dataclass(frozen=True, slots=True)
class Wanted:
    """version: of which a split (the suite's) is the exam; references: files that say it instead; neither: the file.

    fields: what fields of our layout (output, prompt, reference ...) are called in the file.
    """

    file: Path
    name: str | None = None
    version: Source | None = None
    references: tuple[Path, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """unmatched: predictions for nothing on the exam. overruled: those whose own reference is not the exam's."""

    sat: Sat
    opened: Opened
    name: str
    layout: str
    matched: int
    unmatched: tuple[Prediction, ...]
    overruled: tuple[Prediction, ...]


class _Index:
    """Items by whatever may name them; a name of several items names none. Of texts it keeps digests."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.ids: list[str] = []
        self._named: dict[bytes, int | list[int]] = {}
        self._prompts, self._references = bytearray(), bytearray()
        for item in items:
            self._add(item)

    def _add(self, item: Item) -> None:
        own = (str(item.meta[name]) for name in _IDS if name in item.meta)
        names = [*(_name("id", one) for one in (item.item_id, item.row_id)), *(_name("own id", one) for one in own)]
        for name in dict.fromkeys([*names, *_forms(item.messages)]):
            known, here = self._named.get(name), len(self.ids)
            self._named[name] = here if known is None else [*(known if isinstance(known, list) else [known]), here]
        self.ids.append(item.item_id)
        self._prompts += _digest(prompt_text(item.messages))
        self._references += _digest(item.reference)

    def find(self, one: Prediction) -> int | None:
        """The item's number; DataError where several are meant."""
        if one.key is not None:
            found = self._of(_name("id", one.key))
            if not found:
                own = self._of(_name("own id", one.key))
                # Every file has a row 17: with a prompt at hand an own id alone proves nothing.
                asked = _digest(one.prompt)
                found = [item for item in own if one.prompt is None or _at(self._prompts, item) == asked]
            if len(found) > 1:
                raise DataError(f"{one.where}: {one.key} is the id of {len(found)} items; give item_id (row_id:turn)")
            if found:
                return found[0]
        for form in _forms(one.asked or ()):
            found = self._of(form)
            if len(found) > 1:
                raise DataError(f"{one.where}: {len(found)} items have this prompt; give item_id as well")
            if found:
                return found[0]
        return None

    def has_other_reference(self, item: int, one: Prediction) -> bool:
        return one.reference is not None and _digest(one.reference) != _at(self._references, item)

    def _of(self, name: bytes) -> list[int]:
        found = self._named.get(name, [])
        return found if isinstance(found, list) else [found]


def import_predictions(wanted: Wanted, suite: Suite, place: RunPlace, near: Path, trust: Trust = NO_TRUST) -> Imported:
    """Read, match, store and measure; nothing is stored where anything is refused. Memory hardly grows with the file.

    DataError for a damaged line, two outputs for one item, or a file of which nothing matches.
    """
    source = opened(wanted.file, near)
    told = read_predictions(source, wanted.fields)
    name = wanted.name or told.model or source.name.rpartition("/")[2].split(".")[0]
    return import_read(wanted, source, told.layout.name, name, told.read, suite, place, near, trust)


def import_read(
    wanted: Wanted,
    source: FileSource,
    layout: str,
    name: str,
    read: Callable[[], Iterator[Prediction]],
    suite: Suite,
    place: RunPlace,
    near: Path,
    trust: Trust,
) -> Imported:
    """The same of predictions that `read` gives anew at each call."""
    suite = replace(suite, benchmarks=())
    exam, alone = _exam(wanted, suite, read, source.name, near)
    told = {"file": source.name, "sha256": source.sha256, "layout": layout}
    who = Recorded(
        name, {"imported": source.sha256, "name": name}, f"{layout}: {source.name}", "imported", settings=told
    )
    if exam.exam.version is None:
        suite = replace(suite, split=None, file=source.name)
    with TemporaryFile() as file, Lookup(file) as answers:
        unmatched, overruled = _matched(read, None if alone else _Index(exam.read()), answers)
        if not len(answers):
            raise DataError(
                f"{source.name}: none of its {len(unmatched):,} predictions is for an item of {exam.exam.told()}; "
                "are item_id or prompt those of this exam?"
            )
        sat = record(place, who, exam, suite, answers, trust)
        return Imported(sat, exam, name, layout, len(answers), unmatched, overruled)


def _exam(
    wanted: Wanted, suite: Suite, read: Callable[[], Iterator[Prediction]], name: str, near: Path
) -> tuple[Opened, bool]:
    """The exam, and whether it is made of the predictions themselves."""
    if wanted.references:
        files = ", ".join(path.name for path in wanted.references)
        return exam_of(_referenced(wanted.references, near), f"file:{files}"), False
    if wanted.version is not None:
        return open_exam(suite, wanted.version, near), False
    for one in read():
        if one.asked is None:
            raise DataError(f"{one.where}: says {one.key} and not what was asked; name a version or --references")
    return exam_of(lambda: _own_items(read()), _ALONE), True


def _matched(
    read: Callable[[], Iterator[Prediction]], index: _Index | None, answers: Lookup
) -> tuple[tuple[Prediction, ...], tuple[Prediction, ...]]:
    """Predictions for no item, and those with another reference than the exam's; the others' answers are added to
    `answers`. Without an index each is for its own item."""
    unmatched, overruled = [], []
    for one in read():
        number = index.find(one) if index else None
        if index and number is None:
            unmatched.append(one)
            continue
        item = index.ids[number] if index and number is not None else _own_item(one, 0).item_id
        if before := answers.get(item):
            raise DataError(f"{one.where}: is for the same item as {before['where']}; keep one of the two")
        answers.add(item, {"where": one.where, **one.answer()})
        if index and number is not None and index.has_other_reference(number, one):
            overruled.append(one)
    return tuple(unmatched), tuple(overruled)


def _forms(messages: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """What a conversation is looked up by: as it is, then by the text of its one question."""
    if messages:
        yield _name(
            "asked", canonical([{"role": one["role"], "content": one.get("content")} for one in messages]).decode()
        )
        text = prompt_text(messages)
        if text is not None:
            yield _name("question", text)


def _name(kind: str, text: str) -> bytes:
    return digest(f"{kind}\0{text}")


def _digest(text: str | None) -> bytes:
    return b"\0" * 16 if text is None else digest(text)


def _at(digests: bytearray, item: int) -> bytes:
    return bytes(digests[16 * item : 16 * item + 16])


def _own_items(read: Iterable[Prediction]) -> Iterator[Item]:
    """Each prediction's own prompt and reference; those with the same prompt are one cluster."""
    clusters: dict[bytes, int] = {}
    seen: set[bytes] = set()
    for one in read:
        cluster = clusters.setdefault(digest(canonical(list(one.asked or ())).decode()), len(clusters))
        item = _own_item(one, cluster)
        if (key := digest(item.item_id)) not in seen:  # the second of two is refused when they are matched
            seen.add(key)
            yield item


def _own_item(one: Prediction, cluster: int) -> Item:
    asked = [dict(message) for message in one.asked or ()]
    return _item(asked, one.reference, one.meta, cluster, _ALONE)


def _item(
    messages: list[dict[str, Any]], reference: str | None, meta: Mapping[str, Any], cluster: int, split: str
) -> Item:
    """The row's identity is of question and own fields, so that outputs of several models meet on one item."""
    name = str(UUID(bytes=row_id(canonical({"messages": messages, "meta": dict(meta)}))))
    turn = len(messages)
    answer = {"role": "assistant", "content": reference}
    return Item(item_id(name, turn), name, turn, cluster, split, messages, answer, None, meta)


def _referenced(paths: Sequence[Path], near: Path) -> Callable[[], Iterator[Item]]:
    """The items of files of references: prompts and answers of MT-bench, our plain layout, or any a build reads."""
    first = [next(records(opened(path, near)), None) for path in paths]
    fields = [set(one.value) if one else set() for one in first]
    if all("question_id" in names for names in fields):
        held = _mt_bench_items(paths, near)
        return lambda: iter(held)
    if len(paths) > 1:
        raise DataError(f"{paths[1]}: only MT-bench's questions and answers are read together; name one file")
    if "reference" in fields[0] and fields[0] & {"prompt", "messages"}:
        return lambda: _plain_items(paths[0], near)
    return lambda: file_items(near / paths[0], near)


def _plain_items(path: Path, near: Path) -> Iterator[Item]:
    clusters: dict[bytes, int] = {}
    for one in records(opened(path, near)):
        value = one.value
        for name, told in (("reference", ("reference",)), ("prompt", ("prompt", "messages"))):
            if all(value.get(key) is None for key in told):
                raise DataError(f"{one.where}: has no {name}; add it, or leave the line out")
        check_plain(one._replace(value={"output": None, **value}))
        messages = value.get("messages") or user(value["prompt"])
        meta = {key: text for key, text in value.items() if key not in ("messages", "prompt", "reference")}
        cluster = clusters.setdefault(digest(canonical(messages).decode()), len(clusters))
        yield _item(messages, value["reference"], meta, cluster, f"file:{path.name}")


def _mt_bench_items(paths: Sequence[Path], near: Path) -> list[Item]:
    """Both turns of each question. In the second the model's own first answer stands before, which no item can hold."""
    asked: dict[str, list[str]] = {}
    category: dict[str, str] = {}
    gold: dict[str, list[str]] = {}
    for path in paths:
        for one in records(opened(path, near)):
            name = str(one.value.get("question_id"))
            if "turns" in one.value:
                asked[name] = question_turns(one)
                category[name] = str(one.value.get("category", ""))
            else:
                gold[name] = mt_bench_turns(one)
    if not asked:
        raise DataError(f"{paths[0]}: holds answers and no questions; name MT-bench's question.jsonl as well")
    found = []
    for cluster, (name, turns) in enumerate(asked.items()):
        for number in range(len(turns)):
            messages = [message for turn in turns[:number] for message in (*user(turn), _OWN_ANSWER)]
            reference = gold[name][number] if number < len(gold.get(name, ())) else None
            meta = {"id": f"{name}:{number + 1}", "category": category[name]}
            split = f"file:{paths[0].name}"
            found.append(_item([*messages, *user(turns[number])], reference, meta, cluster, split))
    return found


_OWN_ANSWER: Final = {"role": "assistant", "content": None}
