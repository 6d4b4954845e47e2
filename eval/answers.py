"""A model's answers to an exam, and how likely it finds the gold ones: kept item by item, never made twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from eval.folder import EvalFolder
from eval.generation import GenerationSettings, Item, Responses, generate_batches, open_responses
from eval.likelihood import Asked, label_likelihoods, likelihoods
from eval.lookup import Lookup
from eval.subject import Subject, short_hash
from train.model.of_run import Loaded

OUTPUTS: Final = "outputs"  # in a run's folder: what was computed, by what it was computed with
_COLUMNS: Final = ["item_id", "messages", "tools", "answer", "prompt_sha256", "sha256"]
Advance = Callable[[int], None]


def _untold(done: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The open files of a model's answers, of its likelihoods of gold answers, and of the labels of a label task."""

    generated: Responses
    scored: Responses
    settings: GenerationSettings
    key: str  # names model and settings; part of each prediction's id
    labels: tuple[str, ...] = ()
    labelled: Responses | None = None

    def pending(self, folder: EvalFolder) -> tuple[int, int]:
        """How many answers, and how many likelihoods, are still to be computed."""
        counts = [0, 0]
        for row in _rows(folder, ["item_id", "prompt_sha256", "sha256"]):
            counts[0] += not self.generated.has(_asked_key(row))
            counts[1] += not self._is_scored(row)
        return counts[0], counts[1]

    def generate(
        self, loaded: Loaded, folder: EvalFolder, limit: int | None = None, advance: Advance = _untold
    ) -> None:
        """Answer what has no answer yet, at most `limit` items."""
        rows = _rows(folder, ["item_id", "messages", "tools", "prompt_sha256"])
        asked = (Item(_asked_key(row), _prompt(row)) for row in rows)
        done = 0
        for batch in generate_batches(loaded, islice(self.generated.pending(asked), limit), self.settings):
            self.generated.append([one.as_json() for one in batch])
            done += len(batch)
            advance(done)

    def score(self, loaded: Loaded, folder: EvalFolder, limit: int | None = None, advance: Advance = _untold) -> None:
        """Likelihoods of the gold answers (and of all labels) that have none yet, at most `limit`."""
        done = 0
        for batch in likelihoods(loaded, self._todo(self.scored, folder, limit)):
            lines = ({"item_id": one.key, "nll": one.nll, "tokens": one.tokens, "detail": one.detail} for one in batch)
            self.scored.append(list(lines))
            done += len(batch)
            advance(done)
        if self.labelled is not None:
            for told in label_likelihoods(loaded, self._todo(self.labelled, folder, limit), self.labels):
                found = ({"item_id": one.key, "logliks": one.logliks, "detail": one.detail} for one in told)
                self.labelled.append(list(found))

    def _is_scored(self, row: Mapping[str, Any]) -> bool:
        key = _scored_key(row)
        return self.scored.has(key) and (self.labelled is None or self.labelled.has(key))

    @staticmethod
    def _todo(kept: Responses, folder: EvalFolder, limit: int | None) -> Iterator[Asked]:
        rows = _rows(folder, ["item_id", "messages", "tools", "answer", "sha256"])
        asked = (Item(_scored_key(row), _record(row)) for row in rows)
        return (Asked(*one[:2]) for one in islice(kept.pending(asked), limit))


@contextmanager
def open_answers(subject: Subject, settings: GenerationSettings, labels: tuple[str, ...] = ()) -> Iterator[Answers]:
    """What this very model has answered before, with these settings; StoreBusyError if another process is at it."""
    identity = subject.identity()
    generating = {"model": identity, "generation": settings.as_json()}
    key = short_hash(generating)
    outputs = subject.folder / OUTPUTS
    with ExitStack() as stack:
        generated = stack.enter_context(open_responses(outputs / f"answers-{key}.jsonl", generating))
        scored = outputs / f"likelihood-{short_hash(identity)}.jsonl"
        likely = stack.enter_context(open_responses(scored, {"model": identity}))
        labelled = None
        if labels:
            asked = {"model": identity, "labels": list(labels)}
            labelled = stack.enter_context(open_responses(outputs / f"labels-{short_hash(asked)}.jsonl", asked))
        yield Answers(generated, likely, settings, key, labels, labelled)


def write_predictions(folder: EvalFolder, answers: Answers, run: str, touched: Collection[str] | None) -> None:
    """predictions.parquet, a line an item in the exam's order; what has no answer has finish_reason missing.

    `touched`: ids of items that the training held; None where nobody can tell.
    """
    folder.write("predictions", _predictions(folder, answers, run, touched))


def prediction_id(run: str, item: str, sample: int = 0) -> str:
    """16 hex digits. `run` names the model with its settings, `item` the item with its prompt."""
    return hashlib.sha256(orjson.dumps([run, item, sample])).hexdigest()[:16]


def _predictions(
    folder: EvalFolder, answers: Answers, run: str, touched: Collection[str] | None
) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        generated, scored = (stack.enter_context(Lookup.open(one.path)) for one in (answers.generated, answers.scored))
        labelled = stack.enter_context(Lookup.open(answers.labelled.path)) if answers.labelled else None
        for row in _rows(folder, None):
            asked = generated.get(_asked_key(row)) or {"finish_reason": "missing", "detail": "was not asked"}
            likely = scored.get(_scored_key(row)) or {}
            if labelled is not None:
                told = labelled.get(_scored_key(row)) or {}
                detail = likely.get("detail") or told.get("detail", "")
                likely = {**likely, "detail": detail, "label_logliks": told.get("logliks")}
            clean = None if touched is None else row["item_id"] not in touched
            yield {**prediction(row, f"{run}:{answers.key}", asked, likely), "clean": clean}


def prediction(row: Mapping[str, Any], run: str, asked: Mapping[str, Any], likely: Mapping[str, Any]) -> dict[str, Any]:
    """A line of PREDICTIONS: an item's row, what was answered (text, finish_reason ...), and nll and tokens."""
    kept = ("item_id", "row_id", "turn", "cluster", "split", "reference")
    numbers = ("finish_reason", "logprob_mean", "logprob_min", "logprob_first", "seconds")
    return {
        "prediction_id": prediction_id(run, _asked_key(row)),
        **{name: row[name] for name in kept},
        "sample": 0,
        "prompt": row["messages"],
        "output": asked.get("text"),
        "output_tokens": asked.get("tokens"),
        "detail": asked.get("detail") or likely.get("detail", ""),
        **{name: asked.get(name) for name in numbers},
        "reference_nll": likely.get("nll"),
        "reference_tokens": likely.get("tokens"),
        "label_logliks": likely.get("label_logliks"),
        "reference_chars": None if row["reference"] is None else len(row["reference"]),
    }


def _rows(folder: EvalFolder, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    for batch in folder.batches("items", columns):
        yield from batch.to_pylist()


def _asked_key(row: Mapping[str, Any]) -> str:
    return f"{row['item_id']}#{row['prompt_sha256']}"


def _scored_key(row: Mapping[str, Any]) -> str:
    return f"{row['item_id']}#{row['sha256']}"


def _prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"messages": orjson.loads(row["messages"])}
    return asked if row["tools"] is None else {**asked, "tools": orjson.loads(row["tools"])}


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    prompt = _prompt(row)
    return {**prompt, "messages": [*prompt["messages"], orjson.loads(row["answer"])]}
