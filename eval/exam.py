"""The exam of an evaluation: its items on disk, how many, of how many clusters, and a hash that names them."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation.errors import DataError
from curation.patches.spent import spent_as_now, spent_items
from curation.source import Source
from eval.items import Item, file_items, items
from eval.suite import Suite


@dataclass(frozen=True, slots=True)
class Exam:
    """limit: how many of `whole` items are asked; None: all. spent: items more, asked no longer, for a patch was made
    from what a model said to them."""

    split: str  # validation, or file:NAME
    version: str | None  # v3
    version_id: str | None
    items: int
    whole: int
    clusters: int
    sha256: str  # over the items asked, prompts and answers
    limit: int | None = None
    spent: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def told(self) -> str:
        """For people: validation of v1, 636 items (612 clusters)."""
        of = f" of {self.version}" if self.version else ""
        part = f"{self.items:,} of {self.whole:,} items" if self.items < self.whole else f"{self.items:,} items"
        spent = f", {self.spent:,} spent ones left out" if self.spent else ""
        return f"{self.split}{of}, {part} ({self.clusters:,} clusters){spent}"


@dataclass(frozen=True, slots=True)
class Opened:
    """An exam, and its items again and again."""

    exam: Exam
    read: Callable[[], Iterator[Item]]


def open_exam(suite: Suite, source: Source | None, root: Path, limit: int | None = None) -> Opened:
    """The items that a suite names but those that are spent; `limit` of them are drawn by the hash of their ids, always
    the same.

    DataError where there is none.
    """
    everything, gone = _reader(suite, source, root), spent_in(root, source)
    split = (suite.split or "").partition("@")[0]
    chosen = None
    if limit is not None:
        ranks = (_rank(item.item_id) for item in everything() if item.item_id not in gone)
        chosen = set(heapq.nsmallest(limit, ranks))

    def asked(item: Item) -> bool:
        return item.item_id not in gone and (chosen is None or _rank(item.item_id) in chosen)

    digest, count, whole, spent = hashlib.sha256(), 0, 0, 0
    clusters: set[int] = set()
    for item in everything():
        split = item.split
        left = item.item_id in gone
        spent, whole = spent + left, whole + (not left)
        if asked(item):
            count += 1
            clusters.add(item.cluster)
            digest.update(item.item_id.encode() + item.as_row()["sha256"].encode())
    if not count:
        where = f"{source.name}: its {split} split" if source else str(suite.file)
        others = f" but {spent:,} that patches were made from" if spent else ""
        raise DataError(f"{where} holds no question with an answer{others}; name another, or build with more held out")
    name, version = (source.name, source.version_id) if source else (None, None)
    exam = Exam(split, name, version, count, whole, len(clusters), digest.hexdigest(), limit, spent)
    return Opened(exam, lambda: (item for item in everything() if asked(item)))


def require_labels(suite: Suite, opened: Opened) -> None:
    """DataError for references that are none of the suite's labels: no answer could ever be right for them."""
    if not suite.labels:
        return
    from eval.metrics.matching import plain

    known = {plain(label) for label in suite.labels}
    others = [
        (item.item_id, item.reference)
        for item in opened.read()
        if item.reference is not None and plain(item.reference) not in known
    ]
    if others:
        name, said = others[0]
        shown = " ".join(said.split())
        raise DataError(
            f"{opened.exam.split}: {len(others):,} of {opened.exam.items:,} references are none of the suite's labels "
            f"({', '.join(suite.labels)}), the first is {shown[:40]!r} of item {name}; add it to labels, or repair it"
        )


def spent_in(root: Path, source: Source | None) -> frozenset[str]:
    """Ids of items, as a version has them, that no score may count any more."""
    if source is None or source.kind == "pack" or not spent_items(root):
        return spent_items(root)
    from curation.store import open_store
    from curation.workspace import open_workspace

    store = open_store(open_workspace(source.place).store_path)
    return spent_as_now(root, store.table(store.resolve(source.version_id), "patches"))


def _reader(suite: Suite, source: Source | None, root: Path) -> Callable[[], Iterator[Item]]:
    if suite.file is not None:
        path = root / suite.file
        return lambda: file_items(path, root, suite.turns)
    assert source is not None
    split = (suite.split or "").partition("@")[0]
    return lambda: items(source, split, suite.turns)


def _rank(item_id: str) -> bytes:
    return hashlib.sha256(item_id.encode()).digest()[:16]
