"""Sticky splits: what a row inherits, over edits, merges, absences, and whole chains of versions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.errors import DataError
from curation.export import export
from curation.folds import make_folds
from curation.lineage import edited, inheritance, inherited_splits, placed
from curation.pipeline import build
from curation.splits import split
from curation.splits.config import SPLITS, SplitConfig
from tests.lineage_workspace import line, splits_by_id, store_of, workspace, write
from tests.split_rows import by_row_id, rows_table

CONFIG = SplitConfig(ratios={"train": 0.6, "validation": 0.2, "test": 0.2})
WORDS = ("harbour", "lantern", "copper", "violin", "meadow", "saddle", "granite", "puzzle", "anchor", "thimble")


def members_of(held: dict[bytes, str]) -> Any:
    return pa.table(
        {"row_id": pa.array(list(held), pa.binary(16)), "split": pa.array(list(held.values()), pa.string())}
    )


def question(number: int) -> str:
    return " ".join(WORDS[number // 10**k % 10] * 2 for k in range(3))


class Source:
    """A user's rows by id, and the version they were last built into."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rows: dict[int, dict[str, Any]] = {}
        self.fresh = 0
        for _ in range(14):
            self.add()

    def add(self) -> None:
        self.rows[self.fresh] = {"id": self.fresh, "prompt": question(self.rng.randrange(1000)), "answer": "a"}
        self.fresh += 1

    def edit(self) -> None:
        row = self.rows[self.rng.choice(sorted(self.rows))]
        kind = self.rng.randrange(3)
        if kind == 0:
            row["answer"] += "!"
        elif kind == 1:
            row["prompt"] += f" {self.rng.choice(WORDS)}"
        else:
            row["prompt"] = question(self.rng.randrange(1000))

    def drop(self) -> None:
        if len(self.rows) > 5:
            del self.rows[self.rng.choice(sorted(self.rows))]

    def merge(self) -> None:
        """A row whose question is near two others', so that their clusters become one."""
        one, other = self.rng.sample(sorted(self.rows), 2)
        prompt = f"{self.rows[one]['prompt']} {self.rows[other]['prompt']}"
        self.rows[self.fresh] = {"id": self.fresh, "prompt": prompt, "answer": "b"}
        self.fresh += 1

    def change(self) -> None:
        for _ in range(self.rng.randrange(1, 7)):
            self.rng.choice((self.add, self.edit, self.drop, self.merge))()

    def table(self) -> Any:
        rows = list(self.rows.values())
        self.rng.shuffle(rows)  # order means nothing
        return rows_table(rows)


def ids_of(table: Any) -> dict[bytes, int]:
    import orjson

    records = zip(table["row_id"].to_pylist(), table["record"].to_pylist(), strict=True)
    return {row_id: orjson.loads(record)["meta"]["id"] for row_id, record in records}


@pytest.mark.parametrize("block", range(4))
def test_sticky_splits_hold_over_random_edit_sequences(block: int) -> None:
    """50 sequences a block. A cluster is where the strongest of its rows was, by row_id or id; what moves is listed."""
    merged = kept = 0
    for seed in range(block * 50, block * 50 + 50):
        source = Source(random.Random(seed))
        old = source.table()
        before = by_row_id(old, split(old, CONFIG))
        for _ in range(3):
            source.change()
            table = source.table()
            inherited = inherited_splits(members_of(before), old, table, "id")
            splits = split(table, CONFIG, inherited.splits)
            now, who = by_row_id(table, splits), ids_of(table)
            was = {who_was: before[row_id] for row_id, who_was in ids_of(old).items()}
            cluster = {line["pos"]: line["cluster"] for line in splits.table.to_pylist()}
            together: dict[int, list[bytes]] = {}
            for pos, row_id in enumerate(table["row_id"].to_pylist()):
                together.setdefault(cluster[pos], []).append(row_id)
            for rows in together.values():
                known = {was[who[row]] for row in rows if who[row] in was}
                if known:
                    strongest = max(known, key=SPLITS.index)
                    assert {now[row] for row in rows} == {strongest}, (seed, rows)
                    merged += len(known) > 1
                    kept += 1
            moved = {(who[bytes.fromhex(m.row_id)], m.before, m.after) for m in splits.report.moved}
            assert moved == {(who[r], was[who[r]], now[r]) for r in now if was.get(who[r], now[r]) != now[r]}
            old, before = table, now
    assert kept > 1000
    assert merged > 10  # the sequences do make clusters merge


def test_an_edited_row_is_found_by_id_or_by_patch_and_by_nothing_else() -> None:
    old = rows_table([{"id": n, "prompt": f"question {n}"} for n in range(4)])
    new = rows_table([{"id": n, "prompt": f"question {n}{' new' * (n != 3)}"} for n in (0, 1, 3)] + [{"id": 9}])
    ids = new["row_id"].to_pylist()
    assert {(e.row_id, e.before, e.by) for e in edited(old, new, "id").found} == {
        (ids[n], old["row_id"][n].as_py(), "id") for n in (0, 1)
    }
    assert edited(old, new, None).found == []
    step = b"\0" * 16  # two patches in a row
    links = [(old["row_id"][2].as_py(), step), (step, ids[0]), (step, b"\1" * 16)]
    by_patch = edited(old, new, "id", links).found
    assert [(e.row_id, e.before, e.by) for e in by_patch] == [
        (ids[0], old["row_id"][2].as_py(), "patch"),
        (ids[1], old["row_id"][1].as_py(), "id"),
    ]


def test_where_patches_made_one_row_of_several_the_strongest_split_wins_either_way() -> None:
    old = rows_table([{"id": n, "prompt": f"question {n}"} for n in range(3)])
    new = rows_table([{"id": 9, "prompt": "one"}])
    before, after = old["row_id"].to_pylist(), new["row_id"][0].as_py()
    held = dict(zip(before, ("train", "test", "validation"), strict=True))
    links = [(row, after) for row in before]
    assert inherited_splits(members_of(held), old, new, None, links).splits[after] == "test"
    back = [(after, row) for row in before]  # a patch that was taken back
    assert inherited_splits(members_of(held), old, new, None, back).splits[after] == "test"


def test_ids_that_several_rows_bear_are_left_alone_and_said() -> None:
    old = rows_table([{"id": 1, "prompt": "a"}, {"id": 1, "prompt": "b"}, {"id": 2, "prompt": "c"}])
    new = rows_table([{"id": 1, "prompt": "a"}, {"id": 1, "prompt": "bb"}, {"id": 2, "prompt": "cc"}])
    held = dict.fromkeys(old["row_id"].to_pylist(), "test")
    inherited = inherited_splits(members_of(held), old, new, "id")
    ids = new["row_id"].to_pylist()
    assert [inherited.splits.get(row) for row in ids] == ["test", None, "test"]
    assert inherited.notes == [
        "id_field id: 1 value of edited rows stands in several rows, which therefore count as new"
    ]


def test_ids_are_values_not_texts_and_may_lie_deeper() -> None:
    old = rows_table([{"prompt": "a", "meta": {"key": {"n": 1}}}, {"prompt": "b", "meta": {"key": {"n": ""}}}])
    new = rows_table([{"prompt": "c", "meta": {"key": {"n": "1"}}}, {"prompt": "d", "meta": {"key": {"n": ""}}}])
    assert edited(old, new, "key.n").found == []
    same = rows_table([{"prompt": "c", "meta": {"key": {"n": 1}}}])
    assert [e.before for e in edited(old, same, "key.n").found] == [old["row_id"][0].as_py()]


def test_a_duplicate_takes_the_place_of_the_row_it_was_dropped_for() -> None:
    kept, first, second, other = (bytes([n]) * 16 for n in range(4))
    ledger = pa.table(
        {
            "row_id": pa.array([kept, first, second, other], pa.binary(16)),
            "stage": [None, "exact", "near", "filters"],
            "matched_row_id": pa.array([None, second, kept, None], pa.binary(16)),
        }
    )
    assert placed("v1", members_of({kept: "test"}), ledger) == {kept: "test", first: "test", second: "test"}


def test_an_unknown_split_is_one_clear_line() -> None:
    with pytest.raises(DataError) as caught:
        placed("v3", members_of({b"\0" * 16: "dev"}))
    assert str(caught.value).startswith('v3: holds rows in split "dev", which is none of train, validation, test; ')


# ---- whole builds


def test_edited_rows_keep_their_split_in_a_build_and_absent_ones_come_back_to_it(tmp_path: Path) -> None:
    rows = [line(n) for n in range(40)]
    made = workspace(tmp_path / "w", rows)
    build(made)
    first = splits_by_id(store_of(made), "v1")
    held_out = [n for n, name in first.items() if name != "train"]
    reworded = [{**row, "prompt": f"Tell me: {row['prompt'][::-1]}"} if row["id"] in held_out else row for row in rows]
    write(tmp_path / "w", [row for row in reworded if row["id"] % 10])
    build(made)
    second = splits_by_id(store_of(made), "v2")
    assert second.items() <= first.items()
    assert len(second) == 36
    write(tmp_path / "w", [*rows, *(line(n) for n in range(40, 60))])
    build(made)
    assert first.items() <= splits_by_id(store_of(made), "v3").items()


def test_folds_are_no_parents(tmp_path: Path) -> None:
    rows = [line(n) for n in range(30)]
    made = workspace(tmp_path / "w", rows)
    build(made)
    before = splits_by_id(store_of(made), "v1")
    make_folds(store_of(made), "v1", 3)
    write(tmp_path / "w", [*rows, line(40)])
    child = build(made).version
    assert (child.name, child.parent) == ("v2", store_of(made).resolve("v1").id)
    assert before.items() <= splits_by_id(store_of(made), "v2").items()


def test_new_split_settings_begin_a_new_lineage(tmp_path: Path) -> None:
    made = workspace(tmp_path / "w", [line(n) for n in range(40)])
    version = build(made).version
    store, same = store_of(made), made.load_recipe().resolved()
    rows = store.table(version, "rows")
    assert len(inheritance(store, version, same)(rows).splits) == 40
    assert inheritance(store, version, {**same, "split": {**same["split"], "seed": 1}})(rows).splits == {}
    assert inheritance(store, None, same)(rows).splits == {}


@pytest.mark.parametrize("seed", range(2))
def test_two_orders_of_the_same_edits_give_the_same_exports(tmp_path: Path, seed: int) -> None:
    """Edits of single rows, drops, and rows added in files of their own, in two orders, with a build after each."""
    rng = random.Random(seed)
    base = [line(n) for n in range(30)]
    edits: list[Any] = [
        lambda rows, files, n=n: rows.update({n: {**rows[n], "completion": f"Better: {n}."}}) for n in (1, 5)
    ]
    edits += [lambda rows, files, n=n: rows.update({n: {**rows[n], "prompt": line(200 + n)["prompt"]}}) for n in (2,)]
    edits += [lambda rows, files, n=n: rows.pop(n) for n in (3, 7)]
    edits += [lambda rows, files, n=n: files.update({f"new-{n}.jsonl": [line(n)]}) for n in range(300, 305)]
    exports = []
    for name in ("one", "other"):
        made = workspace(tmp_path / name, base)
        build(made)
        rng.shuffle(edits)
        rows: dict[int, Any] = {row["id"]: row for row in base}
        files: dict[str, Any] = {}
        for edit in edits:
            edit(rows, files)
            write(made.root, list(rows.values()))
            for file in files:
                write(made.root, files[file], file)
            version = build(made).version
        assert version.name == f"v{len(edits) + 1}"
        export(store_of(made), version, made.splits_path)
        exports.append({path.name: path.read_bytes() for path in made.splits_path.iterdir()})
    assert exports[0] == exports[1]
