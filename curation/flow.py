"""The stages of a build in order, from the sources to the tables of a version; writes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from curation.accounts import StageAccount, account, exam_notes, source_accounts
from curation.decontamination.evaluation_sets import EvaluationSet
from curation.errors import DataError
from curation.gather import Gathered, gather
from curation.ingest import IngestOptions
from curation.keys import with_keys
from curation.ledger import Outcome, stored_tables
from curation.licences import of_sources
from curation.lineage import Inherit
from curation.meta_fields import id_notes
from curation.patches import Entry, PatchPlan, apply_patches, links, load_patches, with_added, with_rows
from curation.preferences import with_preferences
from curation.progress import Progress
from curation.reading.sources import Source, expand
from curation.reading.unit import ENDS_EARLY
from curation.recipe import Recipe
from curation.runner import Runner
from curation.selection.config import SelectConfig
from curation.splits import split
from curation.stages.conflicts import CONFLICT, ConflictsConfig, conflicts
from curation.stages.decontaminate import (
    Contamination,
    DecontaminateConfig,
    decontaminate,
    find_contamination,
    sets_named,
)
from curation.stages.exact import exact
from curation.stages.filters import filters
from curation.stages.language import language
from curation.stages.near import near
from curation.stages.normalise import normalise
from curation.stages.select import selection
from curation.stages.turns import turns
from curation.stages.user import UserStage
from curation.tables import DROPPED, Verdict, empty
from curation.workspace import Workspace

if TYPE_CHECKING:
    from curation.templates.chosen import ChosenTemplate
    from curation.tokens.counting import Counted


@dataclass(frozen=True, slots=True)
class BuildOptions:
    workers: int = 1
    max_bad: float | None = None  # overrides every source's error budget
    message: str | None = None
    trust_stages: bool = False  # run the recipe's own stages without their `trust`


@dataclass(frozen=True, slots=True)
class Made:
    """A version before it has a name."""

    stored: dict[str, Any]  # tables.STORED
    stages: list[StageAccount]
    sources: list[dict[str, Any]]
    licences: dict[str, str | None]
    report: dict[str, Any]
    evaluation_sets: list[dict[str, Any]]  # what the rows were compared with: name, sha256, items
    rendering: dict[str, Any]  # template and tokens, as far as the recipe names them
    notes: list[str]


def run_stages(
    workspace: Workspace,
    recipe: Recipe,
    options: BuildOptions,
    progress: Progress,
    inherit: Inherit | None = None,
    own: Sequence[UserStage] = (),
) -> Made:
    """Everything between the sources and the store.

    `inherit` tells which split rows had in earlier versions; `own` are the recipe's stages of the user's own.
    """
    notes: list[str] = []
    template = _template(recipe, workspace)  # a wrong path is told before anything is read
    sets = sets_named(recipe.decontaminate, workspace.root)
    sources = expand(recipe.sources, workspace.root, notes)
    entries = load_patches(workspace.root)
    gathered, reading, more = _read(sources, entries, workspace, options, progress)
    notes += _ends_early(gathered)
    notes += id_notes(gathered.rows, [source.name for source in sources], recipe.id_field)
    of_recipe, sources = sources, [*sources, *more]
    run = Runner(progress, reading, gathered, own)

    patched = apply_patches(gathered.rows, PatchPlan(entries, [s.name for s in sources], gathered.units))
    gathered = replace(gathered, rows=with_rows(gathered.rows, patched.changed))
    found: list[Contamination] = []

    rows = gathered.rows
    if entries:
        rows = run.stage("patches", lambda rows, config: patched.verdict, rows, None)
    rows = run.stage("turns", turns, rows, recipe.turns)
    final = rows = run.stage("normalise", normalise, rows, recipe.normalise)
    rows = run.stage("filters", filters, rows, recipe.filters)
    told = rows = run.stage("language", language, rows, recipe.language)
    rows = with_keys(with_preferences(rows, sources, recipe.reviewed_field, patched.changed["pos"]))
    rows = run.stage("conflicts", _conflicts(notes), rows, recipe.conflicts)
    rows = run.stage("exact", exact, rows, recipe.exact)
    rows = run.stage("near", near, rows, recipe.near)
    rows = run.stage("decontaminate", _decontaminate(workspace, sets, found), rows, recipe.decontaminate)
    rows = run.stage("select", _select(notes), rows, recipe.select)
    run.refuse_nothing_left()

    clock, rows_in = time.perf_counter(), rows.num_rows
    progress.stage("split", rows_in)
    inherited = inherit(rows, links(patched.applied)) if inherit else None
    splits = split(rows, recipe.split, inherited.splits if inherited else None)
    run.record("split", rows_in, splits.table.num_rows, splits.dropped, splits.flagged, clock)

    counted = _count(run, template, recipe, rows, splits.table, gathered) if template else None

    outcome = Outcome(
        gathered=gathered,
        rows=final,
        languages=told,
        dropped=run.dropped,
        flagged=run.flagged,
        placed=splits.table,
        edges=splits.edges,
        contamination=found[0].matches,
    )
    stored = {**stored_tables(outcome), "patches": patched.applied}
    if counted:
        stored["tokens"] = counted.stored
    accounts = source_accounts(gathered.sources, stored["ledger"], stored["flags"])
    return Made(
        stored=stored,
        stages=run.accounts,
        sources=accounts,
        licences=of_sources(of_recipe, accounts),
        report=asdict(splits.report),
        evaluation_sets=[{"name": s.name, "sha256": s.sha256, "items": len(s.items)} for s in found[0].sets],
        rendering={
            "template": template.as_json() if template else None,
            "tokens": counted.summary if counted else None,
        },
        notes=[
            *exam_notes({one.name: one.spec.split for one in of_recipe if one.spec.split}, stored["ledger"]),
            *notes,
            *(inherited.notes if inherited else []),
            *splits.report.warnings,
            *(counted.notes if counted else []),
        ],
    )


def _ends_early(gathered: Gathered) -> list[str]:
    """Sources of which more may be missing than the one unit that is quarantined for it."""
    last = gathered.dropped.filter(pc.starts_with(gathered.dropped["detail"], ENDS_EARLY))
    source = gathered.units["source"].take(last["pos"]).to_pylist()
    return [
        f"{gathered.sources[at]['source']}: {detail}"
        for at, detail in zip(source, last["detail"].to_pylist(), strict=True)
    ]


def _template(recipe: Recipe, workspace: Workspace) -> ChosenTemplate | None:
    if recipe.template is None and recipe.tokens.tokenizer is None:
        return None
    from curation.templates.chosen import recipe_template  # only a recipe that names one pays for it

    return recipe_template(recipe.template, recipe.tokens, workspace.root)


def _count(
    run: Runner, template: ChosenTemplate, recipe: Recipe, rows: Any, placed: Any, gathered: Gathered
) -> Counted:
    """Tokens of the rows that are in a split; rows over the context, and rows the template refuses, are flagged."""
    from curation.tokens.counting import count_rows

    def place(pos: int) -> str:
        unit = gathered.units.slice(pos, 1).to_pylist()[0]
        return f"{gathered.sources[unit['source']]['source']}:{unit['line']}"

    clock = time.perf_counter()
    kept = rows.filter(pc.is_in(rows["pos"], value_set=placed["pos"].combine_chunks()))
    counted = count_rows(kept, template, recipe.tokens.context, place)
    run.record("tokens", kept.num_rows, kept.num_rows, empty(DROPPED), counted.flagged, clock)
    return counted


def _decontaminate(workspace: Workspace, sets: tuple[EvaluationSet, ...], found: list[Contamination]) -> Any:
    """The stage, which leaves what it found in `found`: that is stored with the version, also in report mode."""

    def stage(rows: Any, config: DecontaminateConfig) -> Verdict:
        found.append(find_contamination(rows, config, workspace.root, sets))
        return decontaminate(rows, config, found[0])

    return stage


def _conflicts(notes: list[str]) -> Any:
    """The stage, which adds to `notes` where it was to decide by priority and nothing says which."""

    def stage(rows: Any, config: ConflictsConfig) -> Verdict:
        found = conflicts(rows, config)
        left = int(pc.sum(pc.equal(found.flagged["reason"], CONFLICT)).as_py() or 0)
        if config.action == "source_priority" and left:
            notes.append(
                f"conflicts: {left:,} rows that contradict a row of equal priority stay, flagged; priority of a source "
                "(sources[].priority, higher wins) decides for source_priority, not its place in the list"
            )
        return found

    return stage


def _select(notes: list[str]) -> Any:
    """The stage, which adds to `notes` where fewer rows were there than asked for."""

    def stage(rows: Any, config: SelectConfig) -> Verdict:
        chosen = selection(rows, config)
        notes.extend(chosen.notes)
        return chosen.verdict

    return stage


def _read(
    sources: Sequence[Source], entries: Sequence[Entry], workspace: Workspace, options: BuildOptions, progress: Progress
) -> tuple[Gathered, StageAccount, list[Source]]:
    """All units of the sources and of the rows that patches add, and the sources that these patches are."""
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
