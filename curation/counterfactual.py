"""What in the recipe would have kept a row: each answer is tried on the stored rows before it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curation.lookup import Tables

if TYPE_CHECKING:
    from curation.rerun import Rerun
    from curation.rerun_stages import Obstacle

_TURNS: Final = {
    "no_assistant": "order",
    "bad_role_order": "order",
    "cut_conversation": "cut",
    "empty_turn": "empty",
}
_STEPS: Final = 12  # settings in one answer; more would be another recipe


@dataclass(frozen=True, slots=True)
class Change:
    """Settings that, all together, would have kept the row; without settings: what to do to the data instead."""

    settings: Mapping[str, Any]  # near.threshold -> 0.92
    text: str
    sure: bool = True  # False: it hangs on something that could not be tried, such as a stage of the user's own
    patch: str | None = None  # to take back as well

    @property
    def tried(self) -> bool:
        """Whether this is a change of the recipe or of patches, which was tried on the stored rows."""
        return bool(self.settings) or self.patch is not None


@dataclass(frozen=True, slots=True)
class _Case:
    """What a remedy is looked for: the row's obstacle under the settings so far."""

    tables: Tables
    rerun: Rerun
    index: int
    patch: str | None
    careful: bool  # raise a threshold rather than switch its stage off


def changes(tables: Tables, index: int, root: Path | None = None) -> list[Change]:
    """The ways to keep the row on ledger line `index`, the smallest first; empty if no setting would.

    `root` is the workspace: without it, what evaluation sets say of rows they were not compared with is not known.
    """
    entry = tables.entry(index)
    if entry["verdict"] == "quarantined":
        return [Change({}, f"mend the line ({entry['detail'] or entry['reason']})")]
    from curation.rerun import Rerun
    from curation.rerun_stages import Obstacle

    rerun = Rerun(tables, root)
    patch = str(entry["detail"]).split()[0] if entry["stage"] == "patches" else None
    matched = tables.index(entry["matched_source"], entry["matched_unit"])
    first = Obstacle(entry["stage"], entry["reason"], entry["value"], entry["detail"], matched)
    found: list[Change] = []
    for careful in (True, False):
        change = _change(_Case(tables, rerun, index, patch, careful), first)
        if change is not None and change.settings not in [known.settings for known in found]:
            found.append(change)
    return found


def _change(case: _Case, first: Obstacle) -> Change | None:
    """Take one obstacle after the other out of the row's way; None if one cannot be moved."""
    settings: dict[str, Any] = {}
    obstacle: Obstacle | None = first
    sure = True
    for _ in range(_STEPS):
        if obstacle is None:
            return Change(settings, _words(case, settings), sure, case.patch)
        if obstacle.stage != "patches":
            more = _remedy(case, obstacle, settings)
            if not more or all(settings.get(path, more) == value for path, value in more.items()):
                return None
            settings |= more
        trial = case.rerun.trial(case.index, settings, case.patch)
        obstacle, sure = trial.obstacle, trial.sure
    return None


def _remedy(case: _Case, obstacle: Obstacle, settings: Mapping[str, Any]) -> dict[str, Any]:
    match obstacle.stage:
        case "turns":
            return {f"turns.{_TURNS[obstacle.reason]}": "flag"}
        case "filters":
            return {f"filters.{key}.action": "flag" for key in _filter_keys(obstacle)}
        case "language":
            return _spoken(case, obstacle, settings)
        case "conflicts":
            return {"conflicts.action": "report"}
        case "exact":
            return {"exact.action": "off"}
        case "near":
            higher = above(obstacle.value) if case.careful and obstacle.value is not None else None
            return {"near.threshold": higher} if higher is not None else {"near.action": "off"}
        case "decontaminate":
            return _uncovered(case, obstacle, settings)
        case "select":
            return _selected(case, settings)
        case "split":
            return _unfixed(case.tables, case.tables.version.recipe, obstacle, case.careful)
    own = _setting(case, settings, "stages")
    return {"stages": [stage for stage in own if stage["use"] != obstacle.stage]}


def _setting(case: _Case, settings: Mapping[str, Any], path: str) -> Any:
    """A setting as it stands with the changes so far."""
    from curation.rerun import changed_recipe

    value: Any = changed_recipe(case.tables.version.recipe, settings)
    for step in path.split("."):
        value = value[step]
    return value


def _spoken(case: _Case, obstacle: Obstacle, settings: Mapping[str, Any]) -> dict[str, Any]:
    if obstacle.reason == "language_mismatch":
        return {"language.mismatch": "flag"}
    code = (obstacle.detail or "").rpartition(" ")[2]  # `turn 2 is in fr`
    if not case.careful or not code:
        return {"language.action": "flag"}
    return {"language.allowed": [*_setting(case, settings, "language.allowed"), code]}


def _uncovered(case: _Case, obstacle: Obstacle, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A coverage that the row does not reach, if that can be; a whole question with its answer is always found."""
    report = {"decontaminate.action": "report"}
    higher = above(obstacle.value) if case.careful and obstacle.value is not None else None
    detail = obstacle.detail or ""
    if higher is None or detail.endswith("(stem+answer)"):
        return report
    coverage = _setting(case, settings, "decontaminate.coverage")
    if not detail.endswith("(stem+choices)"):
        return {"decontaminate.coverage": higher} if higher > coverage else report
    low = {"decontaminate.coverage_with_choices": higher}
    return low | ({"decontaminate.coverage": higher} if higher > coverage else {})


def _selected(case: _Case, settings: Mapping[str, Any]) -> dict[str, Any]:
    """careful: the smallest number that takes the row; else without the step."""
    from curation.selection.config import SelectConfig
    from curation.selection.needed import needed

    steps = _setting(case, settings, "select.steps")
    rows = case.rerun.trial(case.index, settings, case.patch).selecting
    need = needed(rows, SelectConfig(tuple(steps)), case.index) if rows is not None else None
    if need is None:
        return {}
    if not case.careful:
        return {"select.steps": [step for place, step in enumerate(steps) if place != need.step]}
    return {f"select.steps.{need.step}.{need.key}": need.least} if need.least is not None else {}


def _words(case: _Case, settings: Mapping[str, Any]) -> str:
    recipe = case.tables.version.recipe
    said = [f"curate patch drop {case.patch}"] if case.patch is not None else []
    for path, value in settings.items():
        if path == "stages":
            kept = {stage["use"] for stage in value}
            said += [f"stage {s['use']} taken out" for s in recipe["stages"] if s["use"] not in kept]
        elif path == "select.steps":
            said += [f"{step} taken out" for step in _fewer(recipe["select"]["steps"], value)]
        else:
            said.append(f"{path} {_shown(value)}")
    return " and ".join(said)


def _fewer(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each step that is not there any more."""
    left = list(after)
    gone = []
    for number, step in enumerate(before, 1):
        plain = {key: value for key, value in step.items() if value is not None}
        if plain in left:
            left.remove(plain)
        else:
            gone.append(f"select step {number} (by {step['by']})")
    return gone


def _filter_keys(obstacle: Obstacle) -> list[str]:
    """The recipe's names of all filters that dropped the row; those after the first stand in the detail."""
    from curation.stages.filters import RECIPE_KEY

    also = re.search(r"(?:^|; )also ([a-z_, ]+)$", obstacle.detail or "")
    reasons = [obstacle.reason, *(also.group(1).split(", ") if also else [])]
    return [RECIPE_KEY.get(reason, reason) for reason in reasons]


def _unfixed(tables: Tables, recipe: Mapping[str, Any], obstacle: Obstacle, careful: bool) -> dict[str, Any]:
    """A row near one with a fixed split can stay only if the two may share a split, or do not count as near."""
    higher = above(obstacle.value) if obstacle.value is not None else None
    if careful and higher is not None:
        return {"split.threshold": higher}
    if obstacle.matched is None:
        return {}
    from curation.rerun import source_item

    item = source_item(tables.entry(obstacle.matched)["source"], recipe["sources"])
    return {f"sources.{item}.split": None} if item is not None and recipe["sources"][item].get("split") else {}


def above(similarity: float) -> float | None:
    """A threshold that the similarity really does not reach, with as few digits as it takes; None above 1.

    Similarities are stored in single precision: .92 may stand there as .9199999.
    """
    for digits in (2, 3, 4):
        step = 10**digits
        candidate = (math.floor((similarity + 1e-6) * step) + 1) / step
        if candidate <= 1:
            return candidate
    return None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "taken out" if value is None else str(value)
