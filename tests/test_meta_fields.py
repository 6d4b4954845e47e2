"""The user's own fields: read without the messages, and told apart from those that no row has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import main
from curation.errors import ConfigError
from curation.meta_fields import field_in, meta_of
from curation.pipeline import build
from curation.records import canonical
from tests.lineage_workspace import line, workspace, write

keys = st.sampled_from(["id", "a.b", "meta", '],"meta":{', "tools"])
values = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(['],"meta":{', ',"tools":[', "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=6,
)


@given(meta=st.dictionaries(keys, values, max_size=3), tools=st.none() | st.just([{"type": "function"}]))
def test_the_meta_is_read_whatever_stands_in_it(meta: dict[str, Any], tools: Any) -> None:
    record: dict[str, Any] = {"messages": [{"role": "user", "content": '],"meta":{'}], "meta": meta}
    record |= {"tools": tools} if tools else {}
    assert meta_of(canonical(record)) == meta


def test_a_dotted_name_is_a_path_unless_a_field_bears_it() -> None:
    assert field_in({"a": {"b": 1}}, "a.b") == 1
    assert field_in({"a.b": 2, "a": {"b": 1}}, "a.b") == 2
    assert field_in({"a": 1}, "a.b") is None


@pytest.mark.parametrize(
    ("id_field", "told"),
    [
        ("ids", 'id_field: no row has a field "ids"; did you mean "id"?'),
        ("id.number", 'id_field: no row has a field "id.number"; known: id'),
    ],
)
def test_an_id_field_that_no_row_has_is_an_error(
    id_field: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = workspace(tmp_path, [line(n) for n in range(20)], id_field=id_field)
    assert main(["build", "-C", str(tmp_path)]) == 2
    assert f"curate build: {told}\n" in capsys.readouterr().err
    assert not list((made.store_path / "segments").iterdir())


def test_rows_without_any_field_say_so(tmp_path: Path) -> None:
    rows = [{key: value for key, value in line(n).items() if key != "id"} for n in range(20)]
    made = workspace(tmp_path, rows)
    with pytest.raises(ConfigError, match='no row has a field "id"; the rows have no fields of their own'):
        build(made)


def test_sources_whose_rows_have_no_id_are_named(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(20)])
    for at in range(4):
        rows = [line(n) for n in range(20 + 5 * at, 25 + 5 * at)]
        write(tmp_path, [{"idd": row.pop("id"), **row} for row in rows], f"z{at}.jsonl")
    (tmp_path / "raw" / "one.jsonl").write_text(json.dumps(line(58)) + "\n")
    notes = build(made).notes
    assert [note for note in notes if note.startswith("id_field")] == [
        "id_field: no row of raw/z0.jsonl, raw/z1.jsonl, raw/z2.jsonl and 1 more has a field "
        '"id"; did you mean "idd"?; edited rows of theirs count as new'
    ]


def test_one_row_with_an_id_is_enough(tmp_path: Path) -> None:
    rows = [{key: value for key, value in line(n).items() if key != "id"} for n in range(20)]
    made = workspace(tmp_path, [*rows, line(30)])
    assert not [note for note in build(made).notes if note.startswith("id_field")]
