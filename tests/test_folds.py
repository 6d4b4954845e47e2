"""Folds: every row is validated once, clusters stay whole, test and fixed rows stay where they are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import ConfigError
from curation.export import check_export, export
from curation.folds import Drawn, assign_folds, make_folds
from curation.pipeline import build
from curation.store import Store, VersionInfo
from curation.verify import verify
from tests.lineage_workspace import line, store_of, workspace


def rows_with_clusters() -> list[dict[str, Any]]:
    """Forty rows; every fourth is asked again in nearly the same words."""
    rows = [line(n) for n in range(40)]
    again = [line(n, id=100 + n, prompt=rows[n]["prompt"] + " Please!") for n in range(0, 40, 4)]
    return rows + [{**row, "completion": f"No {row['id']} idea, sorry, look it up."} for row in again]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = workspace(tmp_path_factory.mktemp("folds"), rows_with_clusters())
    build(made)
    return store_of(made)


@pytest.fixture(scope="module")
def folds(store: Store) -> list[VersionInfo]:
    return make_folds(store, "latest", 5)


def places(store: Store, version: str | VersionInfo) -> dict[bytes, tuple[str, int]]:
    return {m["row_id"]: (m["split"], m["cluster"]) for m in store.table(version, "members").to_pylist()}


def test_every_row_outside_test_is_validated_in_exactly_one_fold(store: Store, folds: list[VersionInfo]) -> None:
    parent = places(store, "v1")
    times = Counter(row for fold in folds for row, (split, _) in places(store, fold).items() if split == "validation")
    assert times == {row: 1 for row, (split, _) in parent.items() if split != "test"}
    for fold in folds:
        now = places(store, fold)
        assert {row for row, place in now.items() if place[0] == "test"} == {
            row for row, place in parent.items() if place[0] == "test"
        }
        assert {row: cluster for row, (_, cluster) in now.items()} == {row: c for row, (_, c) in parent.items()}
        assert all(len({now[row][0] for row in now if now[row][1] == c}) == 1 for _, c in now.values())
    sizes = [fold.stats["split"]["rows"]["validation"] for fold in folds]
    assert max(sizes) - min(sizes) <= 2


def test_folds_are_children_that_verify_and_export(store: Store, folds: list[VersionInfo], tmp_path: Path) -> None:
    assert [fold.name for fold in folds] == [f"v1-fold{n}of5" for n in range(1, 6)]
    parent = store.resolve("v1")
    for fold in folds[:2]:
        assert fold.parent == parent.id
        assert [check for check in verify(store, fold) if not check.ok] == []
        export(store, fold, tmp_path / fold.name)
        assert check_export(tmp_path / fold.name) == []
        rows = [json.loads(text) for text in (tmp_path / fold.name / "validation.jsonl").read_text().splitlines()]
        assert len(rows) == fold.stats["split"]["rows"]["validation"]
    assert folds[0].segments["rows"] == parent.segments["rows"]  # stored once


def test_folds_are_never_latest_and_are_made_once(store: Store, folds: list[VersionInfo]) -> None:
    assert store.resolve("latest").name == "v1"
    assert store.latest() == store.resolve("v1")
    count = len(store.versions())
    assert [(f.name, f.id, f.new) for f in make_folds(store, "v1", 5)] == [(f.name, f.id, False) for f in folds]
    assert len(store.versions()) == count
    assert [fold.name for fold in make_folds(store, "v1", 2)] == ["v1-fold1of2", "v1-fold2of2"]


def test_notes_on_rows_near_train_are_made_anew(store: Store, folds: list[VersionInfo]) -> None:
    """Of flags only those of the split stage depend on the split."""
    for fold in folds:
        held = {row for row, (split, _) in places(store, fold).items() if split != "train"}
        noted = [flag for flag in store.table(fold, "flags").to_pylist() if flag["stage"] == "split"]
        assert {flag["row_id"] for flag in noted} <= held


@pytest.mark.parametrize(
    ("version", "asked", "message"),
    [
        (
            "v1",
            41,
            "--folds 41: v1 has 31 clusters outside of test, and a cluster is indivisible; ask for 31 folds or fewer",
        ),
        ("v1", 1, "--folds 1: needs at least 2"),
        ("v1-fold1of5", 2, "--folds: v1-fold1of5 is a fold itself; make folds of the version it comes from"),
    ],
)
def test_refused(store: Store, folds: list[VersionInfo], version: str, asked: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_folds(store, version, asked)
    assert str(caught.value) == message


def test_fixed_rows_stay_and_strata_are_spread(tmp_path: Path) -> None:
    rows = [line(n, kind="ab"[n % 5 == 0]) for n in range(30)]
    fixed = {0: "train", 1: "validation", 2: "test"}
    rows = [{**row, "part": fixed.get(row["id"], "")} for row in rows]
    settings = {"split_field": "part", "stratify": "kind", "ratios": {"train": 0.6, "validation": 0.2, "test": 0.2}}
    made = workspace(tmp_path, rows, split=settings)
    build(made)
    store = store_of(made)
    ids = {row["row_id"]: json.loads(row["record"])["meta"] for row in store.table("v1", "rows").to_pylist()}
    times: Counter[int] = Counter()
    for fold in make_folds(store, "v1", 4):
        now = {ids[row]["id"]: split for row, (split, _) in places(store, fold).items()}
        assert {n: now[n] for n in fixed} == fixed
        drawn = [n for n, split in now.items() if split == "validation" and n not in fixed]
        times.update(drawn)
        assert sum(n % 5 == 0 for n in drawn) in (1, 2)
    assert set(times.values()) == {1}


def test_the_largest_clusters_are_placed_first() -> None:
    """Placed in another order the six single rows would fill both folds before the large cluster comes."""
    cluster = np.array([0, 1, 2, 3, 4, 5, *[6] * 6])
    for first in (np.arange(12), np.arange(12)[::-1]):
        fold = assign_folds(cluster, Drawn(np.zeros(12, np.int64), first.astype(np.uint64)), 2, "v1")
        assert sorted(np.bincount(fold)[1:].tolist()) == [6, 6]
