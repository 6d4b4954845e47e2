"""Answers that no training of ours gave (imported, of an endpoint, of a baseline), kept and measured as any others."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from curation.environment import environment
from curation.errors import DataError, StoreBusyError
from curation.records import canonical
from curation.runs import Provenance, Run, RunPlace, new_run_folder, readable_runs, utc_now, working_on, write_run
from eval.answers import prediction
from eval.exam import Exam, Opened, require_labels
from eval.folder import EvalFolder, evals, new_eval
from eval.generation import Generated, open_responses
from eval.generation import Item as Question
from eval.items import Item
from eval.measuring import Trust, measured
from eval.recompute import require_answers, write_numbers
from eval.subject import short_hash
from eval.suite import Primary, Suite

NO_TRUST: Final = Trust()
NOT_ASKED: Final = {"finish_reason": "missing", "detail": "was not asked"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """Who gave the answers. identity: what decides about them; the same one shares a folder."""

    name: str  # for people
    identity: Mapping[str, Any]
    origin: str
    provenance: Provenance = "curate"
    base_model: Mapping[str, Any] | None = None  # None: known by its name alone
    version: Mapping[str, Any] | None = None  # what its prompts or answers were taken from
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_run(self, name: str) -> Run:
        """run.json of its folder."""
        return Run(
            name=name,
            kind="predictions",
            state="done",
            started=utc_now(),
            base_model=self.base_model or {"name": self.name},
            provenance=self.provenance,
            origin=self.origin,
            version=self.version,
            settings={"name": self.name, "identity": dict(self.identity), **self.settings},
            **environment(),
        )

    @property
    def called(self) -> str:
        """In a complaint: the file they came in, or the model."""
        return str(self.settings.get("file", self.name))


class Given(Protocol):
    """Answers by item id: a mapping, or lines on disk."""

    def get(self, item_id: str, /) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Sat:
    """An evaluation of recorded answers. left_out: metric -> why it could not be measured."""

    folder: EvalFolder
    known: bool  # it was there before
    left_out: Mapping[str, str]


def recorded_folder(place: RunPlace, who: Recorded) -> Path:
    """The experiment's folder of these answers, made where there is none."""
    for folder, run in reversed(readable_runs(place.experiments)):
        if run.kind == "predictions" and run.settings.get("identity") == dict(who.identity):
            return folder
    folder = new_run_folder(place.experiments)
    write_run(folder, who.as_run(folder.name))
    return folder


@contextmanager
def answers_folder(place: RunPlace, who: Recorded) -> Iterator[Path]:
    """`recorded_folder`, for asking: it goes again where that ends with no answer kept."""
    folder = recorded_folder(place, who)
    try:
        yield folder
    except StoreBusyError:  # it is another process's
        raise
    except BaseException:
        _drop_empty(folder)
        raise


def _drop_empty(folder: Path) -> None:
    """Without an evaluation and a line of answers it is no experiment."""
    kept = any(path.stat().st_size for path in (folder / "outputs").glob("*.jsonl"))
    if not kept and not evals(folder):
        shutil.rmtree(folder, ignore_errors=True)


def record(
    place: RunPlace,
    who: Recorded,
    opened: Opened,
    suite: Suite,
    answers: Given,
    trust: Trust = NO_TRUST,
    touched: Collection[str] | None = None,
) -> Sat:
    """An evaluation from answers by item id (text, finish_reason, ...; an item without one is missing), all or nothing.

    Metrics that these answers cannot give (perplexity without likelihoods) are left out. DataError where no item was
    answered, or no metric can be measured.
    """
    require_labels(suite, opened)
    folder = recorded_folder(place, who)
    key = _key(who, opened, suite, answers)
    for known in reversed(evals(folder)):
        run = known.run
        if run.settings.get("key") == key and run.state == "done":
            return Sat(known, True, run.settings.get("left_out", {}))
    made = new_eval(folder)
    try:
        with working_on(made.path):
            return _written(made, who, opened, suite, answers, key, trust, touched)
    except BaseException:
        shutil.rmtree(made.path, ignore_errors=True)
        _drop_empty(folder)
        raise


def asked_key(item: Item) -> str:
    """What an answer is kept by: the item and its very prompt."""
    return f"{item.item_id}#{item.as_row()['prompt_sha256']}"


def kept_answers(
    path: Path,
    made_with: Mapping[str, Any],
    questions: Iterable[tuple[str, Question]],
    ask: Callable[[Iterable[Question]], Iterator[list[Generated]]],
    advance: Callable[[int], None],
    more: Callable[[str], Mapping[str, Any]] = lambda key: {},
) -> dict[str, dict[str, Any]]:
    """Answers by item id, for `record`; of `questions` (item id, what is asked) only those without one are asked.

    `more`: what is kept beside the answer to the question of this id.

    Each answer is on disk before the next is waited for; one that did not come is not kept, and asked for again the
    next time.
    """
    asked = dict(questions)
    items = {question.item_id: item for item, question in asked.items()}
    missing: dict[str, dict[str, Any]] = {}
    done = 0
    with open_responses(path, made_with) as responses:
        for batch in ask(responses.pending(asked.values())):
            responses.append([_line(one, more) for one in batch if one.finish_reason != "missing"])
            missing |= {items[one.item_id]: one.as_json() for one in batch if one.finish_reason == "missing"}
            done += len(batch)
            advance(done)
        found = {items[line["item_id"]]: line for line in responses.lines() if line["item_id"] in items}
    return {**missing, **found}


def _line(one: Generated, more: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    return {**more(one.item_id), **one.as_json()}


def exam_of(read: Callable[[], Iterator[Item]], split: str) -> Opened:
    """An exam of items that stand in no version; `read` gives them anew at each call."""
    digest, count = hashlib.sha256(), 0
    clusters: set[int] = set()
    for one in read():
        count += 1
        digest.update(one.item_id.encode() + one.as_row()["sha256"].encode())
        clusters.add(one.cluster)
    return Opened(Exam(split, None, None, count, count, len(clusters), digest.hexdigest()), read)


def _written(
    made: EvalFolder,
    who: Recorded,
    opened: Opened,
    suite: Suite,
    answers: Given,
    key: str,
    trust: Trust,
    touched: Collection[str] | None,
) -> Sat:
    made.write("items", (item.as_row() for item in opened.read()))
    made.write("predictions", _predictions(made, short_hash(who.identity), answers, touched))
    run = Run(
        name=made.name,
        kind="evaluation",
        state="running",
        started=utc_now(),
        base_model=who.base_model or {"name": who.name},
        provenance=who.provenance,
        origin=who.origin,
        version=who.version,
        settings={
            "key": key,
            "suite": suite.name,
            "exam": opened.exam.as_json(),
            "model": dict(who.identity),
            "benchmarks": [],
            "partial": opened.exam.limit is not None,
            **who.settings,
        },
        **environment(),
    )
    write_run(made.path, run)
    told = who.called
    require_answers(made, told)
    kept, left_out = measurable(made, suite, trust, told)
    made.write_suite(kept)
    write_numbers(made, kept, trust)
    settings = {**run.settings, "left_out": left_out}
    write_run(made.path, replace(run, state="done", ended=utc_now(), settings=settings))
    return Sat(made, False, left_out)


def measurable(folder: EvalFolder, suite: Suite, trust: Trust, of: str) -> tuple[Suite, dict[str, str]]:
    """The suite with the metrics that the stored answers can give, and why the others cannot. of: whose they are."""
    kept, left_out = [], {}
    for choice in suite.metrics:
        alone = replace(suite, metrics=(choice,), primary=Primary(choice.name))
        try:
            found = measured(folder, alone, trust)[choice.name]
        except DataError as error:
            left_out[choice.name] = str(error)
            continue
        if found.present.any():
            kept.append(choice)
        else:
            left_out[choice.name] = "no answer has what it needs"
    if not kept:
        why = next(iter(left_out.values()), "the suite names none")
        raise DataError(f"{of}: no metric can be measured: {why}")
    same = suite.primary.metric in {choice.name for choice in kept}
    primary = suite.primary if same else Primary(kept[0].name)
    return replace(suite, metrics=tuple(kept), primary=primary, benchmarks=()), left_out


def _predictions(
    made: EvalFolder, run: str, answers: Given, touched: Collection[str] | None
) -> Iterator[dict[str, Any]]:
    for batch in made.batches("items"):
        for row in batch.to_pylist():
            line = prediction(row, run, answers.get(row["item_id"]) or NOT_ASKED, {})
            yield {**line, "clean": None if touched is None else row["item_id"] not in touched}


def _key(who: Recorded, opened: Opened, suite: Suite, answers: Given) -> str:
    """A hash of all that decides about the numbers, the answers among them; these are never all in memory."""
    asked = {key: value for key, value in suite.as_json().items() if key != "gates"}
    found = hashlib.sha256(canonical([who.identity, asked, opened.exam.sha256]))
    for item in sorted(item.item_id for item in opened.read()):
        if answer := answers.get(item):
            found.update(canonical([item, answer.get("text"), answer.get("finish_reason")]))
    return found.hexdigest()[:16]
