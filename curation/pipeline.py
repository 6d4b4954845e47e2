"""`curate build`: the stages in order, the count of rows after each, and the version they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from curation.accounts import StageAccount, account, counts, source_accounts
from curation.errors import DataError
from curation.gather import Gathered, gather
from curation.ingest import IngestOptions
from curation.keys import with_keys
from curation.ledger import Outcome, stored_tables
from curation.patches import Entry, PatchPlan, apply_patches, load_patches, summary, with_added, with_rows
from curation.preferences import with_preferences
from curation.progress import Progress, Silent
from curation.reading.sources import Source, expand
from curation.recipe import Recipe
from curation.splits import split
from curation.stages.conflicts import conflicts
from curation.stages.exact import exact
from curation.stages.filters import filters
from curation.stages.near import near
from curation.stages.normalise import normalise
from curation.stages.select import selection
from curation.stages.turns import turns
from curation.stages.user import UserStage, load_stages
from curation.store import Store, VersionInfo
from curation.tables import Verdict
from curation.version_id import version_id
from curation.workspace import Workspace

Stage = Callable[[Any, Any], Verdict]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    workers: int = 1
    max_bad: float | None = None  # overrides every source's error budget
    message: str | None = None
    trust_stages: bool = False  # run the recipe's own stages without their `trust`


@dataclass(frozen=True, slots=True)
class BuildResult:
    version: VersionInfo
    new: bool  # False: an existing version has the same id, nothing was published
    sources: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    report: dict[str, Any]  # splits.SplitReport as plain values
    notes: list[str]
    seconds: float

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> rows dropped, merged, or quarantined, commonest first."""
        total: dict[str, int] = {}
        for stage in self.stages:
            for reason, n in stage["reasons"].items():
                total[reason] = total.get(reason, 0) + n
        return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def build(
    workspace: Workspace,
    *,
    recipe: Recipe | None = None,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Build a version from the workspace's recipe and publish it, unless one with the same id exists.

    Raises ConfigError for a wrong recipe, DataError for sources that cannot be read or hold too many bad
    units, StoreBusyError while another build runs. Nothing is published unless all of it is.
    """
    began = time.perf_counter()
    options, progress = options or BuildOptions(), progress or Silent()
    recipe = recipe or workspace.load_recipe()
    own = load_stages(recipe.stages, workspace.root, options.trust_stages)
    recipe = replace(recipe, stages=tuple(stage.spec for stage in own))  # with the hash of the code that runs
    store = Store.create(workspace.store_path)
    with store.writer():
        versions = store.versions()
        parent = versions[-1] if versions else None
        made = run_stages(workspace, recipe, options, progress, parent_splits(store, parent, recipe), own)
        progress.stage("commit", None)
        version = _publish(store, made, recipe, options, parent)
    progress.finish()
    return BuildResult(
        version=version,
        new=version.new,
        sources=made.sources,
        stages=[stage.as_json() for stage in made.stages],
        report=made.report,
        notes=made.notes,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A version before it has a name."""

    stored: dict[str, Any]  # tables.STORED
    stages: list[StageAccount]
    sources: list[dict[str, Any]]
    report: dict[str, Any]
    notes: list[str]


def run_stages(
    workspace: Workspace,
    recipe: Recipe,
    options: BuildOptions,
    progress: Progress,
    parent: Mapping[bytes, str] | None = None,
    own: Sequence[UserStage] = (),
) -> Made:
    """Everything between the sources and the store; writes nothing."""
    notes: list[str] = []
    sources = expand(recipe.sources, workspace.root, notes)
    entries = load_patches(workspace.root)
    gathered, reading, more = _read(sources, entries, workspace, options, progress)
    sources = [*sources, *more]
    run = _Run(progress, [reading], [("read", gathered.dropped)], [("read", gathered.flagged)], own)

    clock = time.perf_counter()
    patched = apply_patches(gathered.rows, PatchPlan(entries, [s.name for s in sources], gathered.units))
    if entries:
        gathered = replace(gathered, rows=with_rows(gathered.rows, patched.changed))
        made = patched.verdict
        run.record("patches", gathered.rows.num_rows, made.kept.num_rows, made.dropped, made.flagged, clock)
    rows = run.stage("turns", turns, patched.verdict.kept, recipe.turns)
    final = rows = run.stage("normalise", normalise, rows, recipe.normalise)
    rows = run.stage("filters", filters, rows, recipe.filters)
    rows = with_keys(with_preferences(rows, sources, recipe.reviewed_field))
    rows = run.stage("conflicts", conflicts, rows, recipe.conflicts)
    rows = run.stage("exact", exact, rows, recipe.exact)
    rows = run.stage("near", near, rows, recipe.near)
    short: list[str] = []
    if recipe.select.steps:
        rows_in, clock = rows.num_rows, time.perf_counter()
        progress.stage("select", rows_in)
        chosen = selection(rows, recipe.select)
        rows, short = chosen.verdict.kept, chosen.notes
        run.record("select", rows_in, rows.num_rows, chosen.verdict.dropped, chosen.verdict.flagged, clock)
    rows = run.own("select", rows)  # also where nothing is selected
    rows_in, clock = rows.num_rows, time.perf_counter()
    _refuse_nothing_left(run, gathered)
    progress.stage("split", rows_in)
    splits = split(rows, recipe.split, parent)
    run.record("split", rows_in, splits.table.num_rows, splits.dropped, splits.flagged, clock)

    outcome = Outcome(gathered, final, run.dropped, run.flagged, splits.table, splits.edges)
    stored = {**stored_tables(outcome), "patches": patched.applied}
    return Made(
        stored=stored,
        stages=run.accounts,
        sources=source_accounts(gathered.sources, stored["ledger"], stored["flags"]),
        report=asdict(splits.report),
        notes=[*notes, *short, *splits.report.warnings],
    )


def _read(
    sources: Any, entries: Sequence[Entry], workspace: Workspace, options: BuildOptions, progress: Progress
) -> tuple[Gathered, StageAccount, list[Source]]:
    if options.max_bad is not None:
        sources = [replace(source, spec=replace(source.spec, max_bad=options.max_bad)) for source in sources]
    clock = time.perf_counter()
    gathered = gather(sources, IngestOptions(root=workspace.root), options.workers, progress)
    gathered, more = with_added(gathered, entries, workspace.root)
    units = gathered.units.num_rows
    if not units:
        raise DataError(f"no rows in {', '.join(source.name for source in sources)}; name files that hold some")
    seconds = time.perf_counter() - clock
    return gathered, account("read", units, gathered.rows.num_rows, gathered.dropped, gathered.flagged, seconds), more


class _Run:
    """The stages so far: what they dropped, noted, and counted."""

    def __init__(
        self, progress: Progress, accounts: list[StageAccount], dropped: Any, flagged: Any, own: Any = ()
    ) -> None:
        self._own = own
        self.progress, self.accounts, self.dropped, self.flagged = progress, accounts, dropped, flagged

    def stage(self, name: str, stage: Stage, rows: Any, config: Any) -> Any:
        """Run one stage and return the rows it kept."""
        self.progress.stage(name, rows.num_rows)
        clock = time.perf_counter()
        verdict = stage(rows, config)
        self.record(name, rows.num_rows, verdict.kept.num_rows, verdict.dropped, verdict.flagged, clock)
        return self.own(name, verdict.kept)

    def own(self, after: str, rows: Any) -> Any:
        """Run the user's stages that follow a stage."""
        for stage in self._own:
            if stage.spec.after == after:
                rows = self.stage(stage.name, stage, rows, stage.spec.config)
        return rows

    def record(self, name: str, rows_in: int, kept: int, dropped: Any, flagged: Any, clock: float) -> None:
        self.accounts.append(account(name, rows_in, kept, dropped, flagged, time.perf_counter() - clock))
        self.dropped.append((name, dropped))
        self.flagged.append((name, flagged))


def _refuse_nothing_left(run: _Run, gathered: Gathered) -> None:
    if run.accounts[-1].kept:
        return
    reasons: dict[str, int] = {}
    for _, dropped in run.dropped:
        for reason, n in counts(dropped["reason"]).items():
            reasons[reason] = reasons.get(reason, 0) + n
    causes = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda pair: -pair[1])[:3])
    raise DataError(f"none of {gathered.units.num_rows} rows is left ({causes}); change the recipe, or the sources")


def parent_splits(store: Store, parent: VersionInfo | None, recipe: Recipe) -> dict[bytes, str] | None:
    """Which split each row of the parent version is in; None where the split settings have changed since."""
    if parent is None or parent.recipe.get("split") != recipe.resolved()["split"]:
        return None
    members = store.table(parent, "members")
    return dict(zip(members["row_id"].to_pylist(), members["split"].to_pylist(), strict=True))


def _publish(
    store: Store, made: Made, recipe: Recipe, options: BuildOptions, parent: VersionInfo | None
) -> VersionInfo:
    resolved = recipe.resolved()
    stats = {
        "stages": [stage.as_json() for stage in made.stages],
        "sources": made.sources,
        "split": made.report,
        "notes": made.notes,
        "patches": summary(made.stored["patches"]),
    }
    return store.publish(
        version_id(made.stored["members"], resolved),
        made.stored,
        parent=parent.id if parent else None,
        message=options.message or "",
        recipe=resolved,
        stats=stats,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
