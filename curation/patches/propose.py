"""Entries of a new patch, from rows of a version: what `curate patch add` shows before it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.lookup import Tables, find
from curation.patches.entry import expectation
from curation.store import Store, VersionInfo
from curation.store.kept_rows import kept_rows
from curation.validate import format_validator


@dataclass(frozen=True, slots=True)
class Author:
    """Who, when and why: what every entry of a patch bears."""

    name: str
    time: str  # UTC, ISO 8601
    reason: str
    tags: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        tags = {"tags": list(self.tags)} if self.tags else {}
        return {"author": self.name, "time": self.time, "reason": self.reason, **tags}


@dataclass(frozen=True, slots=True)
class Target:
    """A row that a patch is to change. Units with equal records are one row and share its entry."""

    row_id: bytes
    converted: bytes
    source: str
    line: int
    split: str | None  # None: the row was not kept

    @property
    def place(self) -> str:
        return f"{self.source}:{self.line}"


def rows_where(store: Store, version: VersionInfo, condition: str) -> list[Target]:
    """The kept rows that meet an SQL condition; ConfigError if there is none."""
    found = kept_rows(store, condition, version).to_pylist()
    if not found:
        names = store.table(version, "sources", ["source"])["source"].to_pylist()
        shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise ConfigError(f"--where: no kept row of {version.name} matches {condition}; its sources: {shown}")
    targets: dict[bytes, Target] = {}
    for row in found:
        name = UUID(row["row_id"]).bytes
        targets.setdefault(name, Target(name, row["converted"].encode(), row["source"], row["line"], row["split"]))
    return list(targets.values())


def duplicates_of(store: Store, version: VersionInfo, targets: Sequence[Target]) -> list[Target]:
    """Rows that were dropped or merged as duplicates of these: without them, they are kept by the next build."""
    ledger = store.table(version, "ledger", ["row_id", "source", "line", "stage", "matched_row_id"])
    names = pa.array([target.row_id for target in targets], pa.binary(16))
    matched = pc.is_in(ledger["matched_row_id"], value_set=names)
    duplicate = pc.is_in(ledger["stage"], value_set=pa.array(["exact", "near"]))
    lines = ledger.filter(pc.and_(matched, pc.and_(duplicate, pc.invert(pc.is_in(ledger["row_id"], names)))))
    found = {line["row_id"]: line for line in reversed(lines.to_pylist())}
    stored = store.rows(version, list(found)).to_pylist()
    converted = {row["row_id"]: (row["converted"] or row["record"]).encode() for row in stored}
    return [Target(name, converted[name], found[name]["source"], found[name]["line"], None) for name in sorted(found)]


def rows_named(store: Store, version: VersionInfo, names: Sequence[str], root: Path) -> list[Target]:
    """The rows, kept or not, that FILE:LINE or the beginning of an id name, each once; ConfigError if one names none.

    `root` is the workspace: files may be given relative to it, or to the current folder.
    """
    targets = (_row_named(store, version, name, root) for name in names)
    return list({target.row_id: target for target in targets}.values())


def _row_named(store: Store, version: VersionInfo, name: str, root: Path) -> Target:
    ledger = store.table(version, "ledger", ["row_id", "source", "line", "verdict", "split"])
    found = _at_line(store, version, name, root) if ":" in name else _beginning(ledger, name)
    if len(found) != 1:
        how = "is not a row" if not found else f"means {len(found)} rows"
        raise ConfigError(f"--row {name}: {how} of {version.name}; give FILE:LINE, or an id as `curate why` shows it")
    lines = ledger.filter(pc.equal(ledger["row_id"], pa.scalar(found[0], pa.binary(16)))).to_pylist()
    line = next((line for line in lines if line["verdict"] == "kept"), lines[0])
    stored = store.rows(version, found).to_pylist()[0]
    converted = stored["converted"] or stored["record"]
    return Target(found[0], converted.encode(), line["source"], line["line"], line["split"])


def _beginning(ledger: Any, prefix: str) -> list[bytes]:
    wanted = prefix.replace("-", "").lower()
    ids = ledger["row_id"].drop_null().unique().to_pylist()
    return sorted(name for name in ids if len(wanted) >= 4 and name.hex().startswith(wanted))


def _at_line(store: Store, version: VersionInfo, place: str, root: Path) -> list[bytes]:
    tables = Tables(store, version)
    try:
        ids = {tables.entry(index)["row_id"] for index in find(tables, place, root)}
    except ConfigError as error:
        raise ConfigError(f"--row {error}") from None
    return sorted(ids - {None})  # a quarantined unit is no row


def entries(
    op: str, targets: Sequence[Target], change: Mapping[str, Any], author: Author, scope: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One entry a row, without the patch's id: `change` holds messages, turns or meta; `scope` where and version."""
    return [
        {
            "op": op,
            "row_id": str(UUID(bytes=target.row_id)),
            "expect": expectation(target.converted),
            "at": {"source": target.source, "line": target.line},
            **change,
            **author.fields(),
            **scope,
        }
        for target in targets
    ]


def added_entries(path: Path, author: Author, scope: Mapping[str, str]) -> list[dict[str, Any]]:
    """An entry for every row of a file in any format that a build reads; DataError if one cannot be read."""
    from curation.ingest import IngestOptions, ingest
    from curation.reading.sources import SourceSpec, expand

    if not path.is_file():
        raise ConfigError(f"--add {path}: no such file")
    (source,) = expand([SourceSpec(path=str(path.resolve()))], path.resolve().parent)
    found = ingest(source, IngestOptions())
    if found.dropped.num_rows:
        bad = found.dropped.to_pylist()[0]
        line = found.units["line"][bad["pos"]].as_py()
        raise ConfigError(f"--add {path}:{line}: {bad['detail'] or bad['reason']}; repair it, or take it out")
    if not found.rows.num_rows:
        raise ConfigError(f"--add {path}: holds no row")
    records = [orjson.loads(record) for record in found.rows["record"].to_pylist()]
    return [{"op": "add", "record": record, **author.fields(), **scope} for record in records]


def last_answer(target: Target, text: str) -> dict[str, Any]:
    """The change that gives a row another answer, its last assistant turn."""
    roles = [message["role"] for message in orjson.loads(target.converted)["messages"]]
    if "assistant" not in roles:
        raise ConfigError(f"--answer: row {target.place} has no answer; give all messages with --edit FILE.json")
    turn = len(roles) - roles[::-1].index("assistant")
    return {"turns": [{"turn": turn, "content": text}]}


def whole_record(path: Path) -> dict[str, Any]:
    """The change that gives a row the messages in a JSON file: a list of them, or an object that holds it."""
    try:
        value = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"--edit {path}: cannot be read ({error.strerror})") from None
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"--edit {path}:{error.lineno}: is not JSON ({error.msg})") from None
    messages = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list):
        raise ConfigError(f'--edit {path}: must hold {{"messages": [...]}}, or the list of messages alone')
    if problem := format_validator("record.schema.json").explain({"messages": messages, "meta": {}}):
        raise ConfigError(f"--edit {path}: {problem}")
    return {"messages": messages}


def relabelled(text: str) -> dict[str, Any]:
    """The change that `field=value` asks for; the value is JSON where it reads as such, else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ConfigError(f"--relabel {text}: must be FIELD=VALUE, for instance --relabel topic=pins")
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        parsed = value
    return {"meta": {name: parsed}}
