"""Patches: files, entries, applying them to rows, and what a build makes of them."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError, DataError
from curation.patches import (
    PatchPlan,
    apply_patches,
    expectation,
    links,
    load_patches,
    set_aside,
    summary,
    write_patch,
)
from curation.patches.entry import parse_entry
from curation.records import row_id
from curation.tables import DROPPED, FLAGGED
from tests.duplicate_rows import rows_of
from tests.patch_workspace import patched_build, row, write_rows, write_workspace

SAID = {"author": "ana", "time": "2025-05-01T12:00:00+00:00", "reason": "wrong"}
ROWS = rows_of([{"prompt": f"question {i}", "answer": f"answer {i}"} for i in range(6)])


def names(record: bytes) -> dict[str, str]:
    return {"row_id": str(UUID(bytes=row_id(record))), "expect": expectation(record)}


def record_at(i: int) -> bytes:
    record: bytes = ROWS["record"][i].as_py()
    return record


def entry(fields: dict[str, Any], line: int = 1, file: str = "patches/p-001.jsonl") -> Any:
    return parse_entry(file, line, orjson.dumps({"id": file.split("/")[1].split(".")[0], **SAID, **fields}))


def apply(*entries: Any, rows: Any = ROWS) -> Any:
    return apply_patches(rows, PatchPlan(entries))


def edit(record: bytes, text: str, file: str = "patches/p-001.jsonl") -> Any:
    return entry({"op": "edit", **names(record), "turns": [{"turn": 2, "content": text}]}, file=file)


# ---- entries


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"op": "drop"}, '"row_id", "expect" is missing; add it'),
        ({"op": "drop", **names(b"{}"), "row": 3}, '"row" is not allowed here; take it out'),
        ({"op": "remove", **names(b"{}")}, '"remove" is not one of drop, edit, add, relabel'),
        ({"op": "edit", **names(b"{}")}, "needs messages or turns; add them"),
        ({"op": "relabel", **names(b"{}")}, '"meta" is missing; add it'),
        ({"op": "add"}, '"record" is missing; add it'),
        ({"op": "add", "record": {"messages": [{"role": "gpt", "content": "x"}]}}, 'use "assistant"'),
        ({"op": "add", "record": {"messages": []}}, "/record/messages: is shorter than 1"),
        ({"op": "drop", **names(b"{}"), "time": "yesterday"}, "/time: "),
        ({"op": "drop", **names(b"{}"), "row_id": "7f3a"}, "/row_id: "),
        ({"op": "drop", **names(b"{}"), "id": "fix"}, "/id: "),
    ],
)
def test_an_entry_that_is_wrong_says_where_and_what(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        entry(fields, line=7)
    assert str(caught.value).startswith("patches/p-001.jsonl:7: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_that_is_not_json_is_one_line() -> None:
    with pytest.raises(DataError, match=r"p-001\.jsonl:3: is not JSON \(.*\); repair the line, or take it out"):
        parse_entry("patches/p-001.jsonl", 3, b"{")


# ---- files


def drop_of(i: int) -> dict[str, Any]:
    return {"op": "drop", **names(record_at(i)), **SAID}


def test_patches_are_numbered_and_read_in_that_order(tmp_path: Path) -> None:
    assert write_patch(tmp_path, [drop_of(0), drop_of(1)]).name == "p-001.jsonl"
    assert write_patch(tmp_path, [drop_of(2)], used=["p-998"]).name == "p-999.jsonl"
    assert write_patch(tmp_path, [drop_of(3)]).name == "p-1000.jsonl"
    read = load_patches(tmp_path)
    assert [(e.id, e.line) for e in read] == [("p-001", 1), ("p-001", 2), ("p-999", 1), ("p-1000", 1)]


def test_the_number_of_a_patch_taken_back_is_not_used_again(tmp_path: Path) -> None:
    write_patch(tmp_path, [drop_of(0)])
    assert set_aside(tmp_path, "p-001") == tmp_path / "patches" / "dropped" / "p-001.jsonl"
    assert load_patches(tmp_path) == ()
    assert write_patch(tmp_path, [drop_of(0)]).name == "p-002.jsonl"


def test_unfinished_and_foreign_files_are_no_patches(tmp_path: Path) -> None:
    write_patch(tmp_path, [drop_of(0)])
    for name in (".tmp-1-p-002.jsonl", "README.md", ".p-003.jsonl"):
        (tmp_path / "patches" / name).write_text("{", "utf-8")
    assert len(load_patches(tmp_path)) == 1


def test_nothing_is_written_if_an_entry_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        write_patch(tmp_path, [drop_of(0), {"op": "drop", **SAID}])
    assert os.listdir(tmp_path / "patches") == []


def test_one_id_in_two_files_is_refused(tmp_path: Path) -> None:
    path = write_patch(tmp_path, [drop_of(0)])
    path.with_name("more.jsonl").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"patches/p-001\.jsonl:1: p-001 is the id of patches/more\.jsonl already"):
        load_patches(tmp_path)


def test_a_patch_that_is_not_there_is_suggested(tmp_path: Path) -> None:
    write_patch(tmp_path, [drop_of(0)])
    with pytest.raises(ConfigError, match=r'patch "p-002" is not known; did you mean "p-001"\?'):
        set_aside(tmp_path, "p-002")


# ---- applying


def test_no_patch_changes_nothing() -> None:
    verdict = apply().verdict
    assert verdict.kept is ROWS
    assert (verdict.dropped.schema, verdict.flagged.schema) == (DROPPED, FLAGGED)


def test_drop_edit_relabel() -> None:
    relabel = entry({"op": "relabel", **names(record_at(4)), "meta": {"topic": "pins"}}, line=3)
    done = apply(entry({"op": "drop", **names(record_at(1))}), edit(record_at(2), "better"), relabel)
    kept = done.verdict.kept
    assert kept["pos"].to_pylist() == [0, 2, 3, 4, 5]
    assert kept["answer"].to_pylist() == ["answer 0", "better", "answer 3", "answer 4", "answer 5"]
    assert orjson.loads(kept["record"][3].as_py())["meta"] == {"topic": "pins"}
    assert kept["row_id"].to_pylist() == [row_id(record) for record in kept["record"].to_pylist()]
    assert done.verdict.dropped.select(["pos", "reason", "detail"]).to_pylist() == [
        {"pos": 1, "reason": "patch_drop", "detail": "p-001 by ana: wrong"}
    ]
    assert [(f["pos"], f["reason"]) for f in done.verdict.flagged.to_pylist()] == [
        (2, "patch_edit"),
        (4, "patch_relabel"),
    ]
    assert done.changed["pos"].to_pylist() == [2, 4]
    assert [line["op"] for line in done.applied.to_pylist()] == ["drop", "edit", "relabel"]
    assert len(links(done.applied)) == 2


def test_edit_gives_all_messages_and_relabel_takes_fields_out() -> None:
    record = rows_of([{"prompt": "a", "answer": "b"}])["record"][0].as_py()
    said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    rows = rows_of([{"prompt": "a", "answer": "b"}])
    first = entry({"op": "edit", **names(record), "messages": said})
    second = entry({"op": "relabel", **names(first.changed(record)), "meta": {"a": 1, "b": 2}}, line=2)
    third = entry({"op": "relabel", **names(second.changed(first.changed(record))), "meta": {"a": None}}, line=3)
    kept = apply(first, second, third, rows=rows).verdict.kept
    assert orjson.loads(kept["record"][0].as_py()) == {"messages": said, "meta": {"b": 2}}
    assert kept.select(["prompt", "answer"]).to_pylist() == [{"prompt": "x", "answer": "y"}]


def test_units_with_equal_records_are_one_row() -> None:
    rows = rows_of([{"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "d"}, {"prompt": "a", "answer": "b"}])
    record = rows["record"][0].as_py()
    done = apply(entry({"op": "drop", **names(record)}), rows=rows)
    assert done.verdict.dropped["pos"].to_pylist() == [0, 2]
    assert done.applied["units"].to_pylist() == [2]
    assert apply(edit(record, "new"), rows=rows).verdict.kept["answer"].to_pylist() == ["new", "d", "new"]


def test_two_entries_on_one_row_conflict_unless_the_second_names_the_result() -> None:
    first = edit(record_at(0), "better")
    again = edit(record_at(0), "best", "patches/p-002.jsonl")
    with pytest.raises(
        DataError, match=r"^patches/p-002\.jsonl:1: row .* was changed by patches/p-001\.jsonl:1 already"
    ):
        apply(first, again)
    after = edit(first.changed(record_at(0)), "best", "patches/p-002.jsonl")
    assert apply(first, after).verdict.kept["answer"][0].as_py() == "best"
    dropped = entry({"op": "drop", **names(record_at(0))})
    with pytest.raises(
        DataError, match=r"p-002\.jsonl:1: row .* was dropped by patches/p-001\.jsonl:1 already; .*p-002"
    ):
        apply(dropped, again)


def test_an_edit_and_its_undoing_lead_back() -> None:
    first = edit(record_at(0), "better")
    back = edit(first.changed(record_at(0)), "answer 0", "patches/p-002.jsonl")
    done = apply(first, back)
    assert done.verdict.kept.equals(ROWS)
    assert (
        apply(first, back, edit(record_at(0), "third", "patches/p-003.jsonl")).verdict.kept["answer"][0].as_py()
        == "third"
    )


def test_two_rows_edited_into_one_text_go_on_together() -> None:
    said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    both = [entry({"op": "edit", **names(record_at(i)), "messages": said}, line=i + 1) for i in (0, 1)]
    dropped = entry({"op": "drop", **names(both[0].changed(record_at(0)))}, line=3)
    assert apply(*both, dropped).verdict.dropped["pos"].to_pylist() == [0, 1]


def test_a_row_that_is_gone_names_patch_and_row() -> None:
    name = names(b'{"gone":1}')["row_id"]
    with pytest.raises(DataError) as caught:
        apply(entry({"op": "drop", **names(b'{"gone":1}')}, line=3))
    assert str(caught.value) == (
        f"patches/p-001.jsonl:3: row {name} is gone or has changed; write the patch again, or take it back: "
        "curate patch drop p-001"
    )


def test_an_expectation_that_is_not_met_is_refused() -> None:
    with pytest.raises(DataError, match="is not as this patch expects it"):
        apply(entry({"op": "drop", **names(record_at(0)), "expect": "0" * 64}))


def test_a_turn_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="turn 5 is not there, the row has 2"):
        apply(entry({"op": "edit", **names(record_at(0)), "turns": [{"turn": 5, "content": "x"}]}))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_row_is_lost_and_independent_entries_commute(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, 5), unique=True))
    entries = [
        entry({"op": "drop", **names(record_at(i))}) if data.draw(st.booleans()) else edit(record_at(i), f"new {i}")
        for i in chosen
    ]
    done, other = apply(*entries), apply(*data.draw(st.permutations(entries)))
    assert sorted(done.verdict.kept["pos"].to_pylist() + done.verdict.dropped["pos"].to_pylist()) == list(range(6))
    assert done.verdict.kept.equals(other.verdict.kept)
    assert done.verdict.dropped.equals(other.verdict.dropped)


# ---- a whole build


def stored_row(root: Path, prompt: str) -> bytes:
    tables, _, _ = patched_build(root)
    rows = tables["rows"]
    record: str = rows["record"].filter(pc.match_substring(rows["record"], prompt))[0].as_py()
    return record.encode()


def test_a_build_applies_each_entry_once_and_again_the_same(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    before, _, first = patched_build(tmp_path)
    record = stored_row(tmp_path, "number 7919?")
    new = {"messages": [{"role": "user", "content": "Where is the key?"}, {"role": "assistant", "content": "Inside."}]}
    write_patch(tmp_path, [{"op": "drop", **names(record), **SAID}, {"op": "add", "record": new, **SAID}])
    stored, patched, second = patched_build(tmp_path)
    ledger = stored["ledger"].to_pylist()
    assert [x["verdict"] for x in ledger if x["row_id"] == row_id(record)] == ["dropped"]
    added = ledger[-1]
    assert [added[k] for k in ("source", "unit", "line", "verdict")] == ["patches/p-001.jsonl", 0, 2, "kept"]
    assert stored["sources"].to_pylist()[-1]["evidence"] == "added by p-001 by ana: wrong"
    assert stored["members"].num_rows == before["members"].num_rows
    assert first != second
    assert patched_build(tmp_path)[2] == second
    assert summary(patched) == [
        {"id": "p-001", "ops": {"drop": 1, "add": 1}, "units": 2, "author": "ana", "reason": "wrong"}
    ]
    set_aside(tmp_path, "p-001")
    assert patched_build(tmp_path)[2] == first


def test_the_ledger_has_the_new_id_of_an_edited_row(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    record = stored_row(tmp_path, "number 0?")
    write_patch(tmp_path, [{"op": "edit", **names(record), "turns": [{"turn": 2, "content": "Nought. "}], **SAID}])
    stored, patched, _ = patched_build(tmp_path)
    (link,) = links(patched)
    assert link[0] == row_id(record)
    (line,) = [x for x in stored["ledger"].to_pylist() if (x["source"], x["line"]) == ("raw/a.jsonl", 1)]
    assert (line["row_id"], line["verdict"]) == (link[1], "kept")
    (kept,) = [r for r in stored["rows"].to_pylist() if r["row_id"] == link[1]]
    assert row_id(kept["converted"].encode()) == link[1]
    assert orjson.loads(kept["record"])["messages"][1]["content"] == "Nought."
    notes = [flag["detail"] for flag in stored["flags"].to_pylist() if flag["stage"] == "patches"]
    assert notes == [f"p-001 by ana: wrong; was row {UUID(bytes=link[0])}"]


def test_a_source_that_changed_under_a_patch_stops_the_build(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    record = stored_row(tmp_path, "number 0?")
    at = {"source": "raw/a.jsonl", "line": 1}
    write_patch(tmp_path, [{"op": "drop", **names(record), "at": at, **SAID}])
    write_rows(tmp_path / "raw" / "a.jsonl", [row(50), row(1)])
    with pytest.raises(DataError, match=r"has changed: raw/a\.jsonl:1 holds row .* now; write the patch again"):
        patched_build(tmp_path)
    (tmp_path / "raw" / "a.jsonl").unlink()
    with pytest.raises(DataError, match=r"is gone: the recipe does not read raw/a\.jsonl"):
        patched_build(tmp_path)


def test_the_order_in_which_patches_were_written_does_not_matter(tmp_path: Path) -> None:
    ids = set()
    records: list[bytes] = []
    for order in range(3):
        root = tmp_path / str(order)
        write_workspace(root)
        records = records or [stored_row(root, f"number {7919 * i}?") for i in range(4)]
        patches: list[dict[str, Any]] = [
            {"op": "drop", **names(records[0])},
            {"op": "edit", **names(records[1]), "turns": [{"turn": 2, "content": "One."}]},
            {"op": "relabel", **names(records[2]), "meta": {"topic": "none"}},
            {"op": "add", "record": {"messages": _asked("Who has the key?", "Ana.")}},
            {"op": "add", "record": {"messages": _asked("When does the gate close?", "At ten.")}},
        ]
        random.Random(order).shuffle(patches)
        for patch in patches:
            write_patch(root, [{**patch, **SAID}])
        ids.add(patched_build(root)[2])
    assert len(ids) == 1


def test_an_added_row_wins_over_its_near_duplicate(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    told = row(3)
    new = {"messages": _asked(told["prompt"], told["completion"]), "meta": {"checked": True}}
    write_patch(tmp_path, [{"op": "add", "record": new, **SAID}])
    stored, _, _ = patched_build(tmp_path)
    verdicts = Counter((x["source"], x["verdict"]) for x in stored["ledger"].to_pylist())
    assert verdicts["patches/p-001.jsonl", "kept"] == 1
    assert verdicts["raw/a.jsonl", "merged"] == 1


def _asked(question: str, answer: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
