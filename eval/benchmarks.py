"""Benchmarks in an evaluation: their files, where these are, and a model's scores on them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from curation.decontamination.evaluation_sets import EvaluationSet, evaluation_sets
from curation.errors import ConfigError
from curation.store.files import disk_errors, replace_file
from eval.answers import OUTPUTS
from eval.arc import Question, load_benchmark, score
from eval.arc.draw import drawn
from eval.arc.prompts import answers
from eval.folder import EvalFolder
from eval.harness import is_task
from eval.harness.benchmark import HarnessTask, open_task
from eval.harness.tasks import NotHereError
from eval.subject import Subject, short_hash
from eval.suite import BenchmarkChoice
from train.model.of_run import Loaded

FOLDER: Final = Path("data") / "benchmarks"
ACCURACIES: Final = ("acc", "acc_norm")  # what guessing has a score of
_FILES: Final = {"arc-easy": "ARC-Easy", "arc-challenge": "ARC-Challenge"}
_ENDINGS: Final = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Ready:
    """A benchmark that is there, its questions read; `examples` for few-shot prompts."""

    choice: BenchmarkChoice
    path: Path
    sha256: str
    questions: tuple[Question, ...]
    examples: tuple[Question, ...]
    whole: int  # questions in the file; more than are asked where a limit was set

    @property
    def count(self) -> int:
        return len(self.questions)

    @property
    def regime(self) -> str:
        return self.choice.settings.regime

    @property
    def identity(self) -> list[Any]:
        """What decides about the scores, beside the model."""
        asked = hashlib.sha256("\n".join(question.id for question in self.questions).encode()).hexdigest()
        examples = [question.id for question in self.examples]
        return [self.sha256, self.choice.settings.signature(), asked, examples]

    def lines(self, loaded: Loaded, progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
        return _lines(self, self.questions, loaded, progress)

    def probe(self, loaded: Loaded, count: int) -> None:
        """Ask a few questions of all over it, to see how long they take."""
        step = max(1, self.count // count)
        _lines(self, self.questions[::step][:count], loaded, lambda done, whole: None)

    def evaluation_set(self) -> EvaluationSet:
        """Its questions as a build looks for them in training data."""
        (found,) = evaluation_sets([self.path.name], self.path.parent)
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.choice.label,
            "file": self.path.name,
            "sha256": self.sha256,
            "signature": self.choice.settings.signature(),
            "items": len(self.questions),
            "whole": self.whole,
        }


Sat = Ready | HarnessTask


@dataclass(frozen=True, slots=True)
class Absent:
    choice: BenchmarkChoice
    wanted: str  # where its file belongs

    def told(self) -> str:
        return f"{self.choice.label}: not run, put the file at {self.wanted}"


def find_benchmarks(
    choices: Sequence[BenchmarkChoice], root: Path, limit: int | None = None, trusted: bool = False
) -> tuple[list[Sat], list[Absent]]:
    """The benchmarks whose file is there, and the others. DataError for a file of the wrong layout; ConfigError where
    a few-shot benchmark has no examples, or a task of the harness cannot be asked. `trusted`: tasks of the workspace
    may run programs of theirs."""
    ready: list[Sat] = []
    absent = []
    for choice in choices:
        if is_task(choice.name):
            try:
                ready.append(open_task(choice, root, limit, trusted))
            except NotHereError as missing:
                absent.append(Absent(choice, str(missing)))
            continue
        path = _located(choice, root)
        if path is None:
            wanted = choice.file or str(FOLDER / f"{_FILES[choice.name]}-Test.jsonl")
            absent.append(Absent(choice, wanted))
            continue
        ready.append(_opened(choice, path, root, limit))
    return ready, absent


def _opened(choice: BenchmarkChoice, path: Path, root: Path, limit: int | None) -> Ready:
    benchmark = load_benchmark(path)
    places = drawn([question.id for question in benchmark.questions], limit)
    asked = tuple(benchmark.questions[place] for place in places)
    examples = _examples(choice, path, root) if choice.settings.shots else ()
    return Ready(choice, path, benchmark.sha256, asked, examples, len(benchmark.questions))


def scores(
    benchmark: Sat, subject: Subject, loaded: Callable[[], Loaded], progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """A line an item: item_id, gold, logliks, lengths, acc, acc_norm, and of a task of the harness its scores; read
    from what the model gave before, if it was asked all this. `loaded` is called only where the model has to be."""
    path = _kept(benchmark, subject)
    if not path.is_file():
        lines = benchmark.lines(loaded(), progress)
        with disk_errors(path, "the scores were not kept"):
            path.parent.mkdir(exist_ok=True)
            replace_file(path, b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def is_known(benchmark: Sat, subject: Subject) -> bool:
    return _kept(benchmark, subject).is_file()


def benchmark_rows(
    benchmark: Sat, lines: Sequence[Mapping[str, Any]], touched: frozenset[str] | None
) -> Iterator[dict[str, Any]]:
    """Lines of BENCHMARKS; `touched`: ids of questions that the training held, None where nobody can tell."""
    for line in lines:
        clean = None if touched is None else line["item_id"] not in touched
        yield {"benchmark": benchmark.choice.label, "regime": benchmark.regime, **line, "clean": clean}


def at_chance(folder: EvalFolder) -> list[str]:
    """The accuracies whose interval reaches down to what guessing gets: arc-easy acc."""
    guessing: dict[str, list[float]] = {}
    for batch in folder.batches("benchmarks", ["benchmark", "logliks"]):
        for row in batch.to_pylist():
            if row["logliks"]:
                guessing.setdefault(row["benchmark"], []).append(1 / len(row["logliks"]))
    return [
        f"{row['split']} {row['metric']}"
        for row in folder.metrics().to_pylist()
        if row["split"] in guessing
        and row["slice"] == "all"
        and row["metric"] in ACCURACIES
        and row["ci_low"] is not None
        and row["ci_low"] <= sum(guessing[row["split"]]) / len(guessing[row["split"]])
    ]


def without_numbers(folder: EvalFolder) -> list[str]:
    """The benchmarks of which some questions have no score, for the model's log-probabilities are no numbers."""
    table = folder.benchmarks()
    whole = Counter(table["benchmark"].to_pylist())
    there = Counter(
        name
        for name, acc, scores in zip(*(table[name].to_pylist() for name in ("benchmark", "acc", "scores")), strict=True)
        if acc is not None or any(value is not None for value in orjson.loads(scores or "{}").values())
    )
    return [
        f"{name}: {count - there[name]:,} of {count:,} items are missing: the model's log-probabilities are no numbers"
        for name, count in whole.items()
        if there[name] < count
    ]


def beginnings_cut(folder: EvalFolder) -> list[str]:
    """The benchmarks of which some questions are longer than the model reads: what was asked is their end alone."""
    table = folder.benchmarks()
    whole, cut = (
        Counter(table["benchmark"].to_pylist()),
        Counter(name for name, at in zip(table["benchmark"].to_pylist(), table["cut"].to_pylist(), strict=True) if at),
    )
    return [
        f"{name}: {count:,} of {whole[name]:,} questions are longer than the model reads; their beginning was left out"
        for name, count in cut.items()
    ]


def _lines(
    benchmark: Ready, questions: Sequence[Question], loaded: Loaded, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    settings = benchmark.choice.settings
    found = score(
        loaded.model,
        loaded.tokenizer,
        questions,
        settings,
        template=loaded.template.template,
        examples=benchmark.examples,
        progress=progress,
    )
    cut = set(found.cut)
    return [
        {
            "item_id": question.id,
            "gold": question.right,
            "logliks": list(values),
            "lengths": [len(text) for text in answers(question, settings)],
            "acc": float(acc),
            "acc_norm": float(norm),
            "cut": question.id in cut,
        }
        for question, values, acc, norm in zip(
            found.questions, found.log_likelihoods, found.acc, found.acc_norm, strict=True
        )
    ]


def _kept(benchmark: Sat, subject: Subject) -> Path:
    told = [subject.identity(), *benchmark.identity]
    return subject.folder / OUTPUTS / f"benchmark-{short_hash(told)}.jsonl"


def _located(choice: BenchmarkChoice, root: Path) -> Path | None:
    if choice.file is not None:
        path = root / choice.file
        return path if path.is_file() else None
    return _of_kind(_FILES[choice.name], ("", "-test"), root)


def _of_kind(name: str, endings: Sequence[str], root: Path) -> Path | None:
    """The file of FOLDER that is called so, whatever its case and punctuation."""
    wanted = {f"{name.lower()}{ending}" for ending in endings}
    for path in sorted((root / FOLDER).glob("*")) if (root / FOLDER).is_dir() else ():
        stem = path.name
        for ending in _ENDINGS:
            stem = stem.removesuffix(ending)
        if stem != path.name and re.sub(r"[^a-z]+", "-", stem.lower()) in wanted:
            return path
    return None


def _examples(choice: BenchmarkChoice, path: Path, root: Path) -> tuple[Question, ...]:
    found = root / choice.train if choice.train else None
    if choice.train is None and choice.name in _FILES:
        found = _of_kind(_FILES[choice.name], ("-train",), root)
    if found is None or not found.is_file():
        where = choice.train or str(FOLDER / f"{_FILES.get(choice.name, path.stem)}-Train.jsonl")
        raise ConfigError(f"{choice.label}: its examples are not there; put the train file at {where}, or name train:")
    return load_benchmark(found).questions
