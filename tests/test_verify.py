"""`verify` finds every planted breach of a version's promises, by code of its own."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.verification as verification
from curation.records import canonical, row_id
from curation.store import Store, VersionInfo
from curation.tables import STORED
from curation.verification.accounting import STAGES
from curation.verification.leaks import _Index, _Question
from curation.verification.questions import grams, plain
from curation.verify import Check, verify
from curation.version_id import version_id

Lines = dict[str, list[dict[str, Any]]]
CASES = [
    pytest.param(json.loads(line), id=json.loads(line)["why"])
    for line in (Path(__file__).parent / "fixtures" / "verify_leaks.jsonl").read_text("utf-8").split("\n")
    if line
]
QUESTIONS = (
    ("train", "What does the warranty of the pump cover?"),
    ("train", "Which oil goes into the old gearbox?"),
    ("train", "Cine răspunde noaptea la telefon?"),
    ("validation", "Wie lange dauert eine Lieferung nach Wien?"),
    ("test", "如何更换过滤器的滤芯"),
)
SOURCE = "raw/a.jsonl"


def record(question: str | list[str], system: str | None = None) -> bytes:
    turns = [question] if isinstance(question, str) else question
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": text} for role, text in zip(roles, [*turns, "An answer."], strict=False)]
    head = [{"role": "system", "content": system}] if system else []
    return canonical({"messages": [*head, *messages], "meta": {}})


def lines_of(asked: list[tuple[str, bytes]]) -> Lines:
    """The tables of a sound version that holds these (split, record) and dropped one more unit."""
    ids = [row_id(text) for _, text in asked]
    tables: Lines = {name: [] for name in STORED}
    for unit, ((split, text), one) in enumerate(zip(asked, ids, strict=True)):
        place = [s for s, _ in asked[:unit]].count(split)
        tables["rows"].append({"row_id": one, "record": text.decode(), "content_hash": one})
        tables["members"].append({"split": split, "place": place, "row_id": one, "content_hash": one, "cluster": unit})
        kept = {"verdict": "kept", "split": split, "cluster": unit}
        tables["ledger"].append({"source": SOURCE, "unit": unit, "line": unit + 1, "row_id": one, **kept})
    bad = {"verdict": "quarantined", "stage": "read", "reason": "bad_json"}
    tables["ledger"].append({"source": SOURCE, "unit": len(asked), "line": len(asked) + 1, **bad})
    tables["sources"].append({"source": SOURCE, "units": len(asked) + 1, "blank": 0, "bad": 1})
    return tables


def sound() -> Lines:
    return lines_of([(split, record(question)) for split, question in QUESTIONS])


def stage_table(lines: Lines) -> list[dict[str, Any]]:
    table, at = [], len(lines["ledger"])
    for stage in STAGES:
        lost = [line["reason"] or "" for line in lines["ledger"] if line.get("stage") == stage]
        kept = at - len(lost)
        table.append({"stage": stage, "in": at, "kept": kept, "dropped": len(lost), "reasons": Counter(lost)})
        at = kept
    return table


def publish(folder: Path, lines: Lines, id_: str | None = None, **split: Any) -> tuple[Store, VersionInfo]:
    store = Store.create(folder / "store")
    stats = {"stages": stage_table(lines), "split": {"moved": []}}
    return store, publish_in(store, lines, {"id_": id_, "stats": stats}, **split)


def publish_in(store: Store, lines: Lines, told: dict[str, Any], **split: Any) -> VersionInfo:
    """`told`: stats, and parent and id_ where there are any."""
    lines["rows"].sort(key=lambda row: row["row_id"])
    order = ("train", "validation", "test")
    lines["members"].sort(key=lambda m: (order.index(m["split"]), m["place"]))
    tables = {}
    for name, schema in STORED.items():
        full = [{column: line.get(column) for column in schema.names} for line in lines[name]]
        tables[name] = pa.Table.from_pylist(full, schema=schema)
    recipe = {"sources": [{"path": "raw"}], "split": {"threshold": 0.5, "size": 5, "edge": "default", **split}}
    details: dict[str, Any] = {"message": "", "created": "2030-01-02T03:04:05+00:00"}
    details |= {"parent": told.get("parent"), "stats": told["stats"]}
    return store.publish(told.get("id_") or version_id(tables["members"], recipe), tables, recipe=recipe, **details)


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


def test_a_sound_version_passes(tmp_path: Path) -> None:
    checks = verify(*publish(tmp_path, sound()))
    assert failed(checks) == {}
    assert [check.exit_code for check in checks] == [0] * 9
    details = {check.name: check.detail for check in checks}
    assert details["ledger"] == "kept 5 + dropped 0 + merged 0 + quarantined 1 = 6 units of 1 sources"
    assert details["leaks"] == "1 test and 1 validation questions, each against all of train: no pair at 0.5 or more"


def planted(case: dict[str, Any], splits: tuple[str, str], folder: Path) -> list[Check]:
    asked = [(split, record(question)) for split, question in QUESTIONS]
    systems = case.get("system", (None, None))
    sides = zip(splits, (case["held_out"], case["train"]), systems, strict=True)
    asked += [(split, record(question, system or f"You help with {split}.")) for split, question, system in sides]
    thresholds = {key: case[key] for key in ("threshold", "size") if key in case}
    return verify(*publish(folder, lines_of(asked), **thresholds))


@pytest.mark.parametrize("case", CASES)
def test_planted_pair(case: dict[str, Any], tmp_path: Path) -> None:
    checks = planted(case, ("test", "train"), tmp_path)
    assert set(failed(checks)) == ({"leaks"} if case["leak"] else set())
    assert max(check.exit_code for check in checks) == (4 if case["leak"] else 0)


@pytest.mark.parametrize("splits", [("validation", "train"), ("test", "validation"), ("validation", "test")])
def test_a_pair_in_any_two_splits(splits: tuple[str, str], tmp_path: Path) -> None:
    case: Any = next(param.values[0] for param in CASES if param.id == "one word differs")
    assert set(failed(planted(case, splits, tmp_path))) == {"leaks"}


def test_a_leak_names_both_rows(tmp_path: Path) -> None:
    asked = [("train", record("How can I reset my badge pin?")), ("test", record("How do I reset my badge pin?"))]
    ids = [str(row_id(text).hex())[:8] for _, text in asked]
    (detail,) = failed(verify(*publish(tmp_path, lines_of(asked)))).values()
    assert detail == (
        f'test raw/a.jsonl:2 [{ids[1]}] "how do i reset my badge pin?" is 0.58 similar to '
        f'train raw/a.jsonl:1 [{ids[0]}] "how can i reset my badge pin?"'
    )


def edge(lines: Lines, kind: str) -> Lines:
    left, right = lines["ledger"][0]["row_id"], lines["ledger"][1]["row_id"]
    line = {"left_row_id": left, "right_row_id": right, "similarity": 0.8, "kind": kind, "fact": "number 14 -> 15"}
    lines["edges"].append(line)
    return lines


@pytest.mark.parametrize(
    ("other", "kind", "edge_setting", "leak"),
    [
        ("What is the price of plan 15?", "differs_in_fact", "default", False),
        ("What is the price of plan 15?", "differs_in_fact", "strict", True),
        ("What is the price of plan 15?", "near", "default", True),
        ("What is the price of plan 14 ?", "differs_in_fact", "default", True),  # listed, but no word differs
        ("What is the price of plan 14?", "differs_in_fact", "default", True),  # listed, but equal
    ],
)
def test_only_listed_differences_in_a_fact_may_cross(
    other: str, kind: str, edge_setting: str, leak: bool, tmp_path: Path
) -> None:
    lines = lines_of([("train", record("What is the price of plan 14?", "one")), ("test", record(other, "two"))])
    checks = verify(*publish(tmp_path, edge(lines, kind), edge=edge_setting))
    assert set(failed(checks)) == ({"leaks"} if leak else set())
    if not leak:
        assert checks[-1].detail.endswith(": the pairs at 0.5 or more (1) all differ in a fact and are listed")


@pytest.mark.parametrize(
    ("one", "other", "leak"),
    [
        ("What is the result of 12 * 4 today?", "What is the result of 12 + 4 today?", False),
        ("Alyssa paid $ 12.08 for grapes , and left .", "Alyssa paid $12.08 for grapes, and left.", True),
        ("How long do you fly from A to B by plane?", "How long do you fly from B to A by plane?", False),
    ],
)
def test_a_listed_pair_must_really_differ(one: str, other: str, leak: bool, tmp_path: Path) -> None:
    lines = edge(lines_of([("train", record(one)), ("test", record(other))]), "differs_in_fact")
    assert set(failed(verify(*publish(tmp_path, lines)))) == ({"leaks"} if leak else set())


def test_an_edge_listed_for_the_first_row_of_a_text_covers_the_others(tmp_path: Path) -> None:
    asked = [("train", "What is the price of plan 14?"), ("test", "What is the price of plan 15?")]
    asked += [("test", "what is the  price of plan 15?")]
    lines = lines_of([(split, record(question)) for split, question in asked])
    assert failed(verify(*publish(tmp_path, edge(lines, "differs_in_fact")))) == {}


def _unit_twice(lines: Lines) -> None:
    lines["ledger"][5]["unit"] = 4


def _unit_missing(lines: Lines) -> None:
    lines["ledger"][5]["unit"] = 6


def _unit_lost(lines: Lines) -> None:
    lines["ledger"].pop()


def _other_verdict(lines: Lines) -> None:
    lines["ledger"][5]["verdict"] = "lost"


def _no_reason(lines: Lines) -> None:
    lines["ledger"][5]["reason"] = None


def _duplicate(lines: Lines, stage: str, of: int) -> None:
    match = lines["ledger"][of]
    told = {"verdict": "merged", "stage": stage, "reason": "duplicate", "row_id": bytes(16)}
    matched = {"matched_row_id": match["row_id"], "matched_source": SOURCE, "matched_unit": of}
    lines["ledger"][5] |= {**told, **matched}


def _taken_out(lines: Lines, stage: str) -> None:
    """Unit 0 is dropped by `stage`; unit 5 was a near-duplicate of it."""
    gone = {"verdict": "dropped", "stage": stage, "reason": "some", "split": None, "cluster": None}
    lines["ledger"][0] |= gone
    member = next(m for m in lines["members"] if m["row_id"] == lines["ledger"][0]["row_id"])
    lines["members"].remove(member)
    for other in lines["members"]:
        other["place"] -= other["split"] == "train"
    _duplicate(lines, "near", 0)


def _match_nowhere(lines: Lines) -> None:
    _duplicate(lines, "near", 0)
    lines["ledger"][5]["matched_unit"] = 77


def _not_a_member(lines: Lines) -> None:
    lines["members"].pop()


def _another_split(lines: Lines) -> None:
    lines["members"][0] |= {"split": "test", "place": 1}
    lines["members"][1]["place"], lines["members"][2]["place"] = 0, 1


def _member_twice(lines: Lines) -> None:
    again = {**lines["ledger"][0], "unit": 6, "line": 7}
    lines["ledger"].append(again)
    lines["sources"][0]["units"] += 1
    lines["members"].append({**lines["members"][0], "place": 3})


def _place_skipped(lines: Lines) -> None:
    lines["members"][2]["place"] = 7


def _one_cluster(lines: Lines) -> None:
    for table in ("members", "ledger"):
        lines[table][0]["cluster"] = lines[table][4]["cluster"] = 9


def _wrong_id(lines: Lines) -> None:
    other = bytes(range(16))
    for table in ("rows", "members", "ledger"):
        lines[table][1]["row_id"] = other


def _edited_record(lines: Lines) -> None:
    lines["rows"][1]["record"] = record("Is the record another one now?").decode()


def _record_missing(lines: Lines) -> None:
    lines["rows"].pop(0)


@pytest.mark.parametrize(
    ("breach", "check", "says"),
    [
        (_unit_twice, "ledger", "raw/a.jsonl: unit 4 has 2 verdicts instead of one (and 1 more)"),
        (_unit_missing, "ledger", "raw/a.jsonl: unit 5 has no verdict"),
        (_unit_lost, "ledger", "raw/a.jsonl: 5 units have a verdict, 6 were read"),
        (_other_verdict, "ledger", 'raw/a.jsonl:6: "lost" is not a verdict'),
        (_no_reason, "ledger", "raw/a.jsonl:6: quarantined without a stage and a reason"),
        (_match_nowhere, "ledger", "which no unit of this build became"),
        (lambda lines: _taken_out(lines, "near"), "ledger", "a duplicate of raw/a.jsonl:1, which was dropped itself"),
        (lambda lines: _taken_out(lines, "exact"), "ledger", "a duplicate of raw/a.jsonl:1, which was dropped itself"),
        (lambda lines: _taken_out(lines, "split"), None, ""),  # its duplicate was taken out before
        (_not_a_member, "members", "raw/a.jsonl:5: kept for test, but not a member there"),
        (_another_split, "members", "raw/a.jsonl:1: kept for train, but not a member there (and 1 more)"),
        (_member_twice, "members", "a member 2 times"),
        (_place_skipped, "members", "train: its rows are not numbered 0 to 2"),
        (_one_cluster, "clusters", "cluster 9 is in train (raw/a.jsonl:1) and in test (raw/a.jsonl:5)"),
        (_wrong_id, "row ids", "00010203-0405-0607-0809-0a0b0c0d0e0f: is not the hash of its record"),
        (_edited_record, "row ids", "is not the hash of its record (and 1 more)"),
        (_record_missing, "row ids", "a member whose record is not stored"),
    ],
)
def test_breach(breach: Callable[[Lines], None], check: str | None, says: str, tmp_path: Path) -> None:
    lines = sound()
    breach(lines)
    checks = verify(*publish(tmp_path, lines))
    assert set(failed(checks)) == ({check} if check else set())
    assert says in failed(checks).get(str(check), "")
    assert max(c.exit_code for c in checks) == (1 if check else 0)


@pytest.mark.parametrize(
    ("stage", "change", "says"),
    [
        (0, {"in": 7}, "stage read: 7 rows went in, 6 came out before it (and 1 more)"),
        (0, {"kept": 6}, "stage read: 6 in are not 6 kept and 1 dropped (and 1 more)"),
        (0, {"reasons": {"nan": 1}}, "stage read: bad_json 0 in its table, 1 in the ledger (and 1 more)"),
        (4, {"in": 4, "kept": 4}, "stage filters: 4 rows went in, 5 came out before it (and 1 more)"),
        (-1, {"kept": 4, "dropped": 1, "reasons": {"leak": 1}}, "stage split: leak 1 in its table, 0 in the ledger"),
        (-1, {"dropped": 2}, "stage split: 5 in are not 5 kept and 0 dropped"),
    ],
)
def test_a_stage_table_that_does_not_add_up(stage: int, change: dict[str, Any], says: str, tmp_path: Path) -> None:
    table = stage_table(sound())
    table[stage] |= change
    store = Store.create(tmp_path / "store")
    found = failed(verify(store, publish_in(store, sound(), {"stats": {"stages": table, "split": {"moved": []}}})))
    assert set(found) == {"stages"}
    assert found["stages"].startswith(says)


@pytest.mark.parametrize(
    ("moved", "settings", "fails"),
    [
        ([], {}, True),
        ([{"before": "train", "after": "test"}], {}, False),
        ([{"before": "train", "after": "validation"}], {}, True),
        ([], {"seed": 5}, False),
    ],
)
def test_a_row_stays_in_its_split_or_is_listed(
    moved: list[dict[str, str]], settings: dict[str, Any], fails: bool, tmp_path: Path
) -> None:
    store, parent = publish(tmp_path, sound())
    asked = [(split, record(question)) for split, question in QUESTIONS]
    lines = lines_of([("test", asked[0][1]), *asked[1:]])
    listed = [{"row_id": row_id(asked[0][1]).hex(), **move} for move in moved]
    stats = {"stages": stage_table(lines), "split": {"moved": listed}}
    version = publish_in(store, lines, {"parent": parent.id, "stats": stats}, **settings)
    says = "raw/a.jsonl:1: in test, but in train in v1, and not listed as moved"
    assert failed(verify(store, version)) == ({"sticky splits": says} if fails else {})


def test_another_version_id(tmp_path: Path) -> None:
    assert set(failed(verify(*publish(tmp_path, sound(), id_="ab" * 32)))) == {"version id"}


def test_equal_rows_may_stay_where_the_recipe_does_not_merge_them(tmp_path: Path) -> None:
    lines = sound()
    _member_twice(lines)
    store, version = publish(tmp_path, lines)
    version.recipe["exact"] = {"action": "off"}  # type: ignore[index]  # read back as a plain dict
    assert "members" not in failed(verify(store, version))


def test_a_damaged_file_is_a_failed_check(tmp_path: Path) -> None:
    store, version = publish(tmp_path, sound())
    path = store.segments_path / version.segments["rows"].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = failed(verify(store, version))
    assert {"files", "row ids", "leaks"} <= set(found)
    assert "damaged" in found["files"]


def exported(folder: Path, version: VersionInfo, lines: Lines) -> None:
    import hashlib

    files = []
    for split in ("train", "validation", "test"):
        rows = [m for m in lines["members"] if m["split"] == split]
        content = b"".join(b"%d\n" % m["place"] for m in rows)
        (folder / f"{split}.jsonl").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files.append({"path": f"{split}.jsonl", "split": split, "rows": len(rows), "sha256": digest})
    (folder / "manifest.json").write_bytes(orjson.dumps({"version_id": version.id, "files": files}))


@pytest.mark.parametrize(
    ("breach", "says"),
    [
        (lambda f: None, None),
        (lambda f: (f / "test.jsonl").write_bytes(b"{}"), "test.jsonl: has changed since it was exported"),
        (lambda f: (f / "train.jsonl").unlink(), "train.jsonl: No such file or directory; export again"),
        (lambda f: (f / "manifest.json").unlink(), "cannot be read (FileNotFoundError); export again"),
        (lambda f: (f / "manifest.json").write_bytes(b"[]"), "cannot be read (TypeError); export again"),
    ],
)
def test_exported_folder(breach: Callable[[Path], Any], says: str | None, tmp_path: Path) -> None:
    lines = sound()
    store, version = publish(tmp_path, lines)
    exported(tmp_path, version, lines)
    breach(tmp_path)
    found = failed(verify(store, version, tmp_path))
    assert set(found) == ({"export"} if says else set())
    assert (says or "") in found.get("export", "")


def test_the_checks_share_no_code_with_the_builder() -> None:
    folder = Path(next(iter(verification.__path__)))
    paths = [folder.parent / "verify.py", *sorted(folder.glob("*.py"))]
    own = ("curation.store", "curation.errors", "curation.verification")
    imported = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or ".")
    assert {name for name in imported if name.startswith("curation") and not name.startswith(own)} == set()
    outside = {name.split(".")[0] for name in imported} - {"curation"}
    stdlib = {"__future__", "collections", "dataclasses", "hashlib", "pathlib", "re", "time", "typing", "uuid"}
    assert outside <= stdlib | {"numpy", "orjson"}


TEXTS = st.lists(st.text("aAbß 1\n是", max_size=14).map(plain).filter(bool), max_size=7, unique=True)


@settings(deadline=None, max_examples=200)
@given(TEXTS, TEXTS, st.integers(1, 5), st.sampled_from([0.2, 0.5, 2 / 3, 1.0]))
def test_counting_is_brute_force(held_out: list[str], train: list[str], size: int, threshold: float) -> None:
    index = _Index.of([_Question(text) for text in held_out], size)
    counted = {(text, q.text): s for text in train for s, q in index.near(text, threshold)}
    sets = {text: grams(text, size) for text in [*held_out, *train]}
    measured = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a in train for b in held_out}
    assert counted == {pair: s for pair, s in measured.items() if s >= threshold}
