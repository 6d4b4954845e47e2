"""Tables about a version: what came in, what went and why, how the splits came out, in which languages, how long."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import orjson
import pandas as pd
import pyarrow.compute as pc

from curation.export.members import SPLITS, Members
from curation.records import sides
from curation.stats import QUARANTINES
from curation.store import browse

if TYPE_CHECKING:
    from curation.diff import VersionDiff
    from curation.library import Version

_BINS: Final = (0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)  # characters; the last bin is open

_MAIN: Final = 0.02
_OUT: Final = {QUARANTINES: "quarantined"}  # what another stage takes out is dropped


def sources(version: Version) -> pd.DataFrame:
    """source, format, units, kept, flagged, dropped, quarantined; in the recipe's order."""
    columns = ["source", "format", "units", "kept", "flagged", "dropped", "quarantined"]
    return pd.DataFrame(list(version.stats["sources"]), columns=columns)


def reasons(version: Version) -> pd.DataFrame:
    """stage, verdict (quarantined, dropped or flagged), reason, rows; in the order of the stages, commonest first."""
    rows = [
        (stage["stage"], verdict, reason.replace("_", " "), count)
        for stage in version.stats["stages"]
        for verdict, key in ((_OUT.get(stage["stage"], "dropped"), "reasons"), ("flagged", "flags"))
        for reason, count in sorted(stage[key].items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return pd.DataFrame(rows, columns=["stage", "verdict", "reason", "rows"]).astype({"rows": int})


def splits(version: Version) -> pd.DataFrame:
    """split, rows, clusters."""
    told = version.stats["split"]
    rows = [(split, count, told["clusters"].get(split, 0)) for split, count in version.rows.items() if count]
    return pd.DataFrame(rows, columns=["split", "rows", "clusters"])


def languages(version: Version) -> pd.DataFrame:
    """language of the answer, rows; "unsure" where it could not be told. Empty if the build looked at none."""
    ledger = version.table("ledger")
    if "answer_language" not in ledger.column_names:
        return pd.DataFrame({"language": pd.Series(dtype=str), "rows": pd.Series(dtype=int)})
    kept = ledger.select(["verdict", "answer_language"]).to_pandas()
    counted = (
        kept.loc[kept["verdict"] == "kept", "answer_language"].fillna("unsure").replace({"": "unsure", "und": "unsure"})
    )
    table = counted.value_counts().rename_axis("language").reset_index(name="rows")
    return table.sort_values(["rows", "language"], ascending=[False, True], ignore_index=True)


def main_languages(version: Version) -> list[str]:
    """Languages of at least two in a hundred answers, commonest first; those that could not be told are none."""
    table = languages(version)
    enough = table[(table["rows"] >= _MAIN * table["rows"].sum()) & (table["language"] != "unsure")]
    return [str(language) for language in enough["language"]]


def lengths(version: Version) -> pd.DataFrame:
    """side (prompt or answer), characters (as a range), rows: how long the kept texts are."""
    found: dict[str, list[int]] = {"prompt": [], "answer": []}
    members = Members(version.store, version.info)
    for record in (one for split in SPLITS for chunk in members.chunks(split) for one in chunk.records.to_pylist()):
        _, _, prompt, answer = sides(orjson.loads(record)["messages"])
        found["prompt"].append(len(prompt))
        found["answer"].append(len(answer))
    labels = [*(f"{low}-{high - 1}" for low, high in pairwise(_BINS)), f"{_BINS[-1]}+"]
    tables = []
    for side, values in found.items():
        cut = pd.cut(pd.Series(values, dtype=float), [*_BINS, float("inf")], right=False, labels=labels)
        counts = cut.value_counts(sort=False)
        tables.append(pd.DataFrame({"side": side, "characters": counts.index.astype(str), "rows": counts.to_numpy()}))
    return pd.concat(tables, ignore_index=True)


def measured(version: Version) -> pd.DataFrame:
    """what, verdict, value, threshold, rows: every number that decided about a unit; commonest `what` first.

    what: the stage and its reason, `near: near duplicate`.
    """
    table: pd.DataFrame = browse.measured(version.store, version.info).to_pandas()
    table.insert(0, "what", table["stage"] + ": " + table["reason"].str.replace("_", " "))
    order = table.groupby("what")["rows"].sum().sort_values(ascending=False, kind="stable")
    by = table["what"].map({name: place for place, name in enumerate(order.index)})
    table = table.assign(by=by).sort_values(["by", "value"], kind="stable", ignore_index=True)
    return table[["what", "verdict", "value", "threshold", "rows"]]


def changes(diff: VersionDiff) -> pd.DataFrame:
    """change, why, stage, reason, source, rows: what differs between two versions, most rows first."""
    names = ["change", "why", "stage", "reason", "source"]
    return pd.DataFrame(diff.by(*names), columns=[*names, "rows"])


def changed_rows(diff: VersionDiff, change: str, size: int, page: int = 1) -> pd.DataFrame:
    """A page of the rows that were added, removed, edited or moved, with how each begins."""
    mask = pc.equal(diff.changes["change"], change)
    lines = diff.changes.filter(mask).slice(size * (page - 1), size)
    columns = ["source", "line", "split_before", "split_after", "why", "stage", "reason", "value", "detail"]
    table: pd.DataFrame = lines.select(columns).to_pandas()
    table.insert(2, "begins", [text[:160] for text in diff.prompts(lines)])  # in sight, where the reasons may not be
    return table


def leak_sentence(version: Version) -> str:
    """What a random split of the same rows would have let through, and what this one does."""
    twins = version.stats["split"].get("twins")
    if not twins or not twins.get("test_rows"):
        return "No test rows, so nothing can leak into them."
    low, high = (f"{twins[key]:.0%}" for key in ("random_min", "random_max"))
    return (
        f"With a random split, {twins['random']:.0%} of the {twins['test_rows']:,} test questions would have a twin in "
        f"train ({low} to {high} in {twins['draws']} draws); with this split, {twins['ours']:.0%}."
    )
