"""Pages of a version's units, kept for a while: a version never changes, and a page is asked for at every click."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from app.dashboard.place import here
from curation.library import Version
from curation.store import browse, open_store
from curation.store.browse import Asked, Page


def choices(version: Version) -> dict[str, list[str]]:
    """What `source`, `reason` and `language` can be asked for."""
    return _choices(here().store_path, version.id)


def page(version: Version, asked: Asked, number: int = 1) -> Page:
    """Page `number`, from 1, of the units that were asked for."""
    return _page(here().store_path, version.id, asked, number)


@lru_cache(maxsize=8)
def _choices(path: Path, version: str) -> dict[str, list[str]]:
    store = open_store(path)
    return browse.choices(store, store.resolve(version))


@lru_cache(maxsize=64)
def _page(path: Path, version: str, asked: Asked, number: int) -> Page:
    store = open_store(path)
    return browse.page(store, store.resolve(version), asked, number)
