"""The exam of an evaluation: its items on disk, how many, of how many clusters, and a hash that names them."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation.errors import DataError
from curation.source import Source
from eval.items import Item, file_items, items
from eval.suite import Suite


@dataclass(frozen=True, slots=True)
class Exam:
    """limit: how many of `whole` items are asked; None: all."""

    split: str  # validation, or file:NAME
    version: str | None  # v3
    version_id: str | None
    items: int
    whole: int
    clusters: int
    sha256: str  # over the items asked, prompts and answers
    limit: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def told(self) -> str:
        """For people: validation of v1, 636 items (612 clusters)."""
        of = f" of {self.version}" if self.version else ""
        part = f"{self.items:,} of {self.whole:,} items" if self.items < self.whole else f"{self.items:,} items"
        return f"{self.split}{of}, {part} ({self.clusters:,} clusters)"


@dataclass(frozen=True, slots=True)
class Opened:
    """An exam, and its items again and again."""

    exam: Exam
    read: Callable[[], Iterator[Item]]


def open_exam(suite: Suite, source: Source | None, root: Path, limit: int | None = None) -> Opened:
    """The items that a suite names; `limit` of them are drawn by the hash of their ids, always the same.

    DataError where there is none.
    """
    whole = _reader(suite, source, root)
    split = (suite.split or "").partition("@")[0]
    chosen = None
    if limit is not None:
        chosen = set(heapq.nsmallest(limit, (_rank(item.item_id) for item in whole())))

    def read() -> Iterator[Item]:
        return (item for item in whole() if chosen is None or _rank(item.item_id) in chosen)

    digest, count, all_items = hashlib.sha256(), 0, 0
    clusters: set[int] = set()
    for item in whole():
        all_items += 1
        split = item.split
        if chosen is not None and _rank(item.item_id) not in chosen:
            continue
        count += 1
        clusters.add(item.cluster)
        digest.update(item.item_id.encode() + item.as_row()["sha256"].encode())
    if not count:
        where = f"{source.name}: its {split} split" if source else str(suite.file)
        raise DataError(f"{where} holds no question with an answer; name another, or build with more held out")
    name, version = (source.name, source.version_id) if source else (None, None)
    return Opened(Exam(split, name, version, count, all_items, len(clusters), digest.hexdigest(), limit), read)


def _reader(suite: Suite, source: Source | None, root: Path) -> Callable[[], Iterator[Item]]:
    if suite.file is not None:
        path = root / suite.file
        return lambda: file_items(path, root, suite.turns)
    assert source is not None
    split = (suite.split or "").partition("@")[0]
    return lambda: items(source, split, suite.turns)


def _rank(item_id: str) -> bytes:
    return hashlib.sha256(item_id.encode()).digest()[:16]
