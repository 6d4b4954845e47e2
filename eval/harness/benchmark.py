"""A task of lm-evaluation-harness as a benchmark: what is asked, what a model gets, a line an item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from curation.decontamination.evaluation_sets import EvaluationSet, Item
from curation.errors import ConfigError, CurateError, DataError
from curation.user_code import told
from eval.arc.draw import drawn
from eval.harness.model import harness_model
from eval.harness.numbers import AGGREGATIONS, kept
from eval.harness.tasks import doc_hash, harness_version, load_task, quiet
from eval.suite import BenchmarkChoice
from train.model.of_run import Loaded

REGIME = "lm_eval"


@dataclass(frozen=True, slots=True, eq=False)
class HarnessTask:
    """Ready to be asked. metrics: those whose corpus value can be computed anew; left_out: the others, by name."""

    choice: BenchmarkChoice
    task: Any
    sha256: str  # of its items and of its settings
    ids: tuple[str, ...]  # of the items asked
    places: tuple[int, ...]  # of these among the task's items
    whole: int
    shots: int
    metrics: Mapping[str, Mapping[str, Any]]
    left_out: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def regime(self) -> str:
        return REGIME

    @property
    def identity(self) -> list[Any]:
        """What decides about the scores, beside the model."""
        asked = hashlib.sha256("\n".join(self.ids).encode()).hexdigest()
        return [self.sha256, self.signature, asked, []]

    @property
    def signature(self) -> str:
        settings = self.choice.settings
        asked = "chat" if settings.chat else f"plain, bos {settings.bos}"
        seed = f", seed {settings.seed}" if self.shots else ""
        name = getattr(self.task.config, "task", None) or self.choice.name
        version = f"version {self.task.VERSION}"
        return f"lm_eval {harness_version()} {name}, {version}, num_fewshot {self.shots}{seed}, {asked}"

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.choice.label,
            "file": self.choice.name,
            "sha256": self.sha256,
            "signature": self.signature,
            "items": self.count,
            "whole": self.whole,
            "metrics": {name: dict(how) for name, how in self.metrics.items()},
        }

    def lines(self, loaded: Loaded, progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
        return self._asked(loaded, self.places, lambda done: progress(self.count, self.count))

    def probe(self, loaded: Loaded, count: int) -> None:
        """Ask a few of all over it, to see how long they take."""
        step = max(1, self.count // count)
        self._asked(loaded, self.places[::step][:count], lambda done: None)

    def evaluation_set(self) -> EvaluationSet:
        """Its items as a build looks for them in training data."""
        docs = list(self.task.eval_docs)
        read = (self._item(item, docs[place]) for item, place in zip(self.ids, self.places, strict=True))
        return EvaluationSet(self.choice.name, self.sha256, tuple(read))

    def _item(self, item: str, doc: Mapping[str, Any]) -> Item:
        stem, choices = str(self.task.doc_to_text(doc)), self._choices(doc)
        target = self.task.doc_to_target(doc)
        right = target if isinstance(target, int) and 0 <= target < len(choices) else None
        answer = choices[right] if right is not None else "" if isinstance(target, int | list) else str(target)
        return Item(item, stem, tuple(choices), answer, (), right)

    def _choices(self, doc: Mapping[str, Any]) -> list[str]:
        if getattr(self.task.config, "doc_to_choice", None) is None or self.task.OUTPUT_TYPE != "multiple_choice":
            return []
        return [str(choice) for choice in self.task.doc_to_choice(doc)]

    def _asked(self, loaded: Loaded, places: Sequence[int], tell: Callable[[int], None]) -> list[dict[str, Any]]:
        from lm_eval.evaluator import evaluate

        settings, label = self.choice.settings, self.choice.label
        name = str(getattr(self.task.config, "task", None) or label)
        self.task.set_fewshot_seed(settings.seed)
        with quiet():
            try:
                found = evaluate(
                    harness_model(loaded, settings, self.shots, label, tell),
                    {"tasks": {name: self.task}, "groups": {}, "group_map": {}},
                    samples={name: list(places)},
                    bootstrap_iters=0,
                    apply_chat_template=settings.chat,
                    fewshot_as_multiturn=settings.chat,
                )
            except CurateError:
                raise
            except Exception as error:  # a task is a program of others
                raise DataError(f"{label}: the harness stopped ({told(error)})") from error
        ids = dict(zip(self.places, self.ids, strict=True))
        samples: dict[int, list[Mapping[str, Any]]] = {}
        for sample in found["samples"][name]:
            samples.setdefault(sample["doc_id"], []).append(sample)
        return [self._line(ids[place], samples[place]) for place in places]

    def _line(self, item: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """One item; `samples` has one entry a filter of the task."""
        first, scores = samples[0], dict[str, Any]()
        for sample in samples:
            for metric in sample["metrics"]:
                name = _named(metric, sample["filter"])
                if name in self.metrics:
                    scores[name] = kept(sample[metric], self.metrics[name]["aggregation"])
        choices = self._choices(first["doc"])
        logliks = [float(answer[0]) for answer in first["filtered_resps"]] if choices else []
        if len(logliks) != len(choices) or any(value != value for value in logliks):
            scores = dict.fromkeys(scores) if len(logliks) == len(choices) else scores  # NaN: missing, not wrong
            choices, logliks = [], []
        target = first["target"]
        return {
            "item_id": item,
            "gold": target if choices and isinstance(target, int) and 0 <= target < len(choices) else None,
            "logliks": logliks or None,
            "lengths": [len(choice) for choice in choices] or None,
            "acc": scores.get("acc"),
            "acc_norm": scores.get("acc_norm"),
            "scores": orjson.dumps(scores).decode(),
        }


def open_task(choice: BenchmarkChoice, root: Path, limit: int | None, trusted: bool) -> HarnessTask:
    """The task with its data; NotHereError where that would have to be fetched, ConfigError if it cannot be asked."""
    task = load_task(choice.name, root, trusted)
    docs = list(task.eval_docs)
    if not docs:
        raise DataError(f"{choice.label}: has no items; see its data")
    ids = _ids(docs)
    places = drawn(ids, limit)
    shots = _set_shots(task, choice)
    metrics, left_out = _metrics(task)
    if not metrics:
        raise ConfigError(f"{choice.label}: none of its metrics is computed item by item ({', '.join(left_out)})")
    told_config = {key: str(value) for key, value in task.config.to_dict().items() if "0x" not in str(value)}
    told_config = {key: value for key, value in told_config.items() if key != "dataset_kwargs"}
    text = json.dumps([told_config, [doc_hash(doc) for doc in docs]], sort_keys=True)
    return HarnessTask(
        choice,
        task,
        hashlib.sha256(text.encode()).hexdigest(),
        tuple(ids[place] for place in places),
        tuple(places),
        len(docs),
        shots,
        metrics,
        left_out,
    )


def _ids(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The items' own ids where each has one of its own, else their places."""
    own = [doc.get("id") for doc in docs]
    if all(isinstance(one, str | int) for one in own) and len(set(own)) == len(own):
        return [str(one) for one in own]
    return [str(place) for place in range(len(docs))]


def _set_shots(task: Any, choice: BenchmarkChoice) -> int:
    """As many as the task says, unless the suite does; a task that has 0 of its own keeps it, as in the harness."""
    own = task.config.num_fewshot
    shots = (own or 0) if choice.own_shots or own == 0 else choice.settings.shots
    task.set_config("num_fewshot", shots)
    if shots and task.fewshot_docs() is None:
        raise ConfigError(f"{choice.label}: the task has no split that {shots} examples could be drawn from")
    return int(shots)


def _metrics(task: Any) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Metric, with its filter where it has one -> how it is aggregated; and those that need all items at once."""
    better, found, left_out = task.higher_is_better(), dict[str, dict[str, Any]](), []
    filters = [one.name for one in getattr(task, "_filters", ())] or ["none"]
    for metric, how in task.aggregation().items():
        name = getattr(how, "__name__", str(how))
        if name not in AGGREGATIONS:
            left_out.append(f"{metric} ({name})")
            continue
        for one in filters:
            told_better = {"aggregation": name, "higher_is_better": bool(better.get(metric, True))}
            found[_named(metric, one)] = told_better
    return found, tuple(left_out)


def _named(metric: str, of_filter: str) -> str:
    """As the harness names it: exact_match, or exact_match,strict-match."""
    return metric if of_filter == "none" else f"{metric},{of_filter}"
