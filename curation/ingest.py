"""One source in, its units and rows out: read, check, convert; what cannot be a row is quarantined with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curation import tables
from curation.errors import DataError
from curation.formats.detect import SAMPLE, Detected, detect, fields_of, spread
from curation.formats.errors import FormatError
from curation.formats.known import NAMES, Format, known
from curation.reading.batches import Batch, read_batches
from curation.reading.budget import check_budget
from curation.reading.sources import Source
from curation.reading.unit import MAX_RAW, Bad
from curation.records import NotJsonError, canonical, row_id, sides
from curation.validate import Validator, user_validator

# A file that is wrong throughout would spend minutes on explanations that nobody reads.
_EXPLAINED: Final = 2_000


@dataclass(frozen=True, slots=True)
class IngestOptions:
    batch_size: int = 4096
    root: Path = Path()  # what a source's `schema` is relative to


@dataclass(frozen=True, slots=True)
class Ingested:
    """A source as tables. `pos` is the unit's number within the source; `source` is 0 until gathered."""

    units: Any  # tables.UNITS
    rows: Any  # tables.ROWS
    dropped: Any  # tables.DROPPED, verdict quarantined
    flagged: Any  # tables.FLAGGED
    quarantine: list[tuple[int, str, bytes]]  # (unit, reason, raw bytes, the first MiB of them)
    format: str
    evidence: str
    blank: int
    reasons: dict[str, int]


def ingest(source: Source, options: IngestOptions, progress: Callable[[int], None] | None = None) -> Ingested:
    """Read a whole source; `progress` is told the stored bytes read so far.

    Raises DataError if no known format fits or the error budget is exceeded, ConfigError for a broken schema.
    """
    reading = read_batches(source, options.batch_size)
    schema = user_validator(options.root / source.spec.schema) if source.spec.schema else None
    batches = iter(reading)
    opening, samples = _opening(batches)
    detected = detect(samples, source.name, source.spec) if samples else None
    output = _Output()
    converter = _Converter(detected, schema, automatic=source.spec.format == "auto" and not source.spec.mapping)
    for batch in _chained(opening, batches):
        _convert_batch(batch, converter, output)
        if progress is not None:
            progress(reading.bytes_read)
    units = pa.Table.from_batches(output.units, tables.UNITS)
    check_budget(source.name, units.num_rows, output.reasons, source.spec.max_bad, output.first)
    return Ingested(
        units=units,
        rows=pa.Table.from_batches(output.rows, tables.ROWS),
        dropped=output.dropped_table(),
        flagged=tables.FLAGGED.empty_table(),
        quarantine=output.quarantine,
        format=detected.format.name if detected else "unknown",
        evidence=converter.evidence(detected.evidence) if detected else "no row could be read",
        blank=reading.blank,
        reasons=dict(output.reasons),
    )


def stream_rows(source: Source, options: IngestOptions) -> Iterator[tuple[bytes, bytes]]:
    """row_id and record of each unit, a batch at a time, so that a file's length does not matter; as `ingest` reads it.

    DataError for the first unit that is no row, and where no known format fits.
    """
    batches = iter(read_batches(source, options.batch_size))
    schema = user_validator(options.root / source.spec.schema) if source.spec.schema else None
    opening, samples = _opening(batches)
    detected = detect(samples, source.name, source.spec) if samples else None
    converter = _Converter(detected, schema, automatic=source.spec.format == "auto" and not source.spec.mapping)
    for batch in _chained(opening, batches):
        output = _Output()
        _convert_batch(batch, converter, output)
        if output.quarantine:
            unit, reason, _ = output.quarantine[0]
            raise DataError(f"{source.name}: unit {unit + 1} is no item ({reason}); repair it")
        for rows in output.rows:
            yield from zip(rows["row_id"].to_pylist(), rows["record"].to_pylist(), strict=True)


def opening_samples(source: Source, size: int) -> list[dict[str, Any]]:
    """Units among the first of a source that hold something, by which a build tells its format."""
    return _opening(iter(read_batches(source, size)))[1]


def _opening(batches: Iterator[Batch]) -> tuple[list[Batch], list[dict[str, Any]]]:
    """The batches up to the first that has readable units, and a sample of these."""
    opening: list[Batch] = []
    for batch in batches:
        opening.append(batch)
        if readable := [value for value in batch.value if value is not None]:
            return opening, spread(readable, SAMPLE)
    return opening, []


def _chained(opening: list[Batch], rest: Iterable[Batch]) -> Iterator[Batch]:
    """Opening batches, then the rest; none is kept alive longer than needed."""
    while opening:
        yield opening.pop(0)
    yield from rest


@dataclass(slots=True)
class _Output:
    """What came of the units so far. Turned into Arrow batch by batch, so that Python's memory is used again."""

    units: list[Any] = field(default_factory=list)  # record batches
    rows: list[Any] = field(default_factory=list)
    bad_pos: list[int] = field(default_factory=list)
    bad_reason: list[str] = field(default_factory=list)
    bad_detail: list[str] = field(default_factory=list)
    quarantine: list[tuple[int, str, bytes]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[int, str]] = field(default_factory=dict)  # reason -> line and what is wrong there

    def add_units(self, batch: Batch) -> None:
        columns = [batch.unit, _zeros(len(batch)), batch.unit, batch.line, batch.offset, batch.length]
        self.units.append(_record_batch(tables.UNITS, columns))

    def add_rows(
        self, pos: list[int], ids: list[bytes], four_sides: list[tuple[str, str, str, str]], records: list[bytes]
    ) -> None:
        if pos:
            texts = zip(*four_sides, strict=True)
            self.rows.append(_record_batch(tables.ROWS, [pos, _zeros(len(pos)), ids, *texts, records]))

    def refuse(self, unit: int, line: int, why: Bad) -> None:
        self.bad_pos.append(unit)
        self.bad_reason.append(why.reason)
        self.bad_detail.append(why.detail)
        self.quarantine.append((unit, why.reason, why.raw[:MAX_RAW]))
        self.reasons[why.reason] += 1
        self.first.setdefault(why.reason, (line, why.detail))

    def dropped_table(self) -> Any:
        return tables.dropped_table(self.bad_pos, self.bad_reason, verdict="quarantined", detail=self.bad_detail)


def _zeros(count: int) -> Any:
    return pa.repeat(pa.scalar(0, pa.int32()), count)


def _record_batch(schema: Any, columns: list[Any]) -> Any:
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Converter:
    """Objects into records by the source's format; a stray row of another known format by that one."""

    def __init__(self, detected: Detected | None, schema: Validator | None, *, automatic: bool) -> None:
        self.format = detected.format if detected else known(NAMES[0])
        self.is_valid = self.format.validator.is_valid
        self.schema = schema
        self.others = [known(name) for name in NAMES if name != self.format.name] if automatic else []
        self.strays: Counter[str] = Counter()
        self._explanations = 0

    def convert(self, obj: dict[str, Any]) -> dict[str, Any]:
        if self.schema is not None and not self.schema.is_valid(obj):
            raise FormatError("invalid", self._explain(self.schema, obj))
        chosen = self.format if self.is_valid(obj) else self._other(obj)
        return chosen.convert(obj)

    def evidence(self, first: str) -> str:
        strays = ", ".join(f"{name} {self.strays[name]:,}" for name in NAMES if name in self.strays)
        return f"{first}; other rows: {strays}" if strays else first

    def _other(self, obj: dict[str, Any]) -> Format:
        for other in self.others:
            if other.validator.is_valid(obj):
                self.strays[other.name] += 1
                return other
        if set(self.format.fields) & obj.keys():
            raise FormatError("invalid", f"not {self.format.name}: {self._explain(self.format.validator, obj)}")
        seen = ", ".join(fields_of([obj])[:12]) or "no fields"
        raise FormatError(
            "no_format", f"no known format fits; seen: {seen}; name its fields in a mapping, or leave it out"
        )

    def _explain(self, validator: Validator, obj: dict[str, Any]) -> str:
        self._explanations += 1
        return validator.explain(obj) if self._explanations <= _EXPLAINED else "does not fit the schema"


def _convert_batch(batch: Batch, converter: _Converter, output: _Output) -> None:
    """The one loop that runs for every unit."""
    usual, is_valid, schema = converter.format.convert, converter.is_valid, converter.schema
    pos: list[int] = []
    ids: list[bytes] = []
    four_sides: list[tuple[str, str, str, str]] = []
    records: list[bytes] = []
    for i, (unit, obj) in enumerate(zip(batch.unit, batch.value, strict=True)):
        if obj is None:
            output.refuse(unit, batch.line[i], batch.bad[i])
            continue
        try:
            record = usual(obj) if schema is None and is_valid(obj) else converter.convert(obj)
            payload = canonical(record)
        except FormatError as error:
            output.refuse(unit, batch.line[i], Bad(error.reason, error.detail, _raw(obj)))
            continue
        except NotJsonError as error:
            output.refuse(unit, batch.line[i], Bad("unwritable", f"{error}; repair the value", _raw(obj)))
            continue
        pos.append(unit)
        ids.append(row_id(payload))
        four_sides.append(sides(record["messages"]))
        records.append(payload)
    output.add_units(batch)
    output.add_rows(pos, ids, four_sides, records)


def _raw(obj: dict[str, Any]) -> bytes:
    """A refused object as bytes. Its own bytes can be read again at the unit's offset; this is what was parsed."""
    try:
        return canonical(obj)
    except NotJsonError:
        return repr(obj).encode(errors="backslashreplace")
