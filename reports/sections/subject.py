"""What a report is of: a run with its version, its evaluation and its comparison, as far as they are there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import ConfigError, CurateError
from curation.library import Version, Versions
from curation.licences import of_run, of_version, stated
from curation.runs import Run, RunPlace, State, read_run, resolve_run, run_place, state_now
from curation.store import Store, open_store
from curation.store.journal import Journal, open_journal
from curation.workspace import Workspace
from eval.compare.comparison import Comparison, Settings, compare
from eval.compare.exam import without_suite
from eval.compare.shared import Shared, shared
from eval.compare.sides import BASE, Part, Side, asking, chosen
from eval.compare.trained import Exposure
from eval.folder import EvalFolder
from eval.review.scores import scores_of
from eval.taxonomy import Taxonomy, load_taxonomy
from reports.tables.evaluation import suite_of


@dataclass(frozen=True, slots=True)
class Subject:
    """A part that is not there is None, and the text beside it says why, and what to do."""

    root: Path  # the workspace, or the folder above the runs
    place: RunPlace
    folder: Path
    run: Run
    state: State
    evaluation: EvalFolder | None
    no_evaluation: str
    passed_over: str  # the evaluation that was not taken because not all were asked it, and the command that asks
    comparison: Comparison | None
    no_comparison: str
    version: Version | None
    no_version: str
    store: Store | None
    journal: Journal | None
    taxonomy: Taxonomy
    asked: tuple[str, ...]  # words behind curate compare and curate report

    @property
    def name(self) -> str:
        """v2-experiment_003: of the files a report is written to."""
        version = (self.run.version or {}).get("name")
        return f"{version}-{self.folder.name}" if version else self.folder.name

    @property
    def kind_words(self) -> str:
        return {"base": "the base model", "predictions": "recorded answers"}.get(self.run.kind, f"a {self.run.kind}")

    @property
    def data_licences(self) -> dict[str, str | None]:
        """By source: what the version says by now, if it says anything, else what the training was told."""
        now = of_version(self.version.stats) if self.version else {}
        return now if stated(now) else of_run(self.run.licences.get("data"))

    @property
    def runs(self) -> list[Part]:
        """The run, and those compared with it, as the comparison has them."""
        if self.comparison is None:
            return [Part(self.folder, self.run)]
        sides = (self.comparison.a, self.comparison.b)
        return [part for side in sides for model in side.models for part in model.parts]

    @property
    def evaluations(self) -> list[EvalFolder]:
        """One of each run that was evaluated on the same split as this one."""
        if self.evaluation is None:
            return []
        found = [self.evaluation]
        for part in self.runs:
            alike = [e for e in part.evals if _split(e) == _split(self.evaluation)]
            suite = self.evaluation.run.settings.get("suite")
            one = next((e for e in alike if e.run.settings.get("suite") == suite), next(iter(alike), None))
            if one is not None and part.name != self.folder.name:
                found.append(one)
        return found


def subject(
    workspace: Workspace | None,
    near: Path,
    refs: Sequence[str],
    settings: Settings | None = None,
    alone: Callable[[Subject], None] = lambda uncompared: None,
) -> Subject:
    """What `refs` name as `curate compare` does; the last run named, or the newest, is the one reported on.

    `alone` is given it before it is compared, which takes longest. ConfigError where there is no such run.
    """
    root = workspace.root if workspace else near
    place = run_place(workspace, near)
    last = refs[-1].split(",")[-1].strip() if refs else "latest"
    folder = _base(place) if last == BASE else resolve_run(place.experiments, last)
    run = read_run(folder)
    if run.kind == "evaluation":
        raise ConfigError(f"{folder}: is an evaluation; name the run it is of, {folder.parent.name}")
    store = open_store(workspace.store_path) if workspace and workspace.has_store else None
    settings, passed_over = replace(settings or Settings(), people=scores_of(place, root)), ""
    named = settings.suite is not None
    both = None if named else _shared(place, store, refs)
    if both is not None and both.over:
        settings = replace(settings, suite=both.suite)
        passed_over = f"{both.over.name} ({_split(both.over)}) is not compared, for {both.lacking} was not asked it; "
        passed_over += f"{asking(_sides(place, refs))} asks it"
    evaluation, no_evaluation = _evaluation(folder, run, both.suite if both else settings.suite)
    if evaluation is None and both is not None:
        evaluation, no_evaluation = _evaluation(folder, run, None)
    version, no_version = _version(store, run)
    journal = open_journal(place.journal) if place.journal.is_file() else None
    found = Subject(
        root,
        place,
        folder,
        run,
        state_now(folder, run),
        evaluation,
        no_evaluation,
        passed_over,
        None,
        "not yet",
        version,
        no_version,
        store,
        journal,
        load_taxonomy(root),
        (*refs, *(("--suite", settings.suite) if settings.suite else ())),
    )
    alone(found)
    comparison, no_comparison = _comparison(place, store, refs, evaluation, no_evaluation, settings, named)
    no_comparison = no_comparison.replace(f"{root}{os.sep}", "")  # a card goes to other machines
    return replace(found, comparison=comparison, no_comparison=no_comparison)


def _split(folder: EvalFolder) -> object:
    return (folder.run.settings.get("exam") or {}).get("split")


def _base(place: RunPlace) -> Path:
    return resolve_run(place.experiments, "latest", "base")


def _evaluation(folder: Path, run: Run, suite: str | None) -> tuple[EvalFolder | None, str]:
    """The newest finished evaluation (with that suite, where one is named), of test or of a part of the items only
    where there is no other."""
    done = [one for one in Part(folder, run).evals if suite in (None, one.run.settings.get("suite"))]
    found = min(done, key=lambda one: (suite_of(one).is_test, bool(one.run.settings.get("partial"))), default=None)
    if found is not None:
        if found.rows("items"):
            found.check_whole()
        return found, ""
    state = state_now(folder, run)
    if run.kind == "training" and state != "done":
        return None, _unfinished(folder, state)
    if suite:
        return None, f"{folder.name} {without_suite(Part(folder, run), suite)}"
    return None, f"{folder.name} was not evaluated; curate eval {folder.name}"


def _unfinished(folder: Path, state: State) -> str:
    if state == "running":
        return f"{folder.name} is still at work; wait for its end, see curate runs show {folder.name}"
    return f"{folder.name}: training {state}, nothing to evaluate; go on with curate train --resume {folder.name}"


def _comparison(
    place: RunPlace,
    store: Store | None,
    refs: Sequence[str],
    evaluation: EvalFolder | None,
    no_evaluation: str,
    settings: Settings,
    named: bool,
) -> tuple[Comparison | None, str]:
    """From stored answers alone: a report asks no model. named: whether the user named the suite."""
    if evaluation is None and len(refs) < 2 and not named:
        return None, no_evaluation
    try:
        sides = _sides(place, refs)
        if evaluation is None:
            raise ConfigError(no_evaluation)
        return compare(place.experiments, sides, store, settings), ""
    except CurateError as error:
        if len(refs) > 1 or named:
            raise
        return None, str(error)


def _sides(place: RunPlace, refs: Sequence[str]) -> tuple[Side, Side]:
    return chosen(place.experiments, [ref for ref in refs if len(refs) > 1 or ref != BASE])


def _shared(place: RunPlace, store: Store | None, refs: Sequence[str]) -> Shared | None:
    try:
        return shared(_sides(place, refs), Exposure(store))
    except CurateError:  # said by the comparison
        return None


def _version(store: Store | None, run: Run) -> tuple[Version | None, str]:
    told = run.version
    if told is None:
        return None, "" if run.kind == "base" else f"{run.name} does not say which version it was trained on"
    name = f"version {told.get('name')} ({str(told.get('id'))[:8]})"
    if store is None:
        return None, f"{name}: there is no store here; make the report in the workspace that built it"
    try:
        return Versions(store).version(str(told["id"])), ""
    except CurateError:
        return (
            None,
            f"{name} is not in this store (dropped, or built elsewhere); what is said of it comes from run.json",
        )
