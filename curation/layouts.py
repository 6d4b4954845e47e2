"""Whether sources can be read as rows at all, from their first units: what a new workspace's user should know first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from curation.errors import CurateError
from curation.formats.detect import detect
from curation.ingest import opening_samples
from curation.reading.sources import SourceSpec, expand

_FIRST: Final = 200  # units; a build looks at more before it decides


def unreadable(specs: Sequence[SourceSpec], root: Path) -> list[str]:
    """What a build would stop at, a line a source with what to do; data sets of the hub are not asked for."""
    found = []
    for spec in specs:
        if spec.path.startswith("hf:"):
            continue
        try:
            for source in expand([spec], root):
                if samples := opening_samples(source, _FIRST):
                    detect(samples, source.name, spec)
        except CurateError as error:
            found.append(str(error))
    return found
