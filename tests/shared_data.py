"""Where the real data sets lie that some tests measure on; they are not part of this project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("CURATE_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def shared(name: str) -> Path:
    """The path of a shared data file; skips the test where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"shared data not here: {name} (set CURATE_SHARED_DATA to its folder)")
    return path
