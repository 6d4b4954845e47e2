"""Which items of an exam or a benchmark the training data held: by the version's stored evidence, else looked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from curation.decontamination.evaluation_sets import EvaluationSet, Item
from curation.records import sides
from curation.source import ClusteredRow, Source
from curation.stages.decontaminate import DecontaminateConfig, find_contamination
from eval.benchmarks import Sat
from eval.exam import Opened

_ROWS: Final = 50_000  # looked through at a time ...
_ITEMS: Final = 10_000  # ... for so many items of an exam
_TRAIN: Final = "train"


def touched_questions(trained: Source, benchmark: Sat) -> frozenset[str]:
    """Ids of the benchmark's questions that stand in the training split of a version."""
    stored = _stored(trained, benchmark.sha256)
    if stored is not None:
        return stored
    return _looked_for(trained, benchmark.evaluation_set())


def touched_items(trained: Source, exam_source: Source | None, opened: Opened) -> frozenset[str]:
    """Ids of the exam's items that the training split of a version holds, or a row of their cluster.

    Of the version's own held-out splits none is, which the build saw to; a file's items are looked for.
    """
    if exam_source is None:
        asked = (
            Item(one.item_id, sides([dict(message) for message in one.record["messages"]])[2], (), one.reference or "")
            for one in opened.read()
        )
        found: set[str] = set()
        while chunk := tuple(islice(asked, _ITEMS)):
            found |= _looked_for(trained, EvaluationSet("exam", opened.exam.sha256, chunk))
        return frozenset(found)
    if exam_source.version_id == trained.version_id and opened.exam.split != _TRAIN:
        return frozenset()
    known = {row.row_id for row in trained.stream(_TRAIN)}
    splits = ("train", "validation", "test")
    clusters = {row.cluster for split in splits for row in exam_source.stream(split) if row.row_id in known}
    return frozenset(one.item_id for one in opened.read() if one.row_id in known or one.cluster in clusters)


def _stored(trained: Source, sha256: str) -> frozenset[str] | None:
    """What the build found of a file with these bytes in rows that it kept for training; None if it did not look."""
    if trained.kind == "pack":
        return None
    from curation.store import open_store
    from curation.workspace import open_workspace

    store = open_store(open_workspace(trained.place).store_path)
    version = store.resolve(trained.version_id)
    if sha256 not in {one["sha256"] for one in version.stats.get("evaluation_sets") or ()}:
        return None
    held = store.table(version, "contamination", ["set_sha256", "item", "row_id", "dropped"])
    members = store.table(version, "members", ["split", "row_id"])
    train = members.filter(pc.equal(members["split"], _TRAIN))["row_id"].combine_chunks()
    held = held.filter(pc.and_(pc.equal(held["set_sha256"], sha256), pc.is_in(held["row_id"], value_set=train)))
    return frozenset(held["item"].to_pylist())


def _looked_for(trained: Source, asked: EvaluationSet) -> frozenset[str]:
    told = trained.recipe.get("decontaminate") or {}
    shares = {name: told[name] for name in ("coverage", "coverage_with_choices") if name in told}
    config = DecontaminateConfig(against=(asked.name,), action="report", **shares)
    found: set[str] = set()
    for rows in _tables(trained.stream(_TRAIN)):
        found.update(find_contamination(rows, config, Path(), (asked,)).matches["item"].to_pylist())
    return frozenset(found)


def _tables(rows: Iterable[ClusteredRow]) -> Iterator[Any]:
    """The rows as a build sees them, some at a time."""
    source = iter(rows)
    while chunk := list(islice(source, _ROWS)):
        parts = [sides(list(row.record["messages"])) for row in chunk]
        texts = {name: [part[at] for part in parts] for at, name in ((1, "system"), (2, "prompt"), (3, "answer"))}
        columns = {name: pa.array(column, pa.large_string()) for name, column in texts.items()}
        yield pa.table({"pos": pa.array(range(len(chunk)), pa.int64()), **columns})
