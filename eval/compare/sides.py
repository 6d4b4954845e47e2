"""Who is compared: a side is one model or several seeds of it; a model is one run, or the folds that share an exam."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError, CurateError
from curation.runs import Run, damaged_runs, read_run, readable_runs, resolve_run, state_now
from eval.folder import EvalFolder, evals

BASE: Final = "base"
_FOLD: Final = re.compile(r"(?P<of>v[1-9][0-9]*)-fold(?P<number>[0-9]+)of(?P<folds>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """One run, or the base model, in its folder of experiments."""

    folder: Path
    run: Run

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_base(self) -> bool:
        return self.run.kind == BASE

    @property
    def evals(self) -> list[EvalFolder]:
        """Finished evaluations, newest first."""
        return [one for one in reversed(evals(self.folder)) if one.run.state == "done"]

    @property
    def is_trained(self) -> bool:
        return self.run.kind == "training"

    @property
    def unfinished(self) -> str:
        """Of a training that did not come to its end: interrupted, or running."""
        state = state_now(self.folder, self.run) if self.is_trained else "done"
        return "" if state == "done" else state

    @property
    def version(self) -> str | None:
        """The id of the version it was trained on, or its prompts or answers were taken from."""
        return str(self.run.version["id"]) if self.run.version else None

    @property
    def version_name(self) -> str | None:
        """Of a training."""
        return str(self.run.version["name"]) if self.run.version and self.is_trained else None


@dataclass(frozen=True, slots=True)
class Model:
    """parts: one, or of out-of-fold predictions one a fold."""

    name: str
    parts: tuple[Part, ...]

    @property
    def is_base(self) -> bool:
        return self.parts[0].is_base

    @property
    def seed(self) -> int | None:
        return next(iter(self.parts[0].run.seeds), None)

    @property
    def version_name(self) -> str | None:
        """Of folds, the version that they are folds of."""
        name = self.parts[0].version_name
        fold = _FOLD.fullmatch(name or "")
        return fold["of"] if fold and len(self.parts) > 1 else name


@dataclass(frozen=True, slots=True)
class Side:
    """models: one a training seed."""

    models: tuple[Model, ...]

    @property
    def is_base(self) -> bool:
        return self.models[0].is_base

    @property
    def is_trained(self) -> bool:
        return self.models[0].parts[0].is_trained

    @property
    def is_pooled(self) -> bool:
        """Whether its answers are of several folds."""
        return len(self.models[0].parts) > 1

    @property
    def label(self) -> str:
        """`base`, `experiment_003 (v2)`, `experiment_003 (v2, interrupted)`, `v2 (3 seeds)`, `v2 (5 folds)`."""
        first = self.models[0]
        if self.is_base:
            return BASE
        if len(self.models) > 1:
            versions = dict.fromkeys(model.version_name for model in self.models)
            names = " + ".join(str(name) for name in versions if name) or first.name
            return f"{names} ({len(self.models)} seeds)"
        if len(first.parts) > 1:
            return f"{first.version_name} ({len(first.parts)} folds)"
        told = first.version_name or first.parts[0].run.settings.get("name")
        said = ", ".join(filter(None, [told, first.parts[0].unfinished]))
        return f"{first.name} ({said})" if said else first.name

    @property
    def unfinished(self) -> list[str]:
        """Runs that were not trained to their end; they stand alone, for they are no seed of a training."""
        return [part.name for model in self.models for part in model.parts if part.unfinished]


def chosen(experiments: Path, refs: Sequence[str], *, alone: bool = False, pooled: bool = False) -> tuple[Side, Side]:
    """The two sides that `refs` name: none = base against the last run, one = base against it.

    A side is a run, or several with commas. Of a single run the others of the same version and settings, trained with
    other seeds, are taken along where they were evaluated, unless `alone` or the other side is one of them. pooled:
    names are those of versions with folds.
    """
    if len(refs) > 2:
        raise ConfigError(
            f"{len(refs)} sides; name two, and several runs of one side with commas: curate compare 003,004 005,006"
        )
    first, second = (refs[0], refs[1]) if len(refs) == 2 else (BASE, refs[0] if refs else "latest")
    if pooled:
        right = _folds(experiments, second)
        return _base(experiments, right) if first == BASE else _folds(experiments, first), right
    named = {ref: _named(experiments, ref) for ref in (first, second) if ref != BASE}
    both = [part for parts in named.values() for part in parts]
    for parts in named.values():
        if len(parts) == 1 and not alone:
            family = [one for one in _family(experiments, parts[0]) if one.name not in {part.name for part in both}]
            if not any(same_training(parts[0], other) and other.name != parts[0].name for other in both):
                parts.extend(family)
    sides = {ref: Side(tuple(_model(part) for part in _ordered(parts))) for ref, parts in named.items()}
    known = next(iter(sides.values()), None)
    left, right = (sides[ref] if ref != BASE else _base(experiments, known) for ref in (first, second))
    shared = {model.name for model in left.models} & {model.name for model in right.models}
    if shared:
        raise ConfigError(f"{sorted(shared)[0]} stands on both sides; name two different runs")
    return left, right


def asking(sides: Sequence[Side], suite: str | None = None) -> str:
    """The command that compares these sides, and asks the models what they were not asked."""
    names = (BASE if side.is_base else ",".join(model.name for model in side.models) for side in sides)
    return f"curate compare {' '.join(names)}{f' --suite {suite}' if suite else ''}"


def same_training(one: Part, other: Part) -> bool:
    """Whether two runs differ in nothing but their training seed, and both came to their end."""
    return not one.unfinished and not other.unfinished and _alike(one, other)


def _alike(one: Part, other: Part) -> bool:
    return (
        one.is_trained
        and other.is_trained
        and one.version == other.version
        and one.run.base == other.run.base
        and _settings(one) == _settings(other)
    )


def base_part(experiments: Path, like: Run | None) -> Part | None:
    """The base model of `like`: asked and quantised as `like` was where it is there, else the newest."""
    runs = reversed(readable_runs(experiments))
    found = [Part(folder, run) for folder, run in runs if run.kind == BASE and (like is None or same_base(run, like))]
    return next((part for part in found if like is None or _asked(part.run) == _asked(like)), next(iter(found), None))


def _asked(run: Run) -> tuple[Any, Any]:
    return (run.template or {}).get("sha256"), (run.config or {}).get("quantization")


def same_base(one: Run, other: Run) -> bool:
    """Whether two runs are of one base model, whatever its quantisation."""
    ids = [run.base_model.get("sha256") or run.base_model.get("revision") for run in (one, other)]
    return ids[0] == ids[1] if all(ids) else one.base == other.base


def _settings(part: Part) -> dict[str, Any]:
    """Without the seed, and without the version, which is compared by its id."""
    return {key: value for key, value in (part.run.config or {}).items() if key not in ("seed", "seeds", "version")}


def _named(experiments: Path, ref: str) -> list[Part]:
    names = [name.strip() for name in ref.split(",")]
    if "" in names:
        raise ConfigError(f'"{ref}": a name is missing beside a comma')
    parts = [Part(folder, read_run(folder)) for folder in (resolve_run(experiments, name) for name in names)]
    for number, part in enumerate(parts):
        if part.name in {other.name for other in parts[:number]}:
            raise ConfigError(f'"{ref}": {part.name} is named twice; leave one out')
        if part.run.state == "failed":
            raise ConfigError(f"{part.name} failed; see curate runs show {part.name}, or compare another run")
    _check_seeds(ref, parts)
    return parts


def _check_seeds(ref: str, parts: Sequence[Part]) -> None:
    """Several runs make a side only as seeds of one training."""
    cut = next((part for part in parts if part.unfinished), None)
    if cut is not None and len(parts) > 1:
        raise ConfigError(
            f'"{ref}": {cut.name} is {cut.unfinished}, which is no seed of a training that came to its end; '
            f"{_go_on(cut)}, or leave it out"
        )
    for part in parts[1:]:
        if not same_training(parts[0], part):
            raise ConfigError(
                f'"{ref}": {parts[0].name} and {part.name} differ in more than their seed; '
                "a side is one training with several seeds"
            )
        twin = next(other for other in parts if other.run.seeds == part.run.seeds)
        if twin.name != part.name:
            seeds = ", ".join(map(str, part.run.seeds))
            raise ConfigError(f'"{ref}": {twin.name} and {part.name} have the same seed, {seeds}; leave one out')


def _go_on(part: Part) -> str:
    at_work = part.unfinished == "running"
    return f"wait for it (curate runs show {part.name})" if at_work else f"curate train --resume {part.name}"


def not_to_the_end(experiments: Path, sides: Sequence[Side]) -> list[str]:
    """One line for each run that is compared as it stood when its training stopped, and for each other seed of these
    trainings that is left out for it."""
    parts = [part for side in sides for model in side.models for part in model.parts]
    cut = [one for one in _unfinished(experiments) if any(_alike(one, part) for part in parts)]
    names = {part.name for part in parts}
    mine = [
        f"{one.name} is {one.unfinished}, not trained to its end; {_go_on(one)}" for one in cut if one.name in names
    ]
    rest = [one for one in cut if one.name not in names and _evaluated(one)]
    return mine + [f"{one.name}, another seed, is left out: it is {one.unfinished}; {_go_on(one)}" for one in rest]


def _unfinished(experiments: Path) -> list[Part]:
    parts = (Part(folder, run) for folder, run in readable_runs(experiments) if run.state != "done")
    return [part for part in parts if part.unfinished]


def _family(experiments: Path, part: Part) -> list[Part]:
    """Other seeds of the same training that were evaluated."""
    if not part.is_trained:
        return []
    others = [Part(folder, run) for folder, run in readable_runs(experiments)[::-1] if folder.name != part.name]
    seeds = {part.run.seeds}
    found = []
    for other in others:
        fresh = other.run.state == "done" and other.run.seeds not in seeds
        if fresh and same_training(part, other) and _evaluated(other):
            seeds.add(other.run.seeds)
            found.append(other)
    return found


def _evaluated(part: Part) -> bool:
    """Of a run that nobody named: one whose evaluations are damaged is left out."""
    try:
        return bool(part.evals)
    except CurateError:
        return False


def unreadable(experiments: Path) -> list[str]:
    """One line for each run that a comparison passes over because it is damaged."""
    return [
        f"{folder.name} is left out, its run.json is damaged; curate doctor says more"
        for folder in damaged_runs(experiments)
    ]


def _ordered(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.name)


def _model(part: Part) -> Model:
    return Model(part.name, (part,))


def _base(experiments: Path, other: Side | None) -> Side:
    like = other.models[0].parts[0].run if other else None
    found = base_part(experiments, like)
    if found is None:
        if like and like.kind == "predictions":
            raise ConfigError(f"{like.name}: holds recorded answers alone and has no base here; name two runs")
        what, run = (f" ({like.base})", like.name) if like else ("", BASE)
        raise ConfigError(f"the base model{what} was not evaluated yet; run curate eval {run}, which asks it too")
    return Side((_model(found),))


def _folds(experiments: Path, ref: str) -> Side:
    """Of a version the folds that were trained last, all with the same settings; one model for each seed that every
    fold has."""
    known: dict[tuple[str, int, str], dict[int | None, dict[int, Part]]] = {}
    for folder, run in readable_runs(experiments):
        part = Part(folder, run)
        fold = _FOLD.fullmatch(part.version_name or "")
        if fold and ref in ("latest", fold["of"]) and part.run.state == "done" and _evaluated(part):
            key = (fold["of"], int(fold["folds"]), repr(sorted(_settings(part).items())))
            seeds = known.pop(key, {})  # the last trained stand last
            seeds.setdefault(next(iter(part.run.seeds), None), {})[int(fold["number"])] = part
            known[key] = seeds
    if not known:
        raise ConfigError(f"{ref}: no fold of it was trained and evaluated; curate folds does that")
    for (_, folds, _), seeds in reversed(known.items()):
        if whole := [parts for parts in seeds.values() if len(parts) == folds]:
            models = [Model(parts[1].name, tuple(parts[number] for number in sorted(parts))) for parts in whole]
            return Side(tuple(models))
    (of, folds, _), seeds = list(known.items())[-1]
    most = max(seeds.values(), key=len)
    names = ", ".join(f"{of}-fold{number}of{folds}" for number in range(1, folds + 1) if number not in most)
    raise ConfigError(f"{of}: {names} not trained and evaluated yet; every fold is needed: curate folds goes on")
