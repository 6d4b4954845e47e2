"""The screen Data: pages, filters, search, the story of a row, clusters, conflicts, values, another version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.workspace import Workspace
from tests.dashboard_screens import dashboard_in, screen, sound, told
from tests.lineage_workspace import workspace, write
from tests.test_browse import ROWS, rows

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions: in the second, rows are gone, new, and otherwise answered."""
    from curation.library import build

    made = workspace(tmp_path_factory.mktemp("data") / "w", rows())
    build(made)
    changed = rows()[3:]
    changed[0] = {"prompt": "=cmd() ![x](http://x.example/x.png) \u202e", "completion": "<script>alert(1)</script>"}
    write(made.root, changed)
    build(made)
    return made.root


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    with dashboard_in(root, monkeypatch) as made:
        yield made


def units(found: Any) -> Any:
    return next(one.value for one in found.dataframe if "begins" in one.value.columns)


@pytest.mark.usefixtures("here")
class TestData:
    def test_rows_are_filtered_in_the_database(self) -> None:
        found = screen("rows", version="v1")
        assert len(units(found)) == 50
        found.selectbox(key="reason").select("exact_duplicate").run()
        assert set(units(sound(found))["reason"]) == {"exact_duplicate"}
        assert len(units(found)) == ROWS // 10
        found.text_input(key="row").set_value("zz").run()
        assert "begins no row id" in told(sound(found))

    def test_a_link_leads_to_the_rows_it_names(self) -> None:
        found = screen("rows", version="v1", split="test", verdict="kept")
        assert set(units(found)["split"]) == {"test"}
        assert screen("rows", version="v99", verdict="' or 1=1").selectbox(key="version").value == "v2"

    def test_pages_follow_one_another(self) -> None:
        first = units(screen("rows", version="v1"))
        third = units(screen("rows", version="v1", page="3"))
        assert first["line"].tolist() == list(range(1, 51))
        assert third["line"].tolist()[0] == 101

    def test_a_search_shows_what_it_found(self) -> None:
        found = screen("rows", version="v1", text="a long one")
        assert units(found)["line"].tolist() == [ROWS + ROWS // 10 + 2]
        assert "1 found in" in told(found)

    def test_a_row_tells_its_story(self) -> None:
        found = screen("rows", version="v1", unit=f"raw/rows.jsonl:{ROWS + 1}")
        if "dropped" not in told(found):
            found = screen("rows", version="v1", unit=f"{units(found)['source'][0]}:{ROWS + 1}")
        assert "exact" in told(found)
        assert "curate why" in told(found)
        assert rows()[0]["completion"] in told(found)
        assert "no setting would have kept it" not in told(found)  # nobody looked yet
        found.toggle(key="tried").set_value(True).run()
        sound(found)
        assert "it would be kept with" in told(found)

    def test_a_row_that_is_not_there_is_one_line(self) -> None:
        found = screen("rows", unit="../../etc/passwd:1")
        assert "is not a source of" in told(found)

    def test_hostile_text_is_spelt_out_and_nothing_else(self) -> None:
        found = screen("rows", version="v2")
        row = units(found).iloc[0]
        assert row["begins"].startswith("=cmd() ![x](http://x.example/x.png) \\u202e")
        story = screen("rows", version="v2", unit=f"{row['source']}:{row['line']}")
        assert "<script>alert(1)</script>" in told(story)
        for sink in (*story.markdown, *story.caption, *story.info, *story.error):
            assert "x.example" not in sink.value

    def test_clusters_open(self) -> None:
        found = screen("rows", version="v1", view="clusters")
        table = found.dataframe[0].value
        assert table["rows"].min() > 1
        opened = screen("rows", version="v1", view="clusters", cluster=str(table["cluster"][0]))
        assert len(opened.dataframe[1].value) == table["rows"][0]

    def test_conflicts_show_what_was_matched(self) -> None:
        found = screen("rows", version="v1", view="conflicts")
        assert set(units(found)["reason"]) == {"conflict"}
        none = screen("rows", version="v1", view="conflicts", which="a fact differs across splits")
        assert "recipe.yaml" in told(none)

    def test_measured_values_are_drawn_with_their_limit(self) -> None:
        found = screen("rows", version="v1", view="measured values")
        assert "exact: exact duplicate" in told(found)
        tables = [one.value for one in found.dataframe]
        assert any("threshold" in table.columns for table in tables)

    def test_what_became_of_the_units(self) -> None:
        found = screen("rows", version="v1", view="what became of it")
        assert any("kept" in one.value.columns for one in found.dataframe)
        assert "random split" in told(found)

    def test_two_versions_are_compared_row_by_row(self) -> None:
        found = screen("rows", version="v2", view="another version")
        changes = found.dataframe[0].value
        assert {"added", "removed"} <= set(changes["change"])
        removed = screen("rows", version="v2", view="another version", before="v1", change="removed")
        shown = units(removed)
        assert set(shown["begins"]) >= {row["prompt"] for row in rows()[1:3]}


def test_one_version_has_nothing_to_be_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curation.library import build

    made = workspace(tmp_path / "w", rows()[:30])
    build(made)
    with dashboard_in(made.root, monkeypatch):
        assert "curate build" in told(screen("rows", view="another version"))
        assert "No two rows ask nearly the same" in told(screen("rows", view="clusters"))
        assert "No unit is like that" in told(screen("rows", text="nowhere to be found"))
