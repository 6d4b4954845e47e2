"""A whole build of the sample data: every planted defect found, no unit lost, nothing changed means nothing new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
import yaml

from curation.errors import ConfigError, DataError, StoreBusyError
from curation.export import export
from curation.pipeline import BuildOptions, BuildResult, build
from curation.store import Store, open_store
from curation.tables import Verdict
from curation.verify import verify
from curation.workspace import Workspace, init_workspace, open_workspace

DATA = Path(__file__).resolve().parent.parent / "data"
DEFECTS: list[dict[str, Any]] = orjson.loads((DATA / "manifest.json").read_bytes())["defects"]


def sample_workspace(root: Path) -> Workspace:
    for name in ("raw", "eval"):
        shutil.copytree(DATA / name, root / "data" / name)
    shutil.copy(DATA / "recipe.yaml", root / "recipe.yaml")
    (root / "curate.yaml").write_text("curate: 1\n")
    return open_workspace(root)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult]:
    workspace = sample_workspace(tmp_path_factory.mktemp("sample") / "w")
    return workspace, build(workspace)


@pytest.fixture(scope="module")
def store(sample: tuple[Workspace, BuildResult]) -> Store:
    return open_store(sample[0].store_path)


def by_place(table: Any) -> dict[tuple[str, int], list[dict[str, Any]]]:
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in table.to_pylist():
        places.setdefault((line["source"], line["unit"]), []).append(line)
    return places


def test_every_planted_defect_gets_the_verdict_the_manifest_says(store: Store) -> None:
    ledger, flags = by_place(store.table("latest", "ledger")), by_place(store.table("latest", "flags"))
    wrong: list[Any] = []
    for defect in (d for d in DEFECTS if not d.get("later")):
        place, expect = (f"data/{defect['file']}", defect["unit"]), defect["expect"]
        line = ledger[place][0]
        reasons = {line["reason"], *(flag["reason"] for flag in flags.get(place, []))}
        if line["verdict"] != expect["verdict"] or (expect.get("reason") and expect["reason"] not in reasons):
            wrong.append((place, defect["kind"], expect, line["verdict"], reasons))
        if "matched" in expect and line["verdict"] != "kept":
            matched = (line["matched_source"], line["matched_unit"])
            wanted = (f"data/{expect['matched']['file']}", expect["matched"]["unit"])
            if matched != wanted:
                wrong.append((place, defect["kind"], wanted, matched))
    assert not wrong
    assert len(DEFECTS) >= 150


def test_each_leaked_item_is_named_and_no_other(store: Store) -> None:
    leaked = {(f"data/{d['file']}", d["unit"]): d["found"] for d in DEFECTS if d["kind"] == "leaked_item"}
    found = by_place(store.table("latest", "contamination"))
    assert {place: [line["item"] for line in matches] for place, matches in found.items()} == leaked
    assert len(leaked) == 5


def test_only_rows_in_a_wrong_language_are_flagged_for_it(store: Store) -> None:
    planted = {(f"data/{d['file']}", d["unit"]) for d in DEFECTS if d["kind"] == "wrong_language"}
    flags = store.table("latest", "flags").to_pylist()
    assert {(f["source"], f["unit"]) for f in flags if f["reason"] == "language_not_allowed"} == planted


def test_sound_free_form_rows_stay(store: Store) -> None:
    """No row leaves the build that the manifest does not name, but for none at all."""
    named = {(f"data/{d['file']}", d["unit"]) for d in DEFECTS}
    lost = [
        (line["source"], line["unit"], line["reason"])
        for line in store.table("latest", "ledger").to_pylist()
        if line["verdict"] != "kept" and (line["source"], line["unit"]) not in named
    ]
    assert lost == []


def test_the_protected_test_file_is_the_test_split_unchanged(store: Store) -> None:
    ledger = store.table("latest", "ledger").to_pylist()
    protected = [line for line in ledger if line["source"] == "data/raw/protected/test.jsonl"]
    assert {line["split"] for line in protected} == {"test"}
    assert all((line["split"] == "test") == (line["source"] == "data/raw/protected/test.jsonl") for line in ledger)


def test_stages_add_up(sample: tuple[Workspace, BuildResult]) -> None:
    result = sample[1]
    for before, after in zip(result.stages, result.stages[1:], strict=False):
        assert before["kept"] == after["in"]
        assert after["in"] == after["kept"] + sum(after["reasons"].values())
    units = sum(source["units"] for source in result.sources)
    lost = sum(sum(stage["reasons"].values()) for stage in result.stages)
    assert units == result.stages[0]["in"] == result.stages[-1]["kept"] + lost
    for source in result.sources:
        assert source["units"] == source["kept"] + source["dropped"] + source["quarantined"]


def test_verify_holds_and_a_second_build_publishes_nothing(sample: tuple[Workspace, BuildResult]) -> None:
    workspace, first = sample
    store = open_store(workspace.store_path)
    assert [check.name for check in verify(store, store.resolve("latest")) if not check.ok] == []
    generation = (workspace.store_path / "CURRENT").read_bytes()
    again = build(workspace)
    assert (again.new, again.version.name, again.version.id) == (False, "v1", first.version.id)
    assert (workspace.store_path / "CURRENT").read_bytes() == generation
    assert first.new


def rows_jsonl(path: Path, rows: Iterator[tuple[str, str]]) -> None:
    lines = [orjson.dumps({"question": question, "answer": answer}) for question, answer in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")


def tiny_workspace(root: Path, rows: int = 40, recipe: dict[str, Any] | None = None) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    words = ["brass", "copper", "linen", "cedar", "amber", "walnut", "granite", "velvet", "maple", "ivory"]
    rows_jsonl(
        root / "a.jsonl",
        ((f"Where is the {words[i % 10]} {words[i // 10 % 10]} box number {i}?", f"Shelf {i}.") for i in range(rows)),
    )
    workspace = init_workspace(root, [str(root / "a.jsonl")])
    if recipe:
        workspace.recipe_path.write_text(yaml.safe_dump({"sources": [{"path": "a.jsonl"}], **recipe}))
    return workspace


def test_only_how_it_is_exported_is_no_part_of_a_version(tmp_path: Path) -> None:
    workspace = tiny_workspace(tmp_path)
    first = build(workspace)
    text = workspace.recipe_path.read_text()
    workspace.recipe_path.write_text(text + "export: {format: alpaca}\n")
    assert not build(workspace).new
    workspace.recipe_path.write_text(text + "split: {seed: 1}\n")
    second = build(workspace)
    assert (second.new, second.version.name) == (True, "v2")
    assert second.version.parent == first.version.id
    workspace.recipe_path.write_text(text)
    back = build(workspace)
    assert (back.new, back.version.name, back.before) == (False, "v1", "v2")


def test_rows_keep_their_split_when_rows_are_added(tmp_path: Path) -> None:
    workspace = tiny_workspace(tmp_path)
    build(workspace)
    store = open_store(workspace.store_path)
    before = dict(zip(*(store.table("v1", "members")[c].to_pylist() for c in ("row_id", "split")), strict=True))
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(b'{"question": "Who waters the plants on floor 3?", "answer": "Nobody."}\n' * 1)
        file.write(b'{"question": "When does the canteen open on Sundays?", "answer": "It does not."}\n')
    build(workspace)
    after = dict(zip(*(store.table("v2", "members")[c].to_pylist() for c in ("row_id", "split")), strict=True))
    assert len(after) == len(before) + 2
    assert {row: after[row] for row in before} == before


def test_a_second_build_at_the_same_time_is_told_who_is_at_work(tmp_path: Path) -> None:
    workspace = tiny_workspace(tmp_path)
    with Store.create(workspace.store_path).writer(), pytest.raises(StoreBusyError, match=r"pid|process|PID"):
        build(workspace)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows in a.jsonl"),
        (b"\n\n \n", "no rows in a.jsonl"),
        (b'{"question": "Is it?", "answer": ""}\n' * 3, "none of 3 rows is left"),
        (b"<!DOCTYPE html><html><body>404</body></html>\n", "HTML page"),
        (b'{"question": "a", "answer": "b"}\n' + b"broken\n" * 30, r"30|not_json"),
    ],
)
def test_sources_without_a_usable_row_are_one_line_and_publish_nothing(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    workspace = init_workspace(tmp_path, [str(tmp_path / "a.jsonl")])
    with pytest.raises(DataError, match=message) as caught:
        build(workspace)
    assert "\n" not in str(caught.value).strip() or str(caught.value).count("\n") <= 4
    assert Store.create(workspace.store_path).versions() == []


def test_the_error_budget_can_be_raised_for_one_build(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"question": "a b c", "answer": "b"}\n' * 5 + b"broken\n" * 30)
    workspace = init_workspace(tmp_path, [str(tmp_path / "a.jsonl")])
    with pytest.raises(DataError):
        build(workspace)
    result = build(workspace, options=BuildOptions(max_bad=0.9))
    assert result.sources[0]["quarantined"] == 30
    quarantine = open_store(workspace.store_path).table("v1", "quarantine")
    assert quarantine["raw"].to_pylist() == [b"broken"] * 30


def test_a_stage_that_loses_rows_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(table: Any, config: Any) -> Verdict:
        from curation import tables

        return Verdict(table.slice(1), tables.empty(tables.DROPPED), tables.empty(tables.FLAGGED))

    monkeypatch.setattr("curation.flow.exact", forgetful)
    with pytest.raises(AssertionError, match="stage exact lost 1 of 40 rows"):
        build(tiny_workspace(tmp_path))


def test_counts_of_14_and_2_are_met(tmp_path: Path) -> None:
    workspace = tiny_workspace(tmp_path, 16, {"split": {"counts": {"train": 14, "test": 2}}})
    assert build(workspace).report["rows"] == {"train": 14, "validation": 0, "test": 2}
    workspace.recipe_path.write_text(
        yaml.safe_dump({"sources": [{"path": "a.jsonl"}], "split": {"counts": {"test": 99}}})
    )
    with pytest.raises(ConfigError, match=r"99|16"):
        build(workspace)


def test_exports_are_the_members_in_order(sample: tuple[Workspace, BuildResult], store: Store, tmp_path: Path) -> None:
    export(store, store.resolve("latest"), tmp_path / "out")
    members = store.table("latest", "members")
    for split in ("train", "validation", "test"):
        lines = [orjson.loads(line) for line in (tmp_path / "out" / f"{split}.jsonl").read_bytes().splitlines()]
        wanted = members.filter(pa.compute.equal(members["split"], split))["row_id"].to_pylist()
        assert [line["row_id"].replace("-", "") for line in lines] == [row_id.hex() for row_id in wanted]


def test_an_exam_that_loses_questions_to_copies_elsewhere_is_told_of_and_keeps_them_if_named_first(
    tmp_path: Path,
) -> None:
    workspace = init_workspace(tmp_path / "w")
    asked = [{"question": f"Which key opens room {i * 7919}?", "answer": f"Key {i * 31}."} for i in range(12)]
    for name, rows in {"rows": asked[:8], "exam": [*asked[6:], asked[11]]}.items():  # two leaked; one twice in the exam
        (workspace.root / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    sources = [{"path": "rows.jsonl"}, {"path": "exam.jsonl", "split": "test"}]
    for order, kept in ((sources, 4), (sources[::-1], 6)):
        (workspace.root / "recipe.yaml").write_text(yaml.safe_dump({"sources": order}, sort_keys=False))
        result = build(workspace)
        (exam,) = (one for one in result.sources if one["source"] == "exam.jsonl")
        assert exam["kept"] == kept
        said = [note for note in result.notes if "copies in other sources" in note]
        assert said == [
            "exam.jsonl: 2 rows of this test set went for copies in other sources, such as line 1; "
            "to keep them here, name it first in recipe.yaml"
        ] * (order is sources)
