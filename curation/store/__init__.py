"""Versions on disk: immutable segments, a small catalogue a generation, one writer, any number of readers."""

from curation.store.database import Store, open_store
from curation.store.versions import Segment, VersionInfo

__all__ = ["Segment", "Store", "VersionInfo", "open_store"]
