"""The stories of equal rows, which share an id, and of rows that a contradiction or its settling touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from curation.lookup import Tables, find
from curation.pipeline import build
from curation.store import open_store
from curation.why import Story, explain
from tests.lineage_workspace import line, workspace


def stories(root: Path, rows: list[dict[str, Any]], **recipe: Any) -> tuple[Tables, list[Story]]:
    """The story of every row of a version built of `rows`."""
    made = workspace(root, rows, **recipe)
    build(made)
    store = open_store(made.store_path)
    tables = Tables(store, store.resolve("latest"))
    wheres = [f"raw/rows.jsonl:{n + 1}" for n in range(len(rows))]
    return tables, [explain(tables, find(tables, where)[0], root) for where in wheres]


def test_each_copy_has_its_own_number_and_is_tied_to_the_others_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line(1), line(2), line(1), line(3), line(1)]
    off = {"action": "off"}
    tables, told = stories(tmp_path, rows, exact=off, near=off, split={"ratios": {"train": 1}})
    places = [story.place or 0 for story in told]
    assert sorted(places) == [1, 2, 3, 4, 5]
    members = {m["place"] + 1: m["row_id"] for m in tables.table("members").to_pylist()}
    assert [members[place].hex() for place in places] == [
        story.row.row_id.replace("-", "") for story in told if story.row
    ]
    copies = {0, 2, 4}
    for at in copies:
        equal = [tie.row for tie in told[at].ties if tie.kind == "equal"]
        assert [row.where for row in equal] == [f"raw/rows.jsonl:{n + 1}" for n in sorted(copies - {at})]
        assert [row.fate for row in equal] == [f"kept as v1 train #{places[n]}" for n in sorted(copies - {at})]
    capsys.readouterr()
    assert main(["why", "raw/rows.jsonl:3", "-C", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"kept as v1 train #{places[2]}, cluster of 3 rows" in shown
    assert (shown.count("tied to raw/rows.jsonl:1,"), shown.count("tied to raw/rows.jsonl:3,")) == (1, 0)


def test_a_settled_conflict_leaves_no_flag_and_the_loser_contradicts_the_winner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted = [line(1, reviewed=True, completion="Yes."), line(2, reviewed=True), line(3, reviewed=True)]
    rows = [*trusted, line(1, id=11, completion="No."), line(4, completion="Yes."), line(4, id=14, completion="No.")]
    recipe = {"conflicts": {"action": "source_priority"}, "reviewed_field": "reviewed", "near": {"action": "off"}}
    _, told = stories(tmp_path, rows, **recipe, split={"ratios": {"train": 1}})
    assert [story.verdict for story in told] == ["kept", "kept", "kept", "dropped", "kept", "kept"]
    flagged = [[note.reason for note in story.notes if note.stage == "conflicts"] for story in told]
    assert flagged == [[], [], [], [], ["conflict"], ["conflict"]]  # nobody says which of the last two is right
    capsys.readouterr()
    assert main(["why", "raw/rows.jsonl:4", "-C", str(tmp_path)]) == 0
    won = f"raw/rows.jsonl:1 (asks the same, limit .90), kept as v1 train #{told[0].place}; yes against no"
    assert f"dropped by conflicts: contradicts {won}\n" in capsys.readouterr().out
