"""Any source as batches of parsed units; bad units stand among them with a reason, none is lost."""

from __future__ import annotations

from collections.abc import Iterator

from curation.errors import DataError
from curation.reading.sources import Source
from curation.reading.stream import Stream
from curation.reading.unit import Bad, Batch, Progress

__all__ = ["Bad", "Batch", "Reading", "read_batches"]


class Reading:
    """Iterates once over a source's batches; `blank`, `bytes_read`, `bytes_total` tell how far it is."""

    def __init__(self, source: Source, size: int = 4096) -> None:
        self.source = source
        self.size = size
        self._progress = Progress(source.bytes)

    @property
    def blank(self) -> int:
        """Blank lines met so far."""
        return self._progress.blank

    @property
    def bytes_read(self) -> int:
        """Stored bytes read so far."""
        return self._progress.bytes_read

    @property
    def bytes_total(self) -> int:
        return self._progress.bytes_total

    def __iter__(self) -> Iterator[Batch]:
        unit = 0
        pending = Batch()
        for chunk in _chunks(self.source, self.size, self._progress):
            chunk.unit = list(range(unit, unit + len(chunk)))
            unit += len(chunk)
            pending.extend(chunk)
            start = 0
            while len(pending) - start >= self.size:
                yield pending.cut(start, start + self.size)
                start += self.size
            pending = pending.cut(start, len(pending)) if start else pending
        if len(pending):
            yield pending


def read_batches(source: Source, size: int = 4096) -> Reading:
    """The units of a source in order, `size` at a time (the last batch may be shorter)."""
    return Reading(source, size)


def _chunks(source: Source, size: int, progress: Progress) -> Iterator[Batch]:
    """The container's own reader; each is imported only when needed."""
    if source.container == "hub":
        from curation.reading.hub import read_hub

        return read_hub(source, size, progress)
    if source.path is None:
        raise DataError(f"{source.name}: has no path")
    if source.bytes == 0:
        return iter(())
    if source.container in ("parquet", "dataset"):
        from curation.reading.arrow import read_dataset, read_parquet

        read = read_parquet if source.container == "parquet" else read_dataset
        return read(source, source.path, size, progress)
    stream = Stream(source.name, source.path, source.compression, source.sha256, progress)
    if source.container == "csv":
        from curation.reading.delimited import read_csv

        return read_csv(stream)
    if source.container == "json":
        from curation.reading.values import read_values

        return read_values(stream)
    from curation.reading.lines import read_lines

    return read_lines(stream)
