"""The training rows most like a prediction, with where they come from and what is known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np
import orjson
import pyarrow.compute as pc

from curation.records import sides
from curation.row_losses import read_row_losses
from curation.store import Store, VersionInfo
from eval.metrics.tokens import arrow
from eval.nearest import ShingleIndex, nearest

if TYPE_CHECKING:
    from eval.tags import Copy, Prediction  # with every rule

NEAREST: Final = 5
SAME: Final = 0.5  # Jaccard of character 5-grams; as between two prompts that a split keeps together
_LEAST: Final = 0.1  # similarity below which two texts are not alike at all


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """notes: what the build flagged and which patches changed it. loss: of the last visit in training."""

    row_id: str
    source: str
    line: int
    prompt: str
    answer: str
    notes: tuple[str, ...] = ()
    loss: float | None = None

    @property
    def place(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """similarity: the mean of both sides' Jaccard similarities of sequences of five characters. same: it asks the same,
    where that was looked at."""

    row: TrainingRow
    similarity: float
    prompt: float
    answer: float
    same: bool = False

    @property
    def alike(self) -> str:
        """In words: `asks the same, 0.54 alike`."""
        return f"{'asks the same, ' * self.same}{self.similarity:.2f} alike"


@dataclass(frozen=True, slots=True)
class Neighbours:
    rows: Sequence[TrainingRow]
    by_prediction: Mapping[str, Sequence[Neighbour]] = field(default_factory=dict)  # nearest first


def training_rows(store: Store, version: VersionInfo, run: Path | None = None) -> list[TrainingRow]:
    """The rows of a version's train split, each record once, in build order; losses where the run stored them."""
    ledger = store.table(version, "ledger", ["row_id", "source", "line", "verdict", "split"])
    train = ledger.filter(pc.and_(pc.equal(ledger["verdict"], "kept"), pc.equal(ledger["split"], "train")))
    kept = {entry["row_id"]: entry for entry in reversed(train.to_pylist())}
    stored = {row["row_id"]: row["record"] for row in store.rows(version, list(kept)).to_pylist()}
    notes = _notes(store, version)
    losses = {row.row_id: row.last for row in read_row_losses(run)} if run is not None else {}
    rows = []
    for row_id, entry in reversed(kept.items()):
        _, _, prompt, answer = sides(orjson.loads(stored[row_id])["messages"])
        name = str(UUID(bytes=row_id))
        noted = tuple(notes.get(row_id, ()))
        rows.append(TrainingRow(name, entry["source"], entry["line"], prompt, answer, noted, losses.get(name)))
    return rows


def _notes(store: Store, version: VersionInfo) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = defaultdict(list)
    for flag in store.table(version, "flags", ["row_id", "reason"]).to_pylist():
        found[flag["row_id"]].append(flag["reason"])
    for line in store.table(version, "patches", ["result_row_id", "patch", "op"]).to_pylist():
        if line["result_row_id"] is not None:
            found[line["result_row_id"]].append(f"{line['op']} by {line['patch']}")
    return found


class TrainingIndex:
    """Rows that predictions are compared with, prepared once."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self.rows = rows
        self._prompts = ShingleIndex([row.prompt for row in rows])
        self._answers = ShingleIndex([row.answer for row in rows])

    def near(self, asked: Sequence[str], said: Sequence[str], nearest: int = NEAREST) -> list[list[Neighbour]]:
        """For each question with its answer the rows most like both together; equals in build order."""
        pairs = zip(self._prompts.like(asked), self._answers.like(said), strict=True)
        return [_best(one, two, self.rows, nearest, set()) for one, two in pairs]

    def behind(self, asked: str, said: str, nearest: int = NEAREST) -> list[Neighbour]:
        """The rows that may have taught an answer: first those that ask the same, each lot as `near` orders them.

        A row about another code is often more alike than the one that taught the answer, in other words.
        """
        (prompts,), (answers,) = self._prompts.like([asked]), self._answers.like([said])
        return _best(prompts, answers, self.rows, nearest, self._same(asked, prompts))

    def _same(self, asked: str, prompts: Any) -> set[int]:
        """No number, code, unit, date or negation differs, and a code is named or the wordings are alike."""
        from curation.facts import KINDS  # compiled: a report reads rows alone

        own = _facts([asked])[0]
        equal = np.flatnonzero((self._rows_facts == own).all(axis=1))
        if own[KINDS.index("code")]:
            return set(equal.tolist())
        return set(equal.tolist()) & set(prompts["text"][prompts["similarity"] >= SAME].tolist())

    @cached_property
    def _rows_facts(self) -> Any:
        return _facts([row.prompt for row in self.rows])


def _facts(prompts: Sequence[str]) -> Any:
    """What each names, [texts, kinds]."""
    from curation.facts import facts_of

    return facts_of(arrow(prompts)).signatures


def neighbours(predictions: Sequence[Prediction], rows: Sequence[TrainingRow], nearest: int = NEAREST) -> Neighbours:
    """For each prediction the rows whose prompt and answer together are most like its own; equals in build order."""
    found = TrainingIndex(rows).near([p.asked for p in predictions], [p.text for p in predictions], nearest)
    return Neighbours(rows, {p.id: near for p, near in zip(predictions, found, strict=True)})


def _best(one: Any, two: Any, rows: Sequence[TrainingRow], nearest: int, same: Collection[int]) -> list[Neighbour]:
    """`same`: rows that come first."""
    prompt, answer = (np.zeros(len(rows)) for _ in range(2))
    prompt[one["text"]] = one["similarity"]
    answer[two["text"]] = two["similarity"]
    both = (prompt + answer) / 2
    first = np.zeros(len(rows), np.bool_)
    first[list(same)] = True
    alike = np.flatnonzero(first | (both >= _LEAST))
    best = alike[np.lexsort((alike, -both[alike], ~first[alike]))][:nearest].tolist()
    return [Neighbour(rows[i], float(both[i]), float(prompt[i]), float(answer[i]), bool(first[i])) for i in best]


def copies(predictions: Sequence[Prediction], rows: Sequence[TrainingRow]) -> dict[str, Copy]:
    """Prediction -> the training answer it is most like, by sequences of five words."""
    from eval.tags import Copy

    found = nearest([p.text for p in predictions], [row.answer for row in rows], "auto", 5)
    return {
        prediction.id: Copy(rows[near.text].row_id, rows[near.text].place, near.similarity)
        for prediction, near in zip(predictions, found, strict=True)
        if near is not None
    }
