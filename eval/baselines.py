"""What costs nothing to try before a training: copying the nearest training answer, or showing the base a few."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from curation.errors import ConfigError, CurateError, DataError
from curation.progress import Progress
from curation.records import sides
from curation.runs import RunPlace, list_runs, read_run
from curation.source import Source
from curation.templates.refusal import TemplateRefusal
from eval.exam import Opened
from eval.folder import EvalFolder, latest_eval
from eval.generation import GenerationSettings, generate_batches
from eval.generation import Item as Question
from eval.items import Item
from eval.measuring import Trust
from eval.nearest import ShingleIndex
from eval.recorded import NO_TRUST, Recorded, Sat, asked_key, kept_answers, record, recorded_folder
from eval.subject import Subject, short_hash
from eval.suite import Suite
from train.model.of_run import Loaded
from train.model.template import with_system

Choice = Literal["nearest", "seeded"]
NEAREST: Final = "nearest training answer"
_ASKED_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Shots:
    """How many training examples stand before a question: those most like it, or the same ones drawn for all."""

    count: int = 4
    choice: Choice = "nearest"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"examples must be at least 1, not {self.count}; without any it is the base itself")

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"shots": self.count, "choice": self.choice}
        return told if self.choice == "nearest" else {**told, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class _Example:
    row_id: str
    prompt: str
    answer: str
    messages: Sequence[Mapping[str, Any]]

    @property
    def is_single(self) -> bool:
        """Whether it is one question and its answer, which can stand before any other question."""
        return [one["role"] for one in self.messages if one["role"] != "system"] == ["user", "assistant"]


class Examples:
    """The training rows of a version by their row_id, looked up by how much of their prompt they share."""

    def __init__(self, version: Source) -> None:
        rows = sorted(_examples(version), key=lambda one: one.row_id)  # the first of equals does not hang on an order
        if not rows:
            raise DataError(f"{version.name}: its train split has no answer that could be copied or shown")
        self.rows: Sequence[_Example] = rows
        self.source = version

    @cached_property
    def _index(self) -> ShingleIndex:
        return ShingleIndex([one.prompt for one in self.rows])

    def like(self, prompts: Sequence[str], count: int, single: bool = False) -> Iterator[list[tuple[_Example, float]]]:
        """For each prompt the rows nearest to it with their similarity (Jaccard of character 5-grams), best first.

        Ties go to the smaller row_id. Where fewer share anything with it, the first rows fill up, with similarity 0.
        """
        for start in range(0, len(prompts), _ASKED_AT_ONCE):
            for near in self._index.like(prompts[start : start + _ASKED_AT_ONCE]):
                ranked = near[np.lexsort((near["text"], -near["similarity"]))]
                chosen = self._taken(zip(ranked["text"].tolist(), ranked["similarity"].tolist(), strict=True), single)
                yield [one for _, one in zip(range(count), chosen, strict=False)]

    def drawn(self, shots: Shots) -> list[_Example]:
        """The same rows for every question, by the hash of seed and row_id."""
        single = [one for one in self.rows if one.is_single]
        return sorted(single, key=lambda one: hashlib.sha256(f"{shots.seed}:{one.row_id}".encode()).digest())[
            : shots.count
        ]

    def _taken(self, ranked: Iterable[tuple[int, float]], single: bool) -> Iterator[tuple[_Example, float]]:
        seen = set()
        for text, similarity in ranked:
            seen.add(text)
            if not single or self.rows[text].is_single:
                yield self.rows[text], similarity
        yield from (
            (one, 0.0) for text, one in enumerate(self.rows) if text not in seen and (one.is_single or not single)
        )


def nearest_answers(
    place: RunPlace,
    examples: Examples,
    opened: Opened,
    suite: Suite,
    trust: Trust = NO_TRUST,
    touched: Collection[str] | None = None,
) -> Sat:
    """The baseline without a model: each item gets the answer of the training row whose prompt is most like its own."""
    version = examples.source
    identity = {"baseline": "nearest", "version": version.version_id}
    asked = list(opened.read())
    prompts = [_prompt(item) for item in asked]
    answers, similarity = {}, []
    for item, found in zip(asked, examples.like(prompts, 1), strict=True):
        (nearest, shared) = found[0]
        answers[item.item_id] = {"text": nearest.answer, "finish_reason": "stop"}
        similarity.append(shared)
    told = {"baseline": "nearest", "similarity_median": float(np.median(similarity))}
    origin = f"the nearest training answer of {version.name}, copied"
    who = Recorded(NEAREST, identity, origin, version=_told_version(version), settings=told)
    return record(place, who, opened, suite, answers, trust, touched)


def few_shot(
    place: RunPlace,
    base: Subject,
    examples: Examples,
    opened: Opened,
    suite: Suite,
    shots: Shots,
    loaded: Callable[[], Loaded],
    progress: Progress,
    trust: Trust = NO_TRUST,
    touched: Collection[str] | None = None,
) -> Sat:
    """The base model with training examples as earlier turns of the conversation, in the chat template.

    The nearest example stands last. Where not all fit into the context, the farthest are left out, none is cut;
    settings.shots_used says how many items got how many. `loaded` is called only where the model has to be asked.
    """
    version = examples.source
    identity = {
        "baseline": "few-shot",
        "model": base.identity(),
        "version": version.version_id,
        **shots.as_json(),
        "generation": suite.generation.as_json(),
    }
    name = f"{base.files.run.base}, {shots.count} examples"
    origin = f"{shots.count} training rows of {version.name} ({shots.choice}) before each question"
    of, run = base.files.run, _told_version(version)
    settings = {"baseline": "few-shot", "generation": suite.generation.as_json(), **shots.as_json()}
    who = Recorded(name, identity, origin, base_model=of.base_model, version=run, settings=settings)
    folder = recorded_folder(place, who)
    asked = list(opened.read())
    shown = _shown(asked, examples, shots)
    used: dict[str, int] = {}
    progress.stage(f"answers of {name}", len(asked), "items")
    answers = kept_answers(
        folder / "outputs" / f"answers-{short_hash(identity)}.jsonl",
        identity,
        ((item.item_id, Question(asked_key(item), item.prompt)) for item in asked),
        lambda questions: generate_batches(
            loaded(), _with_examples(questions, shown, loaded(), suite.generation, used), suite.generation
        ),
        progress.advance,
        lambda key: {"shots": used[key]},
    )
    progress.stage(f"measuring {name}")
    counted = dict(sorted(Counter(str(answer["shots"]) for answer in answers.values()).items()))
    who = replace(who, settings={**settings, "shots_used": counted})
    return record(place, who, opened, suite, answers, trust, touched)


def find_baselines(experiments: Path, exam_sha256: str) -> list[EvalFolder]:
    """The newest evaluation of every baseline that sat this very exam (`sha256` of the exam in settings)."""
    found = []
    for folder in list_runs(experiments):
        try:
            if not read_run(folder).settings.get("baseline"):
                continue
            last = latest_eval(folder)
        except CurateError:
            continue
        if last is not None and last.run.settings["exam"]["sha256"] == exam_sha256:
            found.append(last)
    return found


def _shown(asked: Sequence[Item], examples: Examples, shots: Shots) -> dict[str, list[_Example]]:
    """For each item's key its examples, the one nearest to it last."""
    if shots.choice == "seeded":
        drawn = examples.drawn(shots)
        return {asked_key(item): drawn for item in asked}
    near = examples.like([_prompt(item) for item in asked], shots.count, single=True)
    return {asked_key(item): [one for one, _ in reversed(found)] for item, found in zip(asked, near, strict=True)}


def _with_examples(
    questions: Iterable[Question],
    shown: Mapping[str, Sequence[_Example]],
    loaded: Loaded,
    settings: GenerationSettings,
    used: dict[str, int],
) -> Iterator[Question]:
    for question in questions:
        examples = list(shown[question.item_id])
        while True:
            record = before(question.record, [one.messages for one in examples])
            if not examples or _fits(loaded, record, settings):
                break
            examples.pop(0)
        used[question.item_id] = len(examples)
        yield question._replace(record=record)


def before(record: Mapping[str, Any], examples: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The record with examples as earlier turns: behind its system text, without theirs."""
    messages = list(record["messages"])
    system = [one for one in messages[:1] if one["role"] == "system"]
    turns = [one for example in examples for one in example if one["role"] != "system"]
    return {**record, "messages": [*system, *turns, *messages[len(system) :]]}


def _fits(loaded: Loaded, record: Mapping[str, Any], settings: GenerationSettings) -> bool:
    try:
        ids = loaded.template.prompt_ids(loaded.tokenizer, with_system(record, loaded.system_prompt))
    except TemplateRefusal as refusal:
        raise ConfigError(
            f"template {loaded.template.name}: has no place for examples before a question ({refusal.detail}); "
            "leave the few-shot baseline out"
        ) from None
    return not loaded.context or len(ids) + settings.max_new_tokens <= loaded.context


def _examples(version: Source) -> Iterator[_Example]:
    for row in version.stream("train"):
        messages = list(row.record["messages"])
        _, _, prompt, answer = sides(messages)
        if answer and not row.record.get("tools"):
            yield _Example(row.row_id, prompt, answer, messages)


def _prompt(item: Item) -> str:
    return sides(list(item.record["messages"]))[2]


def _told_version(version: Source) -> dict[str, Any]:
    return {"name": version.name, "id": version.version_id, "source": version.kind}
