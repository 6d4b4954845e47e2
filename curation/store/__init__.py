"""Versions on disk: immutable segments, a small catalogue a generation, one writer, any number of readers.

Names are loaded on first use: the journal and the files of a run need no DuckDB, which is not everywhere a GPU is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curation.store.database import Store, open_store
    from curation.store.versions import Segment, VersionInfo

__all__ = ["Segment", "Store", "VersionInfo", "open_store"]

_HOMES: Final = {
    "Segment": "curation.store.versions",
    "Store": "curation.store.database",
    "VersionInfo": "curation.store.versions",
    "open_store": "curation.store.database",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
