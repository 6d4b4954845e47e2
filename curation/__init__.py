"""From raw rows to versioned, leak-free splits, with a verdict for every row.

    from curation import build, open_store

Names are loaded on first use, so that importing curation costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curation.errors import CurateError
    from curation.library import Version, Versions, build, open_store
    from curation.pack import Pack, open_pack

__all__ = ["CurateError", "Pack", "Version", "Versions", "build", "open_pack", "open_store"]

_HOMES: Final = {
    "CurateError": "curation.errors",
    "Pack": "curation.pack",
    "Version": "curation.library",
    "Versions": "curation.library",
    "build": "curation.library",
    "open_pack": "curation.pack",
    "open_store": "curation.library",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
