"""`curate build`: run the stages under the store's lock and publish the version they make."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from curation.flow import BuildOptions, Made, run_stages
from curation.licences import of_version, put_right
from curation.lineage import inheritance
from curation.patches import summary
from curation.process_start import memory_reused
from curation.progress import Progress, Silent
from curation.recipe import Recipe
from curation.stages.user import load_stages
from curation.store import Store, VersionInfo
from curation.version_id import version_id
from curation.workspace import Workspace

__all__ = ["BuildOptions", "BuildResult", "build"]


@dataclass(frozen=True, slots=True)
class BuildResult:
    version: VersionInfo
    new: bool  # False: an existing version has the same id, nothing was published
    before: str | None  # name of the version that was the latest until now, if any
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
    with store.writer(), memory_reused():
        before, parent = store.latest(), store.newest()  # the parent is the newest: no row forgets where it was
        inherit = inheritance(store, parent, recipe.resolved())
        made = run_stages(workspace, recipe, options, progress, inherit, own)
        progress.stage("commit", None)
        said = {known.id: of_version(known.stats) for known in store.versions()}
        version = _publish(store, made, recipe, options, parent)
    progress.finish()
    corrected = put_right(said.get(version.id, made.licences), of_version(version.stats))
    notes = [
        *made.notes,
        *_settings_kept(version, recipe.resolved()),
        *(f"{version.name}: {line}" for line in corrected),
    ]
    return BuildResult(
        version=version,
        new=version.new,
        before=before.name if before else None,
        sources=made.sources,
        stages=[stage.as_json() for stage in made.stages],
        report=made.report,
        notes=notes,
        seconds=time.perf_counter() - began,
    )


def _publish(
    store: Store, made: Made, recipe: Recipe, options: BuildOptions, parent: VersionInfo | None
) -> VersionInfo:
    resolved = recipe.resolved()
    stats = {
        "stages": [stage.as_json() for stage in made.stages],
        "sources": made.sources,
        "licences": made.licences,
        "split": made.report,
        "notes": made.notes,
        "evaluation_sets": made.evaluation_sets,
        "patches": summary(made.stored["patches"]),
        **made.rendering,
    }
    return store.publish(
        version_id(made.stored["members"], resolved, stats),
        made.stored,
        parent=parent.id if parent else None,
        message=options.message or "",
        recipe=resolved,
        stats=stats,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _settings_kept(version: VersionInfo, recipe: dict[str, Any]) -> list[str]:
    """A version is never changed: said where the recipe's new `export` or `template` does not reach it."""
    changed = [key for key in ("export", "template") if version.recipe.get(key) != recipe[key]]
    if version.new or not changed:
        return []
    return [
        f"{version.name} keeps the {' and '.join(changed)} it was built with; to export it otherwise use the options "
        "of curate export and curate pack"
    ]
