"""Figures about a version that its tables hold and its statistics do not: lengths, settings that were changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from curation.records import sides
from curation.settings import flat_settings

if TYPE_CHECKING:
    from curation.store import Store, VersionInfo

QUARANTINES: Final = "read"  # the stage that takes out what never became a row; the others drop


def lengths(store: Store, version: VersionInfo) -> dict[str, dict[str, int]]:
    """Characters of the version's answers and prompts: median, 95th percentile, longest."""
    import pyarrow.compute as pc

    rows = store.table(version, "rows").select(["row_id", "record"])
    members = store.table(version, "members")
    member = rows.filter(pc.is_in(rows["row_id"], value_set=members["row_id"].combine_chunks()))
    found: dict[str, list[int]] = {"answer": [], "prompt": []}
    for record in member["record"].to_pylist():
        _, _, prompt, answer = sides(orjson.loads(record)["messages"])
        found["answer"].append(len(answer))
        found["prompt"].append(len(prompt))
    return {side: _spread(values) for side, values in found.items()}


def languages(store: Store, version: VersionInfo) -> dict[str, int]:
    """Rows of the version by language, commonest first: `en -> de` answered in another, und: cannot be told.

    Empty where the build did not look.
    """
    import pyarrow.compute as pc

    from curation.diffing.sides import spoken

    ledger = store.table(version, "ledger")
    if "prompt_language" not in ledger.column_names:  # a version from before languages were stored
        return {}
    kept = ledger.filter(pc.equal(ledger["verdict"], "kept"))
    found = spoken(kept["prompt_language"], kept["answer_language"]).drop_null().value_counts().to_pylist()
    counts = {pair["values"]: pair["counts"] for pair in found}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _spread(values: list[int]) -> dict[str, int]:
    """Nearest-rank percentiles: each is a length that a row really has."""
    if not values:
        return {"median": 0, "p95": 0, "longest": 0}
    ordered = sorted(values)

    def rank(share: float) -> int:
        return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]

    return {"median": rank(0.5), "p95": rank(0.95), "longest": ordered[-1]}


def totals(stages: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    """Reason -> rows over all stages, commonest first; `key` is reasons or flags."""
    total: dict[str, int] = {}
    for stage in stages:
        for reason, count in stage[key].items():
            total[reason] = total.get(reason, 0) + count
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def outcome(sources: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """units, kept, dropped (merged too) and quarantined, of all sources together; the last three make the first."""
    told = list(sources)
    return {name: sum(source[name] for source in told) for name in ("units", "kept", "dropped", "quarantined")}


def lost(stages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], dict[str, int]]:
    """Reason -> rows that were dropped, and reason -> units that never became a row."""
    return (
        totals((stage for stage in stages if stage["stage"] != QUARANTINES), "reasons"),
        totals((stage for stage in stages if stage["stage"] == QUARANTINES), "reasons"),
    )


def changed_settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a resolved recipe that do not stand at their default, as `near.threshold` -> value."""
    from curation.recipe import Recipe  # with every stage

    default = flat_settings(Recipe(sources=()).resolved())
    return {
        name: value
        for name, value in sorted(flat_settings(recipe).items())
        if name.split(".")[0] not in ("sources", "export", "template", "tokens") and default.get(name) != value
    }
