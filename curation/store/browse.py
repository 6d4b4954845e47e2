"""Pages of a version for people who look through it: the database filters, and gives one page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ConfigError
from curation.store.catalog import OFFLINE
from curation.store.database import Store
from curation.store.segments import read_batches, verify_segment
from curation.store.versions import VersionInfo

PAGE: Final = 50
_SEARCH_ROWS: Final = 65_536  # between two words of progress
_MOST_FOUND: Final = 1_000
_HUGE: Final = 1 << 62
_SHOWN: Final = (
    "source, line, verdict, split, stage, reason, value, threshold, answer_language as language,"
    " nullif(byte_length, -1) as bytes, cluster, cast(row_id as varchar) as row_id"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What units are wanted; an empty value asks for nothing. reason: of a verdict or of a flag.

    row: how its id begins. shortest, longest: bytes of the unit in its source, of the stored record where a
    source has no bytes for a unit (Parquet). cluster: all rows that one split must hold together.
    """

    verdict: str = ""
    split: str = ""
    source: str = ""
    reason: str = ""
    language: str = ""
    row: str = ""
    shortest: int | None = None
    longest: int | None = None
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """units: one line each, in build order; total: of all pages."""

    units: Any
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


@dataclass(frozen=True, slots=True)
class Search:
    """How far a search has come. units: what was found so far, at most as many as anybody reads."""

    looked: int
    rows: int
    units: Any


def page(store: Store, version: VersionInfo, asked: Asked, number: int = 1) -> Page:
    """Page `number`, from 1, of the units that were asked for."""
    where, values = _where(asked)
    with _Reading(store, version) as read:
        read.measure()
        ((total,),) = read.rows(f"select count(*) from ledger where {where}", values)
        found = f"select file_row_number from ledger where {where} order by 1 limit ? offset ?"
        units = read.table(
            f"select {_SHOWN} from ledger where file_row_number in ({found}) order by file_row_number",
            [*values, PAGE, PAGE * (number - 1)],
        )
        return Page(read.begun(units), total)


def choices(store: Store, version: VersionInfo) -> dict[str, list[str]]:
    """The values that `source`, `reason` and `language` can be asked for; sources in build order, others by number."""
    with _Reading(store, version) as read:
        reasons = "select reason from ledger union all select reason from flags"
        queries = {
            "source": "select source from sources",
            "reason": f"select reason from ({reasons}) where reason is not null group by 1 order by count(*) desc, 1",
            "language": "select answer_language from ledger where answer_language is not null"
            " group by 1 order by count(*) desc, 1",
        }
        return {name: [value for (value,) in read.rows(sql)] for name, sql in queries.items()}


def clusters(store: Store, version: VersionInfo, most: int = 200) -> Any:
    """cluster, rows, split, begins: those of several rows, the largest first."""
    with _Reading(store, version) as read:
        table = read.table(
            "select cluster, count(*) as rows, min(split) as split, cast(min(row_id) as varchar) as row_id from members"
            " group by cluster having count(*) > 1 order by rows desc, cluster limit ?",
            [most],
        )
        return read.begun(table).drop_columns(["row_id"])


def noted(store: Store, version: VersionInfo, reasons: Sequence[str], number: int = 1) -> Page:
    """Rows that a stage flagged for one of these reasons, each beside the row that it was matched with."""
    marks = ", ".join("?" for _ in reasons)
    with _Reading(store, version) as read:
        where = f"reason in ({marks})"
        ((total,),) = read.rows(f"select count(*) from flags where {where}", list(reasons))
        units = read.table(
            "select f.source, l.line, f.reason, f.value, f.detail, cast(f.row_id as varchar) as row_id,"
            " cast(f.matched_row_id as varchar) as matched_row_id from"
            f" (select * from flags where {where} order by file_row_number limit ? offset ?) f"
            " left join ledger l using (source, unit) order by f.file_row_number",
            [*reasons, PAGE, PAGE * (number - 1)],
        )
        return Page(read.begun(units), total)


def measured(store: Store, version: VersionInfo) -> Any:
    """stage, reason, verdict, value, threshold, rows: every number that decided about a unit, equal ones counted."""
    with _Reading(store, version) as read:
        return read.table(
            "select stage, reason, verdict, value, threshold, count(*) as rows from ("
            " select stage, reason, verdict, value, threshold from ledger where value is not null union all"
            " select stage, reason, 'flagged', value, threshold from flags where value is not null)"
            " group by all order by all"
        )


def search(store: Store, version: VersionInfo, text: str, asked: Asked = Asked()) -> Iterator[Search]:
    """Look for `text`, in any case, in every record and every quarantined unit; tells again and again how far it is.

    It ends early when more was found than anybody reads.
    """
    if not text:
        raise ConfigError("a search needs some text to look for")
    rows, lost = version.segments["rows"], version.segments["quarantine"]
    whole, looked = rows.rows + lost.rows, 0
    written = orjson.dumps(text).decode()[1:-1]  # records are JSON: a quote in the text stands there as \"
    found: list[Any] = []
    for segment, column, sought in ((lost, "raw", text), (rows, "record", written)):
        for batch in read_batches(store.segments_path, segment, _SEARCH_ROWS):
            looked += batch.num_rows
            hits = batch.filter(pc.match_substring(batch.column(column), sought, ignore_case=True))
            if hits.num_rows:
                found.append(_units_of(store, version, hits, asked))
            units = pa.concat_tables(found).slice(0, _MOST_FOUND) if found else None
            yield Search(looked, whole, units)
            if units is not None and units.num_rows == _MOST_FOUND:
                return


def _units_of(store: Store, version: VersionInfo, hits: Any, asked: Asked) -> Any:
    """The lines of the ledger that these rows, or quarantined units, are of."""
    where, values = _where(asked)
    table = pa.Table.from_batches([hits])
    by_id = "row_id" in table.column_names
    with _Reading(store, version) as read:
        read.measure()
        if by_id:
            read.con.register("hits", pa.table({"id": [str(UUID(bytes=one)) for one in table["row_id"].to_pylist()]}))
            within = "row_id in (select cast(id as uuid) from hits)"
        else:
            read.con.register("hits", table.select(["source", "unit"]))
            within = "(source, unit) in (select source, unit from hits)"
        sql = f"select {_SHOWN} from ledger where {within} and {where} order by file_row_number limit {_MOST_FOUND}"
        return read.begun(read.table(sql, values))


def _where(asked: Asked) -> tuple[str, list[Any]]:
    """A condition, and its values; no text of the page becomes SQL."""
    tests: list[tuple[str, list[Any]]] = [
        (f"{column} = ?", [value])
        for column, value in (
            ("verdict", asked.verdict),
            ("split", asked.split),
            ("source", asked.source),
            ("answer_language", asked.language),
            ("cluster", asked.cluster),
        )
        if value not in ("", None)
    ]
    if asked.reason:
        flagged = "(source, unit) in (select source, unit from flags where reason = ?)"
        tests.append((f"(reason = ? or {flagged})", [asked.reason, asked.reason]))
    if asked.row:
        tests.append(("row_id between cast(? as uuid) and cast(? as uuid)", _ids_from(asked.row)))
    if asked.shortest is not None or asked.longest is not None:
        low, high = asked.shortest or 0, asked.longest if asked.longest is not None else _HUGE
        stored = "file_row_number in (select number from sizes where bytes between ? and ?)"
        tests.append((f"(byte_length between ? and ? or ({stored}))", [low, high, low, high]))
    return " and ".join(test for test, _ in tests) or "true", [value for _, values in tests for value in values]


def _ids_from(begin: str) -> list[str]:
    """The first and the last id that begin so."""
    digits = begin.replace("-", "").lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        raise ConfigError(f'"{begin}" begins no row id; ids are up to 32 of the digits 0-9 and a-f')
    return [str(UUID(digits.ljust(32, last))) for last in "0f"]


@lru_cache(maxsize=2)
def _sizes(ledger: str, rows: str) -> Any:
    """number, bytes: lines of the ledger whose source has no bytes for them, and the size of their stored record.

    Segments never change, so nothing is read when it is asked again.
    """
    sql = (
        "select l.file_row_number as number, strlen(r.record) as bytes from read_parquet(?, file_row_number = true) l"
        " join read_parquet(?) r using (row_id) where l.byte_length < 0"
    )
    with duckdb.connect(":memory:", config={**OFFLINE, "threads": 2}) as con:
        return con.sql(sql, params=[ledger, rows]).to_arrow_table()


class _Reading:
    """A connection of its own to the version's segments, whose bytes were checked."""

    def __init__(self, store: Store, version: VersionInfo) -> None:
        self._store, self._version = store, version
        self.con = duckdb.connect(":memory:", config={**OFFLINE, "threads": 2})

    def __enter__(self) -> _Reading:
        for name in ("ledger", "flags", "members", "rows", "sources"):
            segment = self._version.segments[name]
            verify_segment(self._store.segments_path, segment)
            path = str(self._store.segments_path / segment.file).replace("'", "''")
            self.con.execute(f"create view {name} as from read_parquet('{path}', file_row_number = true)")
        return self

    def measure(self) -> None:
        """A view `sizes` (number, bytes), as _sizes gives it; empty where every unit has bytes in its source."""
        ((fewest,),) = self.rows("select min(byte_length) from ledger")
        if fewest is not None and fewest < 0:
            folder, held = self._store.segments_path, self._version.segments
            self.con.register("sizes", _sizes(*(str(folder / held[name].file) for name in ("ledger", "rows"))))
        else:
            self.con.execute("create view sizes as select 0 as number, 0 as bytes where false")

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        return self.con.execute(sql, values).fetchall()

    def table(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self.con.sql(sql, params=list(values)).to_arrow_table()

    def begun(self, units: Any) -> Any:
        """The table with how each row begins to speak, as `begins`."""
        ids = [one for one in units["row_id"].to_pylist() if one]
        marks = ", ".join("cast(? as uuid)" for _ in ids)
        sql = f"select cast(row_id as varchar), record from rows where row_id in ({marks})"
        begin = {row: _first_user_turn(record) for row, record in (self.rows(sql, ids) if ids else ())}
        said = pa.array([begin.get(one, "") for one in units["row_id"].to_pylist()], pa.string())
        after = units.column_names.index("line") + 1 if "line" in units.column_names else units.num_columns
        return units.add_column(after, "begins", said)


def _first_user_turn(record: str, most: int = 160) -> str:
    messages = orjson.loads(record)["messages"]
    said = next((m["content"] for m in messages if m["role"] == "user" and m.get("content")), "")
    return " ".join(str(said).split())[:most]
