"""Finding one unit of a version: by file and line, by the beginning of a row id, or by text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from curation.errors import ConfigError
from curation.records import sides

if TYPE_CHECKING:
    from curation.store import Store, VersionInfo

_ENOUGH: Final = 4  # hexadecimal digits that may stand for a row id


@dataclass(frozen=True, slots=True)
class Found:
    """One unit that a target may mean."""

    index: int  # line of the ledger
    where: str  # raw.jsonl:17
    row_id: str | None
    fate: str
    text: str  # how it begins


@dataclass(frozen=True, slots=True)
class Row:
    """A converted row as people look it up."""

    where: str
    row_id: str
    fate: str  # `train #3`, or what dropped it
    system: str
    prompt: str
    answer: str
    roles: str


class Tables:
    """The tables of one version that a story needs, each read once."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        self.store, self.version = store, version
        self.ledger = store.table(version, "ledger")
        self._kept: dict[str, Any] = {}
        self._rows: dict[bytes, dict[str, Any] | None] = {}

    def table(self, name: str) -> Any:
        if name not in self._kept:
            self._kept[name] = self.store.table(self.version, name)
        return self._kept[name]

    def entry(self, index: int) -> dict[str, Any]:
        entry: dict[str, Any] = self.ledger.slice(index, 1).to_pylist()[0]
        return entry

    def where(self, source: str | None, unit: int | None) -> str:
        index = self.index(source, unit)
        return place_of(self.entry(index)) if index is not None else f"{source} unit {unit}"

    def index(self, source: str | None, unit: int | None) -> int | None:
        return next(iter(where_equal(self.ledger, source=source, unit=unit)), None)

    def record(self, row_id: bytes) -> dict[str, Any] | None:
        """A row's record as exported; `changed` says whether normalisation made it another than the converted one."""
        line = self._stored_row(row_id)
        return None if line is None else {"changed": line["converted"] is not None, **orjson.loads(line["record"])}

    def converted(self, row_id: bytes) -> bytes | None:
        """A row's canonical JSON as converted, the bytes its id is a hash of."""
        line = self._stored_row(row_id)
        return None if line is None else str(line["converted"] or line["record"]).encode()

    def _stored_row(self, row_id: bytes) -> dict[str, Any] | None:
        if row_id not in self._rows:
            self._rows[row_id] = next(iter(self.store.rows(self.version, [row_id]).to_pylist()), None)
        return self._rows[row_id]


def place_of(entry: Mapping[str, Any]) -> str:
    """raw.jsonl:17, the way a line of the ledger is named."""
    return f"{entry['source']}:{entry['line']}" if entry["line"] > 0 else f"{entry['source']} unit {entry['unit']}"


def find(tables: Tables, target: str, root: Path | None = None) -> list[int]:
    """Lines of the ledger that `file:line` or the beginning of a row id means, in build order.

    Several: equal rows share an id, and several units may stand on a line. `root` is the workspace: paths may be
    given relative to it, to the current folder, or as their last parts.
    """
    name, _, line = target.rpartition(":")
    if name and line.isdecimal() and line.isascii():
        return _at_line(tables, name, int(line), root)
    if target in tables.table("sources")["source"].to_pylist():
        raise ConfigError(f"{target}: name a line of it as well: curate why {target}:1")
    return _by_id(tables, target)


def grep(tables: Tables, text: str) -> list[int]:
    """Lines of the ledger whose record, or quarantined bytes, hold `text` (case does not matter), in build order."""
    import pyarrow.compute as pc

    if not text:
        raise ConfigError("--grep: needs some text to look for")
    rows, lost = tables.table("rows"), tables.table("quarantine")
    escaped = orjson.dumps(text).decode()[1:-1]  # records are JSON: a quote in the text stands there as \"
    hit = pc.match_substring(rows["record"], escaped, ignore_case=True)
    ids = rows.filter(hit)["row_id"].combine_chunks()
    wanted = set(pc.indices_nonzero(pc.is_in(tables.ledger["row_id"], value_set=ids)).to_pylist())
    raw = lost.filter(pc.match_substring(lost["raw"], text, ignore_case=True)) if lost.num_rows else lost
    for source, unit in zip(raw["source"].to_pylist(), raw["unit"].to_pylist(), strict=True):
        index = tables.index(source, unit)
        wanted.update([] if index is None else [index])
    return sorted(wanted)


def candidate(tables: Tables, index: int) -> Found:
    entry = tables.entry(index)
    row = row_at(tables, index)
    text = row.prompt or row.answer if row else (quarantined(tables, entry) or b"")[:200].decode("utf-8", "replace")
    return Found(index, place_of(entry), row.row_id if row else None, fate(tables, entry), text)


def mask(table: Any, **equal: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = None
    for name, value in equal.items():
        one = pc.equal(table[name], pa.scalar(value, table[name].type))
        mask = one if mask is None else pc.and_(mask, one)
    return mask


def where_equal(table: Any, **equal: Any) -> list[int]:
    """Line numbers where every named column has the named value; a null matches nothing."""
    import pyarrow.compute as pc

    if any(value is None for value in equal.values()):
        return []
    found: list[int] = pc.indices_nonzero(mask(table, **equal)).to_pylist()
    return found


def _at_line(tables: Tables, name: str, line: int, root: Path | None) -> list[int]:
    source = _source(tables, name, root)
    lines = tables.ledger.filter(mask(tables.ledger, source=source))["line"].to_pylist()
    if line not in lines:
        raise ConfigError(f"{source}:{line}: {_nothing_there(tables, source, lines, line)}")
    return where_equal(tables.ledger, source=source, line=line)


def _nothing_there(tables: Tables, source: str, lines: list[int], line: int) -> str:
    """Why no row begins on a line."""
    if line == 0:
        return "lines are counted from 1"
    if not lines:
        return "the file holds no row"
    at = where_equal(tables.table("sources"), source=source)
    container = tables.table("sources")["container"][at[0]].as_py()
    before = max((known for known in lines if known < line), default=None)
    after = min((known for known in lines if known > line), default=None)
    if after is None and (before is None or container != "json"):
        return f"there is no row; the last one is on line {max(lines)}"
    if container == "jsonl":
        return "the line is blank; blank lines are passed over"
    if before is None:
        what = "the header" if container == "csv" else "what opens the file"
        return f"no row begins there, it is {what} or blank; the first row is on line {after}"
    return f"no row begins there; the row before begins on line {before}" + (f", the next on {after}" if after else "")


def _source(tables: Tables, name: str, root: Path | None) -> str:
    """The source that `name` means: as the ledger writes it, by path, or by its last parts."""
    names: list[str] = tables.table("sources")["source"].to_pylist()
    if name in names:
        return name
    if root is not None:
        absolute = Path(name).absolute()
        same = [known for known in names if (root / known).absolute() == absolute]
        if same:
            return same[0]
    tail = [known for known in names if known.endswith(f"/{name}")]
    if len(tail) == 1:
        return tail[0]
    listed = ", ".join(tail or names[:5])
    what = "could be any of" if tail else f"is not a source of {tables.version.name}; sources:"
    raise ConfigError(f"{name}: {what} {listed}")


def _by_id(tables: Tables, target: str) -> list[int]:
    digits = target.replace("-", "").lower()
    if len(digits) < _ENOUGH or len(digits) > 32 or any(c not in "0123456789abcdef" for c in digits):
        raise ConfigError(
            f'"{target}" is neither FILE:LINE nor the beginning of a row id ({_ENOUGH} to 32 hexadecimal digits); '
            f"to look for text: curate why --grep TEXT"
        )
    ids = tables.ledger["row_id"].to_pylist()
    found = [index for index, value in enumerate(ids) if value is not None and value.hex().startswith(digits)]
    if not found:
        raise ConfigError(f"{tables.version.name} has no row whose id begins with {target}; try curate why --grep TEXT")
    return found


def row_at(tables: Tables, index: int | None) -> Row | None:
    if index is None:
        return None
    entry = tables.entry(index)
    record = tables.record(entry["row_id"]) if entry["row_id"] else None
    if record is None:
        return None
    roles, system, prompt, answer = sides(record["messages"])
    return Row(place_of(entry), str(UUID(bytes=entry["row_id"])), fate(tables, entry), system, prompt, answer, roles)


def fate(tables: Tables, entry: Mapping[str, Any]) -> str:
    """`kept as v1 train #3`, or `dropped by near`."""
    if entry["verdict"] != "kept":
        return f"{entry['verdict']} by {entry['stage']}"
    place, _ = place_in_split(tables, entry)
    return f"kept as {tables.version.name} {entry['split']} #{place}"


def place_in_split(tables: Tables, entry: Mapping[str, Any]) -> tuple[int | None, int]:
    """(1-based place in its split, rows in its cluster) of a kept row; equal rows have their places in build order."""
    if entry["verdict"] != "kept":
        return None, 0
    members = tables.table("members")
    same = {"row_id": entry["row_id"], "split": entry["split"]}
    at = where_equal(members, **same)
    copy = 0
    if len(at) > 1:
        (mine,) = where_equal(tables.ledger, source=entry["source"], unit=entry["unit"])
        copy = where_equal(tables.ledger, **same, verdict="kept").index(mine)
    size = len(where_equal(members, cluster=entry["cluster"]))
    return (members["place"][at[copy]].as_py() + 1 if at else None), size


def quarantined(tables: Tables, entry: Mapping[str, Any]) -> bytes | None:
    lost = tables.table("quarantine")
    at = where_equal(lost, source=entry["source"], unit=entry["unit"])
    return lost["raw"][at[0]].as_py() if at else None
