"""What a version knows of one row besides its verdict: evaluation items in it, its patches, what was cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from curation.diffing.edits import Turn, changed_turns
from curation.lookup import Row, Tables, mask


@dataclass(frozen=True, slots=True)
class Leak:
    """An evaluation item that the row holds, also where rows are not dropped for it."""

    set: str
    item: str
    coverage: float  # share of the question's telling n-grams
    how: str  # stem | stem+choices | stem+answer
    dropped: bool
    before: str  # the row's text up to the item, the item, and what follows
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class PatchStep:
    """One thing that a patch did to the row."""

    patch: str
    where: str  # patches/p-014.jsonl:3
    op: str
    author: str
    time: str
    reason: str
    tags: list[str]


def leaks(tables: Tables, entry: Mapping[str, Any], row: Row | None) -> list[Leak]:
    """The evaluation items in a row, best covered first."""
    known = tables.table("contamination")
    if row is None or not known.num_rows:
        return []
    found = known.filter(mask(known, source=entry["source"], unit=entry["unit"])).to_pylist()
    found.sort(key=lambda line: -line["coverage"])
    text = "\n".join([*([row.system] if row.system else []), row.prompt, row.answer])
    return [
        Leak(
            **{name: line[name] for name in ("set", "item", "coverage", "how", "dropped")},
            before=text[: line["start"]],
            text=text[line["start"] : line["end"]],
            after=text[line["end"] :],
        )
        for line in found
    ]


def patch_steps(tables: Tables, entry: Mapping[str, Any]) -> list[PatchStep]:
    """What patches did to a row, in the order applied; followed back through the rows that it was before."""
    ids = {entry["row_id"]} - {None}
    steps = []
    for line in reversed(tables.table("patches").to_pylist() if ids else []):
        if line["row_id"] in ids or line["result_row_id"] in ids:
            ids |= {line["row_id"]} - {None}
            steps.append(
                PatchStep(
                    patch=line["patch"],
                    where=f"{line['file']}:{line['line']}",
                    **{name: line[name] for name in ("op", "author", "time", "reason")},
                    tags=line["tags"].split(",") if line["tags"] else [],
                )
            )
    return steps[::-1]


def cleaned(tables: Tables, row_id: bytes | None) -> list[Turn]:
    """The messages that the build changed, as they were read and as they are now."""
    now = tables.record(row_id) if row_id is not None else None
    before = tables.converted(row_id) if row_id is not None else None
    if now is None or before is None or not now["changed"]:
        return []
    return changed_turns(orjson.loads(before), now)
