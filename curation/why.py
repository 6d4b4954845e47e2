"""The whole story of one unit: where it came from, what each stage said, what it matched, what would have kept it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from curation.counterfactual import Change, changes
from curation.diffing.edits import Turn
from curation.errors import CurateError
from curation.evidence import Leak, PatchStep, cleaned, leaks, patch_steps
from curation.lookup import Row, Tables, mask, place_in_split, place_of, quarantined, row_at, where_equal

_RAW_LIMIT: Final = 1 << 20
_TIES: Final = 20


@dataclass(frozen=True, slots=True)
class Note:
    stage: str
    reason: str
    value: float | None
    threshold: float | None
    detail: str | None
    matched: str | None  # where the row is that it matched


@dataclass(frozen=True, slots=True)
class Tie:
    """A kept row that this row is tied to, or would be but for a fact."""

    row: Row
    similarity: float | None  # null: only the user's group ties them
    kind: str
    fact: str | None


@dataclass(frozen=True, slots=True)
class Story:
    version: str
    where: str
    source: str
    unit: int
    line: int
    byte_offset: int
    format: str
    evidence: str
    raw: str | None
    raw_from: str  # `source file`, `store`, or why there is none
    row: Row | None  # None: it never became a row
    changed_by_normalise: bool
    cleaned: list[Turn]  # the messages that turns and normalise changed
    notes: list[Note]
    verdict: str
    stage: str | None
    reason: str | None
    value: float | None
    threshold: float | None
    detail: str | None
    similarity: float | None
    matched: Row | None
    split: str | None
    place: int | None
    cluster: int | None
    cluster_size: int
    prompt_language: str | None  # und: cannot be told; None: not looked at
    answer_language: str | None
    leaks: list[Leak] = field(default_factory=list)
    patches: list[PatchStep] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    tried: bool = True  # whether anybody looked for changes


def explain(tables: Tables, index: int, root: Path, *, tried: bool = True) -> Story:
    """The story of one line of the ledger; `root` is the workspace, where the source may still lie.

    tried: with what would have kept the row, for which stages run again.
    """
    entry = tables.entry(index)
    source = tables.table("sources").filter(mask(tables.table("sources"), source=entry["source"])).to_pylist()[0]
    raw, raw_from = _raw(tables, entry, source, root)
    record = tables.record(entry["row_id"]) if entry["row_id"] else None
    matched = row_at(tables, tables.index(entry["matched_source"], entry["matched_unit"]))
    row = row_at(tables, index)
    place, size = place_in_split(tables, entry)
    return Story(
        version=tables.version.name,
        where=place_of(entry),
        source=entry["source"],
        unit=entry["unit"],
        line=entry["line"],
        byte_offset=entry["byte_offset"],
        format=source["format"],
        evidence=source["evidence"],
        raw=raw,
        raw_from=raw_from,
        row=row,
        changed_by_normalise=bool(record and record["changed"]),
        cleaned=cleaned(tables, entry["row_id"]),
        notes=_notes(tables, entry),
        verdict=entry["verdict"],
        stage=entry["stage"],
        reason=entry["reason"],
        value=entry["value"],
        threshold=entry["threshold"],
        detail=entry["detail"],
        similarity=entry["similarity"],
        matched=matched,
        split=entry["split"],
        place=place,
        cluster=entry["cluster"],
        cluster_size=size,
        prompt_language=entry.get("prompt_language"),
        answer_language=entry.get("answer_language"),
        leaks=leaks(tables, entry, row),
        patches=patch_steps(tables, entry),
        ties=_ties(tables, entry),
        changes=changes(tables, index, root) if tried and entry["verdict"] != "kept" else [],
        tried=tried,
    )


def _notes(tables: Tables, entry: Mapping[str, Any]) -> list[Note]:
    flags = tables.table("flags")
    found = flags.filter(mask(flags, source=entry["source"], unit=entry["unit"])).to_pylist()
    return [
        Note(
            stage=note["stage"],
            reason=note["reason"],
            value=note["value"],
            threshold=note["threshold"],
            detail=note["detail"],
            matched=_where_of_id(tables, note["matched_row_id"]),
        )
        for note in found
    ]


def _where_of_id(tables: Tables, row_id: bytes | None) -> str | None:
    found = where_equal(tables.ledger, row_id=row_id)
    return place_of(tables.entry(found[0])) if found else None


def _ties(tables: Tables, entry: Mapping[str, Any]) -> list[Tie]:
    """What a kept row is tied to, each row once, most similar first, no more than anybody reads."""
    if entry["verdict"] != "kept":
        return []
    edges, mine = tables.table("edges"), tables.index(entry["source"], entry["unit"])
    found: dict[bytes, dict[str, Any]] = {}  # by the other row's id: equal rows share one, and an edge with each other
    for this, that in (("left_row_id", "right_row_id"), ("right_row_id", "left_row_id")):
        for edge in edges.filter(mask(edges, **{this: entry["row_id"]})).to_pylist():
            found.setdefault(edge[that], edge)
    ordered = sorted(found.items(), key=lambda pair: (-(pair[1]["similarity"] or 0), pair[0]))
    ties: list[Tie] = []
    for row_id, edge in ordered[:_TIES]:
        for index in where_equal(tables.ledger, row_id=row_id, verdict="kept"):
            row = row_at(tables, index) if index != mine else None
            if row is not None:
                ties.append(Tie(row, edge["similarity"], edge["kind"], edge["fact"]))
    return ties[:_TIES]


def _raw(tables: Tables, entry: Mapping[str, Any], source: Mapping[str, Any], root: Path) -> tuple[str | None, str]:
    """The unit's own bytes, and where they come from; a source that changed since would show another row."""
    try:
        raw = _from_file(entry, source, root)
        gone = "the source file has changed since"
    except (OSError, CurateError):
        raw, gone = None, "the source file is gone"
    if raw is not None:
        return _text(raw), "source file"
    if entry["byte_offset"] < 0:
        gone = f"a {source['container']} source has no bytes of its own for a row"
    kept = quarantined(tables, entry)
    if kept is None and entry["row_id"] is not None:
        kept = tables.converted(entry["row_id"])
    return (_text(kept) if kept is not None else None), f"store: {gone}"


def _text(raw: bytes) -> str:
    return raw[:_RAW_LIMIT].decode("utf-8", "backslashreplace")


def _from_file(entry: Mapping[str, Any], source: Mapping[str, Any], root: Path) -> bytes | None:
    """Bytes from the source, None if the file is not the one that was read or has no bytes for a unit."""
    from curation.reading.locate import raw_unit
    from curation.reading.sniff import read_head
    from curation.reading.sources import hash_file

    name, path = entry["source"], root / entry["source"]
    if entry["byte_offset"] < 0 or hash_file(name, path)[0] != source["sha256"]:
        return None
    _, compression = read_head(name, path)
    raw: bytes = raw_unit(path, compression, source["container"], entry["byte_offset"], entry["byte_length"])
    return raw
