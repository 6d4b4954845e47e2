"""Benchmarks of multiple choice in an evaluation: their files, where these are, and a model's scores on them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import ConfigError
from curation.store.files import disk_errors, replace_file
from eval.answers import OUTPUTS
from eval.arc import Question, load_benchmark, score
from eval.arc.prompts import answers
from eval.folder import EvalFolder
from eval.subject import Subject, short_hash
from eval.suite import BenchmarkChoice
from train.model.of_run import Loaded

FOLDER: Final = Path("data") / "benchmarks"
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

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.choice.label,
            "file": self.path.name,
            "sha256": self.sha256,
            "signature": self.choice.settings.signature(),
            "items": len(self.questions),
            "whole": self.whole,
        }


@dataclass(frozen=True, slots=True)
class Absent:
    choice: BenchmarkChoice
    wanted: str  # where its file belongs

    def told(self) -> str:
        return f"{self.choice.label}: not run, put the file at {self.wanted}"


def find_benchmarks(
    choices: Sequence[BenchmarkChoice], root: Path, limit: int | None = None
) -> tuple[list[Ready], list[Absent]]:
    """The benchmarks whose file is there, and the others. DataError for a file of the wrong layout; ConfigError where
    a few-shot benchmark has no examples."""
    ready, absent = [], []
    for choice in choices:
        path = _located(choice, root)
        if path is None:
            wanted = choice.file or str(FOLDER / f"{_FILES[choice.name]}-Test.jsonl")
            absent.append(Absent(choice, wanted))
            continue
        benchmark = load_benchmark(path)
        asked = _drawn(benchmark.questions, limit)
        examples = _examples(choice, path, root) if choice.settings.shots else ()
        ready.append(Ready(choice, path, benchmark.sha256, asked, examples, len(benchmark.questions)))
    return ready, absent


def scores(
    benchmark: Ready, subject: Subject, loaded: Callable[[], Loaded], progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """A line a question: item_id, gold, logliks, lengths, acc, acc_norm; read from what the model gave before, if it
    was asked all this. `loaded` is called only where the model has to be asked."""
    path = _kept(benchmark, subject)
    if not path.is_file():
        lines = _lines(benchmark, benchmark.questions, loaded(), progress)
        with disk_errors(path, "the scores were not kept"):
            path.parent.mkdir(exist_ok=True)
            replace_file(path, b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def is_known(benchmark: Ready, subject: Subject) -> bool:
    return _kept(benchmark, subject).is_file()


def probe(benchmark: Ready, loaded: Loaded, count: int) -> list[dict[str, Any]]:
    """The scores of a few questions from all over the benchmark, to see how long they take."""
    step = max(1, len(benchmark.questions) // count)
    return _lines(benchmark, benchmark.questions[::step][:count], loaded, lambda done, whole: None)


def benchmark_rows(
    benchmark: Ready, lines: Sequence[Mapping[str, Any]], touched: frozenset[str] | None
) -> Iterator[dict[str, Any]]:
    """Lines of BENCHMARKS; `touched`: ids of questions that the training held, None where nobody can tell."""
    for line in lines:
        clean = None if touched is None else line["item_id"] not in touched
        yield {"benchmark": benchmark.choice.label, "regime": benchmark.choice.settings.regime, **line, "clean": clean}


def at_chance(folder: EvalFolder) -> list[str]:
    """The benchmark scores whose interval reaches down to what guessing gets: arc-easy acc."""
    guessing: dict[str, list[float]] = {}
    for batch in folder.batches("benchmarks", ["benchmark", "lengths"]):
        for row in batch.to_pylist():
            guessing.setdefault(row["benchmark"], []).append(1 / len(row["lengths"]))
    return [
        f"{row['split']} {row['metric']}"
        for row in folder.metrics().to_pylist()
        if row["split"] in guessing
        and row["slice"] == "all"
        and row["ci_low"] <= sum(guessing[row["split"]]) / len(guessing[row["split"]])
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
    return [
        {
            "item_id": question.id,
            "gold": question.right,
            "logliks": list(values),
            "lengths": [len(text) for text in answers(question, settings)],
            "acc": float(acc),
            "acc_norm": float(norm),
        }
        for question, values, acc, norm in zip(
            found.questions, found.log_likelihoods, found.acc, found.acc_norm, strict=True
        )
    ]


def _kept(benchmark: Ready, subject: Subject) -> Path:
    settings = benchmark.choice.settings
    asked = hashlib.sha256("\n".join(question.id for question in benchmark.questions).encode()).hexdigest()
    examples = [question.id for question in benchmark.examples]
    told = [subject.identity(), benchmark.sha256, settings.signature(), asked, examples]
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


def _drawn(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """`limit` of the questions by the hash of their ids, in the file's order."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    ranked = sorted(range(len(questions)), key=lambda i: hashlib.sha256(questions[i].id.encode()).digest())
    return tuple(questions[i] for i in sorted(ranked[:limit]))
