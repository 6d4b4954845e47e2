"""Pages of units that the dashboard keeps: read once, never another version's or another question's; empty cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from curation.library import Version, build
from curation.store import open_store
from curation.store.browse import Asked
from curation.workspace import Workspace
from tests.dashboard_screens import dashboard_in, screen
from tests.lineage_workspace import workspace, write
from tests.test_browse import rows

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    made = workspace(tmp_path / "w", rows())
    build(made)
    with dashboard_in(made.root, monkeypatch) as opened:
        yield opened


def test_a_page_is_read_once_and_is_that_of_its_version_and_question(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.dashboard import place, units

    opened: list[Path] = []

    def counted(path: Path) -> Any:
        opened.append(path)
        return open_store(path)

    monkeypatch.setattr("app.dashboard.units.open_store", counted)
    first = place.versions()[-1]
    one = units.page(first, Asked())
    assert units.page(first, Asked()) is one
    assert units.choices(first) is units.choices(first)
    assert len(opened) == 2
    dropped = units.page(first, Asked(verdict="dropped"))
    assert 0 < dropped.total < one.total
    assert units.page(first, Asked(), 2).units.to_pylist() != one.units.to_pylist()
    write(here.root, rows()[3:])
    build(here)
    last: Version = place.versions()[-1]
    assert last.id != first.id
    assert units.page(last, Asked()).total == one.total - 3
    assert units.page(first, Asked()).total == one.total


@pytest.mark.usefixtures("here")
def test_a_reason_that_is_not_there_is_an_empty_cell() -> None:
    found = screen("rows", verdict="kept")
    table = next(one.value for one in found.dataframe if "reason" in one.value.columns)
    assert set(table["reason"]) == {""}


def test_numbers_that_are_not_there_stay_numbers() -> None:
    from app.dashboard.plain import shown

    table = pd.DataFrame({"why": ["a", None], "none": [None, None], "loss": [1.5, None], "mixed": ["a", 1]})
    told = shown(table)
    assert told["why"].tolist() == ["a", ""]
    assert told["none"].tolist() == ["", ""]
    assert told["loss"].isna().tolist() == [False, True]
    assert told["mixed"].tolist() == ["a", 1]
