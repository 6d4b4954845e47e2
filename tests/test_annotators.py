"""People, builds and readers at once, as benchmarks/annotators.py measures it: nothing is lost, nobody is in error."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.annotators import Load, measure

pytestmark = pytest.mark.slow


def test_every_tag_is_stored_while_builds_commit_and_others_read(tmp_path: Path) -> None:
    found = measure(tmp_path / "w", Load(annotators=3, tags=60, readers=3, builders=2, rows=200))
    assert found["errors"] == 0, found["first_errors"]
    assert found["stored"] == found["acknowledged"] == found["expected"] == 180
    assert found["stored_twice"] == found["lost"] == 0
    assert found["store_problems"] == []


def test_a_kill_loses_no_acknowledged_tag(tmp_path: Path) -> None:
    found = measure(tmp_path / "w", Load(annotators=3, tags=150, readers=2, builders=1, rows=200, kills=6))
    assert found["kills"] > 0
    assert found["lost"] == found["stored_twice"] == 0
    assert found["stored"] == found["expected"]
    assert found["errors"] == 0, found["first_errors"]
    assert found["store_problems"] == []
