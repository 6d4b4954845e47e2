"""The comparison of two sides, from stored answers: exam, differences, claim, flips, benchmarks, gates, trade-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from curation.errors import ConfigError, DataError
from curation.store import Store
from eval.compare import measures
from eval.compare.benchmarks import Benchmarked, benchmarked
from eval.compare.beside import Beside, beside
from eval.compare.changed_rows import ChangedRow, DataDiff, all_rows, data_diff
from eval.compare.claim import Claim, careful, claim, fewest_clusters
from eval.compare.exam import Exam, Source, clusters_of, learned_by, open_exam, spent
from eval.compare.flips import Flip, flips
from eval.compare.gates import Check, checks
from eval.compare.judged import judged, with_verdicts
from eval.compare.measures import Draws, Table
from eval.compare.sheet import Sheet, sheet
from eval.compare.sides import BASE, Model, Part, Side, asking, base_part, not_to_the_end, same_training, unreadable
from eval.compare.trade_off import Trade, trade_off
from eval.compare.trained import Bools, Exposure
from eval.measuring import Trust
from eval.metrics.metric import Measured
from eval.review.scores import Scores
from eval.stats.compare import Difference, under_holm
from eval.stats.seeds import NoiseFloor, noise_floor

_PER_TOKEN: Final = "perplexity"
_NOT_ASKED: Final = "was not asked"
# Has a run sit exams that it lacks answers to; False where it cannot.
Ask = Callable[[Part, Sequence[Source]], bool]
# Has what stands beside a run sit the exam: baselines, and the base as stored.
Sit = Callable[[Exam, Part], None]


@dataclass(frozen=True, slots=True)
class Settings:
    suite: str | None = None
    draws: Draws = field(default_factory=Draws)
    trust: Trust = field(default_factory=Trust)
    most_flips: int = 5
    people: Scores = field(default_factory=lambda: Scores({}))  # what people said of outputs


@dataclass(frozen=True, slots=True)
class Headline:
    """What a comparison decides, b against a: as `Comparison` says it, without all that this does not rest on."""

    a: Side
    b: Side
    exam: Exam
    claim: Claim
    primary: Difference

    @property
    def labels(self) -> tuple[str, str]:
        return _labels(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Comparison:
    """b against a. All but the primary metric (others, slices, benchmarks, baselines) is one family under Holm."""

    a: Side
    b: Side
    exam: Exam
    claim: Claim
    primary: Difference
    others: list[Difference]
    slices: dict[str, Difference]
    benchmarks: list[Benchmarked]
    baselines: list[Beside]
    floor: NoiseFloor | None
    flips: list[Flip]
    data: DataDiff | None
    trades: list[Trade]
    trades_against: str
    checks: list[Check]
    notes: list[str]

    @property
    def labels(self) -> tuple[str, str]:
        return _labels(self.a, self.b)


def _labels(a: Side, b: Side) -> tuple[str, str]:
    """What the sides are called beside each other: by their runs where both come from one version."""
    if a.label != b.label:
        return a.label, b.label
    first, second = (", ".join(model.name for model in side.models) for side in (a, b))
    return first, second


def compare(
    experiments: Path,
    sides: tuple[Side, Side],
    store: Store | None,
    settings: Settings,
    ask: Ask | None = None,
    sit: Sit | None = None,
) -> Comparison:
    """ConfigError where a side was not evaluated, or otherwise than the other; DataError where no item is left."""
    exposure, notes = Exposure(store), [*not_to_the_end(experiments, sides), *unreadable(experiments)]
    exam, sheets = _answered(experiments.parent, sides, exposure, settings, ask, notes)
    a, b = _tables(exam, sides, sheets, settings, notes)
    main = measures.primary(exam, a, b, settings.draws)
    fewest = fewest_clusters(sides)
    main = careful(main, fewest)
    scores = benchmarked(*sides, exam.suite.gates.arc_margin, settings.draws, notes)
    if sit is not None:
        sit(exam, next((side for side in reversed(sides) if side.is_trained), sides[1]).models[0].parts[0])
    stored = beside(experiments, exam, sides, b[exam.suite.primary.metric], exposure, settings.trust, settings.draws)
    others, parts, scores, stored = _adjusted(
        measures.secondary(exam, a, b, settings.draws),
        measures.slices(exam, sheets[0], a, b, settings.draws),
        scores,
        stored,
        fewest,
    )
    data, rows = _data(store, exposure, sides)
    pair = (sheets[0], sheets[len(sides[0].models)])
    against, trades = _trades(experiments, exam, sides, (a, b), exposure, settings)
    return Comparison(
        *sides,
        exam,
        _claim(sides, main),
        main,
        others,
        parts,
        scores,
        stored,
        _floor(exam, sides, (a, b)),
        flips(exam, a, b, pair, rows, settings.most_flips),
        data,
        trades,
        against,
        checks(exam.suite, main, scores, fewest),
        notes,
    )


def headline(experiments: Path, sides: tuple[Side, Side], store: Store | None, settings: Settings) -> Headline:
    """The verdict of `compare` and what it speaks of; errors are those of the metric that decides."""
    notes = list[str]()
    exam, sheets = _answered(experiments.parent, sides, Exposure(store), settings, None, notes)
    exam = replace(exam, suite=exam.suite.deciding)
    tables = _tables(exam, sides, sheets, settings, notes)
    main = careful(measures.primary(exam, *tables, settings.draws), fewest_clusters(sides))
    return Headline(*sides, exam, _claim(sides, main), main)


def gates(experiments: Path, sides: tuple[Side, Side], store: Store | None, settings: Settings) -> list[Check]:
    """The checks of `compare`, without all that they do not rest on."""
    found = headline(experiments, sides, store, settings)
    suite = found.exam.suite
    scores = benchmarked(*sides, suite.gates.arc_margin, settings.draws, [])
    return checks(suite, found.primary, scores, fewest_clusters(sides))


def _claim(sides: tuple[Side, Side], main: Difference) -> Claim:
    return claim(*sides, main.verdict not in ("cannot tell", "same within the margin"))


def _answered(
    root: Path,
    sides: tuple[Side, Side],
    exposure: Exposure,
    settings: Settings,
    ask: Ask | None,
    notes: list[str],
) -> tuple[Exam, list[Sheet]]:
    """The exam without what is spent, a model learned from, or was not asked; each model's answers to the rest."""
    models = [model for side in sides for model in side.models]
    exam = open_exam(sides, exposure, settings.suite)
    exam = exam.without(*_counted([spent(exam, exposure, root)], ["spent (a patch was made from them)"]))
    how = "" if ask else f"{asking(sides, settings.suite)} asks it, or "
    _some_left(exam, how)
    learned = [learned_by(exam, model, exposure, notes) for model in models]
    by_all_parts = [np.logical_and.reduce(touched) for touched in learned]
    out, told = _counted(by_all_parts, [f"that {model.name} learned from" for model in models])
    exam, learned = exam.without(out, told), _without(learned, out)
    _some_left(exam, how)
    sheets = [_sheet(exam, model, touched, ask) for model, touched in zip(models, learned, strict=True)]
    out, told = _counted([~one.answered for one in sheets], [f"that {one.name} {_NOT_ASKED}" for one in sheets])
    if told:
        exam, learned = exam.without(out, told), _without(learned, out)
        _some_left(exam, how)
        sheets = [sheet(exam, model, touched) for model, touched in zip(models, learned, strict=True)]
    return exam, sheets


def _counted(masks: Sequence[Bools], names: Sequence[str]) -> tuple[Bools, dict[str, int]]:
    """The items in any of the masks, and how many each of them adds."""
    out, told = np.zeros_like(masks[0]), {}
    for mask, name in zip(masks, names, strict=True):
        if fresh := int((mask & ~out).sum()):
            told[name] = fresh
        out = out | mask
    return out, told


def _without(learned: Sequence[Sequence[Bools]], out: Bools) -> list[list[Bools]]:
    return [[mask[~out] for mask in touched] for touched in learned]


def _some_left(exam: Exam, how: str) -> None:
    """DataError where no item is left; how: what to do where that is because somebody was not asked."""
    if not exam.items.num_rows:
        why = ", ".join(f"{count:,} {name}" for name, count in exam.left_out.items())
        without = next((name.split()[1] for name in exam.left_out if name.endswith(_NOT_ASKED)), None)
        todo = f"; {how}name with --suite what {without} was asked too" if without else ""
        raise DataError(f"{exam.told}: no item is left to compare on; left out are {why}{todo}")


def _sheet(exam: Exam, model: Model, learned: Sequence[Bools], ask: Ask | None) -> Sheet:
    """The model's answers; those it lacks, or gave with other settings, are asked for first."""
    try:
        found = sheet(exam, model, learned)
    except ConfigError:
        if ask is None or not ask(model.parts[0], exam.sources):
            raise
        return sheet(exam, model, learned)
    if found.answered.all() or ask is None:
        return found
    missing = np.unique(exam.source_of[~found.answered]).tolist()
    asked = ask(model.parts[0], [exam.sources[number] for number in missing])
    return sheet(exam, model, learned) if asked else found


def _tables(
    exam: Exam, sides: tuple[Side, Side], sheets: Sequence[Sheet], settings: Settings, notes: list[str]
) -> tuple[Table, Table]:
    """Each side's metrics, an entry a model."""
    suite = exam.suite
    tokenizers = {tokenizer(model) for side in sides for model in side.models}
    if len(tokenizers) > 1 and suite.primary.metric != _PER_TOKEN:
        kept = tuple(choice for choice in suite.metrics if choice.name != _PER_TOKEN)
        notes += ["perplexity: the two have different tokenizers, see bits_per_char"] * (len(kept) < len(suite.metrics))
        suite = replace(suite, metrics=kept)
    told = with_verdicts(sheets, settings.people, suite, notes)
    found = measures.measures(told, suite, settings.trust, notes) | judged(sheets, settings.people, notes)
    first = len(sides[0].models)
    return {name: each[:first] for name, each in found.items()}, {name: each[first:] for name, each in found.items()}


def tokenizer(model: Model) -> str | None:
    """What its tokens are: the hashes of its tokenizer's parts, for a tokenizer saved anew has other bytes."""
    run = model.parts[0].run
    parts = sorted((name, value) for name, value in run.fingerprint.items() if name.startswith("tokenizer"))
    return str(parts) if parts else run.tokenizer_sha256


def _adjusted(
    others: list[Difference],
    parts: dict[str, Difference],
    scores: list[Benchmarked],
    stored: list[Beside],
    fewest: int,
) -> tuple[list[Difference], dict[str, Difference], list[Benchmarked], list[Beside]]:
    """All but the primary metric under Holm, as one family."""
    adjusted = under_holm([*others, *parts.values(), *(one.diff for one in scores), *(one.diff for one in stored)])
    rest = iter(adjusted)
    return (
        [careful(next(rest), fewest) for _ in others],
        {name: careful(next(rest), fewest) for name in parts},
        [replace(one, diff=careful(next(rest))) for one in scores],
        [replace(one, diff=careful(next(rest), fewest)) for one in stored],
    )


def _data(
    store: Store | None, exposure: Exposure, sides: tuple[Side, Side]
) -> tuple[DataDiff | None, list[ChangedRow]]:
    """The diff of the two sides' versions and its training rows; of one version no diff, and all of train."""
    names = [side.models[0].version_name if _known(side, exposure) else None for side in sides]
    if store is None or not any(names):
        return None, []
    if all(names) and names[0] != names[1]:
        return data_diff(store, *(store.resolve(str(name)) for name in names))
    if any(side.is_pooled for side in sides):
        return None, []  # rows of train that answered for one fold are items of another
    version = store.resolve(str(names[1] or names[0]))
    return None, all_rows(store, version)


def _known(side: Side, exposure: Exposure) -> bool:
    first = side.models[0].parts[0]
    return first.is_trained and exposure.knows(first.version)


def _floor(exam: Exam, sides: tuple[Side, Side], tables: tuple[Table, Table]) -> NoiseFloor | None:
    """Of the side with more seeds; of both where they are one training."""
    metric = exam.suite.primary.metric
    first, second = (table[metric] for table in tables)
    one, other = (side.models[0].parts[0] for side in sides)
    runs = [*first, *second] if same_training(one, other) else max(second, first, key=len)
    return noise_floor(runs, clusters_of(exam)) if len(runs) > 1 else None


def _trades(
    experiments: Path,
    exam: Exam,
    sides: tuple[Side, Side],
    tables: tuple[Table, Table],
    exposure: Exposure,
    settings: Settings,
) -> tuple[str, list[Trade]]:
    """Every run against the base where it sat the whole exam, else against the first run."""
    metric = exam.suite.primary.metric
    runs = [
        (model, measured)
        for side, table in zip(sides, tables, strict=True)
        for model, measured in zip(side.models, table[metric], strict=True)
    ]
    against = next((run for run in runs if run[0].is_base), None) or _base(experiments, exam, runs, settings) or runs[0]
    others = [run for run in runs if run[0].name != against[0].name]
    margin = exam.suite.gates.arc_margin
    name = BASE if against[0].is_base else against[0].name
    return name, trade_off(exam, against, others, margin, settings.draws)


def _base(
    experiments: Path, exam: Exam, runs: Sequence[tuple[Model, Measured]], settings: Settings
) -> tuple[Model, Measured] | None:
    found = base_part(experiments, runs[-1][0].parts[0].run)
    if found is None:
        return None
    model = Model(found.name, (found,))
    try:
        answers = sheet(exam, model, [np.zeros(exam.items.num_rows, np.bool_)])
    except ConfigError:  # it answered with other settings
        return None
    if not answers.answered.all():
        return None
    (measured,) = measures.measures([answers], exam.suite.deciding, settings.trust, []).values()
    # People may have judged the sides' outputs, and not the base's.
    return (model, measured[0]) if measured[0].signature == runs[0][1].signature else None
