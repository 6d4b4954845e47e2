"""What in the recipe would have kept a row: each answer is tried on the stored rows before it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from curation.lookup import Tables

if TYPE_CHECKING:
    from curation.rerun import Obstacle, Rerun

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


def changes(tables: Tables, index: int) -> list[Change]:
    """The ways to keep the row on ledger line `index`, the smallest first; empty if no setting would."""
    entry = tables.entry(index)
    if entry["verdict"] == "quarantined":
        return [Change({}, f"mend the line ({entry['detail'] or entry['reason']})")]
    if entry["stage"] == "patches":
        return [Change({}, f"take the patch back: curate patch drop {entry['detail'].split()[0]}")]
    from curation.rerun import ORDER, Obstacle, Rerun

    if entry["stage"] not in ORDER:  # select, or a stage of the user's own
        what = "select.steps: ask for more rows" if entry["stage"] == "select" else f"change {entry['stage']}"
        return [Change({}, what)]
    rerun = Rerun(tables)
    first = Obstacle(entry["stage"], entry["reason"], entry["value"], entry["detail"], _matched(tables, entry))
    found: list[Change] = []
    for careful in (True, False):
        settings = _settings(tables, rerun, index, first, careful)
        if settings is not None and settings not in [change.settings for change in found]:
            found.append(Change(settings, " and ".join(f"{path} {_shown(v)}" for path, v in settings.items())))
    return found


def _settings(tables: Tables, rerun: Rerun, index: int, first: Obstacle, careful: bool) -> dict[str, Any] | None:
    """Take one obstacle after the other out of the row's way; None if one cannot be moved.

    careful: raise a threshold rather than switch its stage off.
    """
    settings: dict[str, Any] = {}
    obstacle: Obstacle | None = first
    for _ in range(_STEPS):
        if obstacle is None:
            return settings
        more = _remedy(tables, obstacle, careful)
        if not more or all(settings.get(path, more) == value for path, value in more.items()):
            return None
        settings |= more
        obstacle = rerun.obstacle(index, settings)
    return None


def _remedy(tables: Tables, obstacle: Obstacle, careful: bool) -> dict[str, Any]:
    recipe = tables.version.recipe
    match obstacle.stage:
        case "turns":
            return {f"turns.{_TURNS[obstacle.reason]}": "flag"}
        case "filters":
            return {f"filters.{key}.action": "flag" for key in _filter_keys(obstacle)}
        case "conflicts":
            return {"conflicts.action": "report"}
        case "exact":
            return {"exact.action": "off"}
        case "near":
            higher = above(obstacle.value) if careful and obstacle.value is not None else None
            return {"near.threshold": higher} if higher is not None else {"near.action": "off"}
        case "split":
            return _unfixed(tables, recipe, obstacle, careful)
    return {}


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


def _matched(tables: Tables, entry: Mapping[str, Any]) -> int | None:
    return tables.index(entry["matched_source"], entry["matched_unit"])


def _shown(value: Any) -> str:
    return "taken out" if value is None else str(value)
