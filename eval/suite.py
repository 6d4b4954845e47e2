"""Suites: what an evaluation asks, measures and requires; one YAML file, checked against schemas/suite.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from curation.config_file import check_config, load_config
from curation.errors import ConfigError, did_you_mean
from eval.arc.settings import HARNESS_SEED, ChoiceSettings
from eval.generation.settings import GenerationSettings
from eval.harness import is_task
from eval.items import Turns

SCHEMA: Final = "suite.schema.json"
FOLDER: Final = "suites"  # in a workspace
DEFAULT: Final = "default"
_METRICS: Final = (
    *("rougeL", "exact_match", "token_f1", "chrf", "perplexity", "bits_per_char"),
    *("length_ratio", "repetition_rate", "refusal_rate"),
)
_OF_LABELS: Final = ("accuracy", "macro_f1", "ece", "brier")
BENCHMARKS: Final = ("arc-easy", "arc-challenge")
_CHOICE: Final = ("regime", "shots", "seed", "chat", "bos")


@dataclass(frozen=True, slots=True)
class MetricChoice:
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Primary:
    """The one metric that decides. margin: the smallest effect that matters, in the metric's own unit."""

    metric: str
    margin: float = 0.0
    direction: Literal["higher", "lower"] | None = None  # None: as the metric says


@dataclass(frozen=True, slots=True)
class BenchmarkChoice:
    """A benchmark by its name, whose file is looked for, or by its file; or a task of the harness, lm_eval:TASK."""

    name: str
    file: str | None = None
    train: str | None = None
    settings: ChoiceSettings = field(default_factory=ChoiceSettings)
    own_shots: bool = False  # of a task of the harness: as many examples as it says itself

    @property
    def label(self) -> str:
        """Its name in tables: arc-easy, or arc-easy (letters, 5-shot, chat). Scores are told apart by it."""
        how = self.settings
        told: list[str] = [how.regime] * (how.regime != "separate") + [f"{how.shots}-shot"] * (how.shots > 0)
        told += [f"seed {how.seed}"] * (how.shots > 0 and how.seed != HARNESS_SEED) + ["chat"] * how.chat
        told += [f"bos {how.bos}"] * (how.bos != "tokenizer" and not how.chat)
        return f"{self.name} ({', '.join(told)})" if told else self.name


@dataclass(frozen=True, slots=True)
class Gates:
    primary: Literal["not_worse", "better"] | None = None
    arc_margin: float = 0.02


@dataclass(frozen=True, slots=True)
class Suite:
    name: str = DEFAULT
    split: str | None = "validation"  # validation, or test@v3
    file: str | None = None
    turns: Turns = "last"
    metrics: tuple[MetricChoice, ...] = tuple(MetricChoice(name) for name in _METRICS)
    primary: Primary = Primary("rougeL", 0.02)
    benchmarks: tuple[BenchmarkChoice, ...] = (BenchmarkChoice("arc-easy"), BenchmarkChoice("arc-challenge"))
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    slices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    gates: Gates = field(default_factory=Gates)
    about: str = ""  # what it measures and what not, in a sentence

    @property
    def is_test(self) -> bool:
        return self.split is not None and self.split.split("@")[0] == "test"

    @property
    def pinned(self) -> str | None:
        """The version that `test@v3` names; None: that of the run."""
        return self.split.partition("@")[2] or None if self.split else None

    def higher_is_better(self, metric: str) -> bool | None:
        """Which way is better on one of its metrics: as it says itself, or as the metric does; None: neither."""
        if metric == self.primary.metric and self.primary.direction is not None:
            return self.primary.direction == "higher"
        from eval.metrics import higher_is_better

        options = next((choice.options for choice in self.metrics if choice.name == metric), {})
        return higher_is_better(metric, options)

    @property
    def deciding(self) -> Suite:
        """With the metric alone that decides."""
        return replace(self, metrics=tuple(one for one in self.metrics if one.name == self.primary.metric))

    def as_json(self) -> dict[str, Any]:
        """The suite as its file would say it, with every default."""
        told: dict[str, Any] = {"file": self.file} if self.file else {"split": self.split}
        primary = {"metric": self.primary.metric, "margin": self.primary.margin, "direction": self.primary.direction}
        told |= {
            "turns": self.turns,
            "metrics": [{m.name: dict(m.options)} if m.options else m.name for m in self.metrics],
            "primary": {key: value for key, value in primary.items() if value is not None},
            "benchmarks": [_benchmark_json(choice) for choice in self.benchmarks],
            "generation": {**self.generation.as_json(), "batch_size": self.generation.batch_size},
            "slices": list(self.slices),
            "gates": {"arc_margin": self.gates.arc_margin},
        }
        told |= {"labels": list(self.labels)} if self.labels else {}
        told |= {"about": self.about} if self.about else {}
        if self.gates.primary:
            told["gates"]["primary"] = self.gates.primary
        return told

    def as_yaml(self) -> bytes:
        return yaml.safe_dump(self.as_json(), sort_keys=False, allow_unicode=True).encode()


def load_suite(ref: str | None, root: Path) -> Suite:
    """The suite of a file, of suites/NAME.yaml in the workspace, or the default one."""
    if ref is None and not (root / FOLDER / f"{DEFAULT}.yaml").is_file():
        return Suite()
    named = ref or DEFAULT
    for path in (root / FOLDER / f"{named}.yaml", root / named):
        if path.is_file():
            return suite_of(load_config(path, SCHEMA), path.stem, where=str(path))
    known = sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))
    hint = did_you_mean(named, dict.fromkeys([*known, DEFAULT]))
    raise ConfigError(f'suite "{named}": neither {FOLDER}/{named}.yaml nor a file{hint}')


def suite_of(values: Mapping[str, Any], name: str, *, where: str = "suite", stored: bool = False) -> Suite:
    """The suite of plain values. stored: that of an evaluation, which is read though it names one twice."""
    check_config(dict(values), SCHEMA, where=where)
    try:
        made = _suite(values, name)
        if not stored:
            _refuse_doubles(made)
        return made
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _suite(values: Mapping[str, Any], name: str) -> Suite:
    if "split" in values and "file" in values:
        raise ConfigError("split and file cannot both be given; keep one")
    given = {key: values[key] for key in ("split", "file", "turns") if key in values}
    if "file" in given:
        given["split"] = None
    for key in ("slices", "labels"):
        given |= {key: tuple(values[key])} if key in values else {}
    given |= {"about": " ".join(values["about"].split())} if "about" in values else {}
    made = Suite(name=name, **given, **_parts(values))
    for choice in made.metrics:
        from eval.metrics import check_name  # with all metrics behind it, which most readers of a suite do not need

        check_name(choice.name)
        if choice.name in _OF_LABELS and not made.labels:
            raise ConfigError(f"metric {choice.name} is of label tasks; name the answers there are: labels: [yes, no]")
    if made.primary.metric not in {choice.name for choice in made.metrics}:
        hint = did_you_mean(made.primary.metric, [choice.name for choice in made.metrics])
        raise ConfigError(f'primary.metric: "{made.primary.metric}" is not among the metrics{hint}')
    return made


def _refuse_doubles(made: Suite) -> None:
    _once("metrics", [choice.name for choice in made.metrics], "keep one")
    _once(
        "benchmarks",
        [choice.label for choice in made.benchmarks],
        "keep one, or give one a file and a name: of its own",
    )
    _check_labels(made.labels)


def _once(key: str, names: Sequence[str], what: str) -> None:
    """Two of one name would be taken for one: of metrics the last would count alone, of benchmarks the sum of both."""
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise ConfigError(f"{key}: {twice} stands there twice; {what}")


def _check_labels(labels: Sequence[str]) -> None:
    """Each has to be told from the others in what a model writes."""
    from eval.metrics.matching import plain

    known: dict[str, str] = {}
    for label in labels:
        if not plain(label):
            raise ConfigError(f'labels: "{label}" holds nothing but punctuation; name another')
        if (same := known.get(plain(label))) is not None:
            raise ConfigError(f'labels: "{same}" and "{label}" are one answer but for case and punctuation; keep one')
        known[plain(label)] = label


def _parts(values: Mapping[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if "metrics" in values:
        parts["metrics"] = tuple(_metric(told) for told in values["metrics"])
        parts["primary"] = Primary(parts["metrics"][0].name)
    if "primary" in values:
        parts["primary"] = Primary(**values["primary"])
    if "benchmarks" in values:
        parts["benchmarks"] = tuple(_benchmark(told) for told in values["benchmarks"])
    if "generation" in values:
        parts["generation"] = GenerationSettings(**values["generation"])
    if "gates" in values:
        parts["gates"] = Gates(**values["gates"])
    return parts


def _metric(told: str | Mapping[str, Any]) -> MetricChoice:
    if isinstance(told, str):
        return MetricChoice(told)
    ((name, options),) = told.items()
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"metrics: {name}: options must be a mapping of names to values")
    return MetricChoice(name, options or {})


def _benchmark(told: Mapping[str, Any]) -> BenchmarkChoice:
    if "name" not in told and "file" not in told:
        raise ConfigError(f"benchmarks: each needs a name ({', '.join(BENCHMARKS)}, lm_eval:TASK) or a file")
    settings = ChoiceSettings(**{key: told[key] for key in _CHOICE if key in told})
    name = told.get("name") or _name_of(told["file"])
    if is_task(name) and "file" not in told:
        for key in ("train", "regime"):
            if key in told:
                raise ConfigError(f"benchmarks: {name}: {key} is the task's own; leave it out")
        return BenchmarkChoice(name, settings=settings, own_shots="shots" not in told)
    if "file" not in told and name not in BENCHMARKS:
        hint = did_you_mean(name, BENCHMARKS)
        raise ConfigError(f'benchmarks: "{name}" is not known{hint}; others are lm_eval:TASK, or have a file')
    return BenchmarkChoice(name, told.get("file"), told.get("train"), settings)


def _name_of(file: str) -> str:
    return Path(file).name.split(".")[0]


def with_benchmarks(suite: Suite, names: Sequence[str]) -> Suite:
    """The suite with more benchmarks: arc-easy, or lm_eval:TASK."""
    known = {choice.label for choice in suite.benchmarks}
    more = [_benchmark({"name": name}) for name in dict.fromkeys(names)]
    return replace(suite, benchmarks=(*suite.benchmarks, *(one for one in more if one.label not in known)))


def _benchmark_json(choice: BenchmarkChoice) -> dict[str, Any]:
    told = {"file": choice.file} if choice.file else {}
    told |= {} if choice.file and _name_of(choice.file) == choice.name else {"name": choice.name}
    told |= {"train": choice.train} if choice.train else {}
    kept = [key for key in _CHOICE if not is_task(choice.name) or key not in ("regime", *["shots"] * choice.own_shots)]
    return {**told, **{key: getattr(choice.settings, key) for key in kept}}
