"""Answers on disk as they come: one line an item, kept through kill -9, and gone on with from there."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import orjson

from curation.errors import ConfigError, DataError, StoreBusyError
from curation.store.files import disk_errors, replace_file, sync_folder
from eval.generation.generate import Generated, Item, generate_batches
from eval.generation.settings import GenerationSettings
from train.model.of_run import Loaded

SETTINGS: Final = ".settings.json"  # behind the file's name: what its answers were made with
_BLOCK: Final = 1 << 16


class Responses:
    """An open file of answers. Of an item that is done only a hash of its id is held in memory."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._done = {_key(told["item_id"]) for told in _lines(path)}

    @property
    def done(self) -> int:
        return len(self._done)

    def has(self, item_id: str) -> bool:
        return _key(item_id) in self._done

    def pending(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that have no line yet; DataError for an id that comes twice."""
        seen: set[bytes] = set()
        for item in items:
            key = _key(item.item_id)
            if key in seen:
                raise DataError(f'item id "{item.item_id}" comes twice; give each item an id of its own')
            seen.add(key)
            if key not in self._done:
                yield item

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Add finished items, each with its item_id; when this returns they are on disk."""
        with disk_errors(self.path, "the answers before stay; run the same command again to go on"):
            self._file.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        self._done.update(_key(line["item_id"]) for line in lines)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line as it stands on disk, in the order in which they were done."""
        return _lines(self.path)


@contextmanager
def open_responses(path: Path, settings: Mapping[str, Any]) -> Iterator[Responses]:
    """The file of answers made with these settings (whatever decides about them), a new one or one begun before.

    ConfigError where it was begun with other settings or is something else; StoreBusyError where another process
    writes to it. A last line that was cut short is taken away, and its item done again.
    """
    with disk_errors(path, "no answer was written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusyError(f"{path}: another process is writing to it; wait for its end, or stop it") from None
        with disk_errors(path, "no answer was written"):
            _settle(path, settings)
            _cut_torn_line(path)
        yield Responses(path, file)


def answer_all(
    loaded: Loaded,
    items: Iterable[Item],
    settings: GenerationSettings,
    responses: Responses,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Append an answer to every item that has none yet; `progress` is told how many were done by this call."""
    held: dict[str, Item] = {}
    before = responses.done

    def pending() -> Iterator[Item]:
        for item in responses.pending(items):
            held[item.item_id] = item
            yield item

    for batch in generate_batches(loaded, pending(), settings):
        responses.append([_line(held.pop(found.item_id), found) for found in batch])
        progress(responses.done - before)


def _line(item: Item, found: Generated) -> dict[str, Any]:
    told = found.as_json()
    answer = {"item_id": told.pop("item_id"), "messages": item.record["messages"], "response": told.pop("text")}
    return {**answer, **({} if item.reference is None else {"reference": item.reference}), **told}


def _settle(path: Path, settings: Mapping[str, Any]) -> None:
    """Write down what the answers are made with, or compare it with what stands there."""
    beside = path.with_name(path.name + SETTINGS)
    digest = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if not beside.is_file():
        if path.stat().st_size:
            raise ConfigError(f"{path}: is there already, and nothing says what made it; name another file")
        told = {"settings": settings, "sha256": digest}
        replace_file(beside, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        sync_folder(path.parent)
        return
    try:
        told = orjson.loads(beside.read_bytes())
        before, same = dict(told["settings"]), told["sha256"] == digest
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise ConfigError(f"{beside}: is damaged; remove it and {path.name}, or name another file") from None
    if not same:
        keys = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
        raise ConfigError(f"{path}: was begun with another {', '.join(keys)}; use the same, or name another file")


def _cut_torn_line(path: Path) -> None:
    """Whatever stands behind the last line break was not finished."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        place = end
        while place:
            start = max(0, place - _BLOCK)
            file.seek(start)
            found = file.read(place - start).rfind(b"\n")
            if found >= 0:
                place = start + found + 1
                break
            place = start
        if place < end:
            file.truncate(place)
            os.fsync(file.fileno())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                told: dict[str, Any] = orjson.loads(line)
                told["item_id"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                raise DataError(f"{path}:{number}: is not an answer; repair the line, or remove the file") from None
            yield told


def _key(item_id: str) -> bytes:
    return hashlib.blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
