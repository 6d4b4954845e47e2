"""The exam of a comparison: whose items and references, what is left out and why, folds, and near rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from app.cli import main
from curation.errors import ConfigError
from curation.runs import read_run, write_run
from curation.workspace import Workspace, open_workspace
from eval.compare.comparison import Comparison, Settings, compare
from eval.compare.measures import Draws
from eval.compare.sides import chosen
from tests.compared import SUITE, base_of, build, built, right_at, row, run_of, sit, words
from tests.lineage_workspace import store_of, write

QUICK = Settings(draws=Draws(resamples=200, permutations=200))
FACT = "How many litres does the brown boiler of the north wing hold when it is filled up to mark 17"


def changed(number: int, **changes: Any) -> dict[str, Any]:
    """A row that asks nearly what another asks: one word of six is another."""
    asked = words(number, 6, "question").split()
    return {**row(number), "prompt": " ".join([*asked[:5], "another"]) + "?", **changes}


def sources(here: Path, second: str) -> None:
    recipe = yaml.safe_load((here / "recipe.yaml").read_text())
    recipe["sources"] = [
        {"path": "raw/a.jsonl", "split": "train"},
        {"path": "raw/b.jsonl", "split": second},
        {"path": "raw/c.jsonl", "split": "validation"},
    ]
    (here / "recipe.yaml").write_text(yaml.safe_dump(recipe))


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What v1 trained on comes back in v2's validation: as itself, edited, beside itself, and much like itself."""
    root = tmp_path_factory.mktemp("leaky") / "work"
    (root / "raw").mkdir(parents=True)
    (root / "curate.yaml").write_text("curate: 1\n")
    (root / "recipe.yaml").write_text(yaml.safe_dump({"sources": [{"path": "raw"}], "id_field": "id"}))
    made = open_workspace(root)
    a, b, c = ([row(number) for number in numbers] for numbers in (range(20), range(20, 24), range(40, 80)))
    fact = {**row(301), "prompt": f"{FACT}?"}
    write(root, [*a, row(300), fact], "a.jsonl")
    write(root, b, "b.jsonl")
    write(root, c, "c.jsonl")
    sources(root, "train")
    build(made)
    b[1] = {**b[1], "prompt": words(500, 6, "question"), "completion": "Said anew."}
    fresh = [changed(20, id=600), changed(300, id=601), {**fact, "id": 602, "prompt": f"{FACT.replace('17', '18')}?"}]
    write(root, a, "a.jsonl")
    write(root, b, "b.jsonl")
    write(root, [*c, *fresh], "c.jsonl")
    sources(root, "validation")
    build(made)
    return made


@pytest.fixture
def here(leaky: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(leaky.root, tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def compared(here: Workspace, *refs: str, **how: Any) -> Comparison:
    experiments = here.root / "experiments"
    return compare(experiments, chosen(experiments, refs, **how), store_of(here), QUICK)


def ids(found: Comparison) -> set[int]:
    return {orjson.loads(meta)["id"] for meta in found.exam.at.table("items", ["meta"])["meta"].to_pylist()}


def test_what_either_side_learned_from_is_no_item(here: Workspace) -> None:
    for version in ("v1", "v2"):
        sit(here, run_of(here, version), right_at(0.5, version), version="v2")
    found = compared(here, "1", "2")
    # b (20 to 23) was in train, 21 under another text; 600 is in the cluster of 20; 601 asks what 300, now gone, asked.
    # 602 asks for another number than 301 did, and stays.
    assert ids(found) == {*range(40, 80), 602}
    assert found.exam.whole == 47
    assert found.exam.left_out == {"that experiment_001 learned from": 6}
    assert found.primary.n == 41


def test_it_is_left_out_whichever_side_learned_from_it(here: Workspace) -> None:
    for version in ("v1", "v2"):
        sit(here, run_of(here, version), right_at(0.5, version), version="v2")
    sit(here, here.root / "experiments" / "experiment_001", right_at(0.5, "v1"), version="v1")
    found = compared(here, "2", "1")
    assert found.exam.version == "v2"  # the newer version's, though the second side sat another one last
    assert found.exam.left_out == {"that experiment_001 learned from": 6}


def test_the_base_learned_from_nothing(here: Workspace) -> None:
    sit(here, base_of(here), right_at(0.3, "base"), version="v2")
    sit(here, run_of(here, "v2"), right_at(0.5, "run"), version="v2")
    found = compared(here)
    assert len(ids(found)) == found.exam.whole == found.primary.n == 47
    assert found.primary.clusters == 46  # 600 asks nearly what 20 asks, and is resampled with it
    assert not found.exam.left_out


def test_a_version_that_is_not_in_the_store_is_said(here: Workspace) -> None:
    old, new = run_of(here, "v1"), run_of(here, "v2")
    for run in (old, new):
        sit(here, run, right_at(0.5, run.name), version="v2")
    write_run(old, replace(read_run(old), version={"name": "v7", "id": "ef" * 32, "source": "pack"}))
    found = compared(here, "1", "2")
    assert found.exam.whole == found.exam.items.num_rows
    assert "version efefefef is not in this store" in found.notes[0]
    assert found.data is None


def test_an_item_that_a_side_was_not_asked_is_left_out_and_counted(here: Workspace) -> None:
    sit(here, base_of(here), right_at(0.3, "base"), version="v1")
    sit(here, run_of(here, "v2"), right_at(0.5, "run"), version="v2")
    found = compared(here)
    assert found.exam.left_out == {"that experiment_001 was not asked": 7}
    assert ids(found) == set(range(40, 80))


def test_missing_answers_are_asked_for_on_the_exams_own_version(here: Workspace) -> None:
    base = base_of(here)
    sit(here, base, right_at(0.3, "base"), version="v1")
    sit(here, run_of(here, "v2"), right_at(0.5, "run"), version="v2")
    asked = []

    def ask(part: Any, wanted: Any) -> bool:
        asked.append((part.name, [source.version_name for source in wanted]))
        sit(here, base, right_at(0.3, "base"), version=wanted[0].version_name)
        return True

    experiments = here.root / "experiments"
    found = compare(experiments, chosen(experiments, []), store_of(here), QUICK, ask)
    assert asked == [("experiment_001", ["v2"])]
    assert not found.exam.left_out
    assert found.primary.n == 47


def test_a_mended_reference_keeps_its_answer_and_loses_its_likelihood(tmp_path: Path) -> None:
    made = built(tmp_path / "work", 80, split={"ratios": {"train": 0.2, "validation": 0.7, "test": 0.1}})
    old = run_of(made, "v1")
    first = sit(made, old, right_at(1.0, "old"))
    asked = {orjson.loads(meta)["id"] for meta in first.items(["meta"])["meta"].to_pylist()}
    mended = min(asked)
    rows = [row(n, completion="Mended.") if n == mended else row(n) for n in range(80)]
    write(made.root, rows)
    build(made)
    sit(made, run_of(made, "v2"), right_at(1.0, "new"))
    found = compared(made, "1", "2")
    (other,) = [one for one in found.others if one.name == "perplexity"]
    assert mended in ids(found)
    assert found.primary.left_out == 0
    assert other.left_out == 1
    assert found.primary.value_a < found.primary.value_b == 1


def test_flips_are_near_to_training_rows_that_changed(tmp_path: Path) -> None:
    made = built(tmp_path / "work", 80, split={"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}})
    old = run_of(made, "v1")
    first = sit(made, old, right_at(1.0, "old"))
    held = sorted(orjson.loads(meta)["id"] for meta in first.items(["meta"])["meta"].to_pylist())
    shared = words(held[0], 6, "question").split()[:2]
    fresh = row(500, prompt=" ".join([*shared, words(500, 5, "question")]))
    write(made.root, [*(row(n) for n in range(80)), fresh, row(501)])
    recipe = yaml.safe_load((made.root / "recipe.yaml").read_text())
    recipe["sources"] = [{"path": "raw/rows.jsonl"}, {"path": "raw/new.jsonl", "split": "train"}]
    (made.root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    write(made.root, [row(n) for n in range(80)])
    write(made.root, [fresh, row(501)], "new.jsonl")
    build(made)
    lost = first.items(["item_id", "meta"]).to_pylist()
    wrong = {one["item_id"] for one in lost if orjson.loads(one["meta"])["id"] in held[:2]}
    sit(made, run_of(made, "v2"), lambda item: "no" if item.item_id in wrong else item.reference)
    found = compared(made, "1", "2")
    assert found.data is not None
    assert found.data.counts["added"] == 2 == found.data.train["added"]
    near = {flip.item_id: flip.near for flip in found.flips}
    assert set(near) == wrong
    assert all(flip.better is False for flip in found.flips)
    told = [one for one in near.values() if one is not None]
    assert [(one.row.sign, one.row.source, one.row.line) for one in told] == [("+", "raw/new.jsonl", 1)]
    assert 0 < told[0].similarity < 0.5


def folded(tmp_path: Path, rows: int) -> Workspace:
    made = built(tmp_path / "work", rows, split={"ratios": {"train": 0.9, "validation": 0.1, "test": 0.0}})
    assert main(["build", "--folds", "3", "-C", str(made.root)]) == 0
    return made


def test_answers_of_folds_are_pooled_each_from_the_fold_that_did_not_learn_it(tmp_path: Path) -> None:
    made = folded(tmp_path, 60)
    base = base_of(made)
    for number in (1, 2, 3):
        name = f"v1-fold{number}of3"
        run = run_of(made, name)
        sit(made, base, right_at(0.3, "base"), version=name)
        sit(made, run, lambda item: item.reference, version=name)
        for other in {1, 2, 3} - {number}:  # what it learned by heart must not count as its answer
            sit(
                made,
                run,
                lambda item: "learned by heart",
                version=f"v1-fold{other}of3",
                suite={**SUITE, "split": f"validation@v1-fold{other}of3"},
            )
        again = sit(made, run, lambda item: item.reference, version=name)
        assert again.items().num_rows == 20
    found = compared(made, "base", "v1", pooled=True)
    assert found.primary.n == 60
    assert found.primary.value_b == 1.0
    assert found.exam.version == "v1 (3 folds)"
    assert found.b.label == "v1 (3 folds)"
    assert found.claim.about == "models"


def test_sixteen_rows_end_in_cannot_tell(tmp_path: Path) -> None:
    made = folded(tmp_path, 16)
    base = base_of(made)
    for number in (1, 2, 3):
        sit(made, base, right_at(0.4, "base"), version=f"v1-fold{number}of3")
        sit(made, run_of(made, f"v1-fold{number}of3"), right_at(0.6, "run"), version=f"v1-fold{number}of3")
    found = compared(made, "base", "v1", pooled=True)
    assert found.primary.n == 16
    assert found.primary.verdict == "cannot tell"


def test_a_fold_that_is_missing_is_named(tmp_path: Path) -> None:
    made = folded(tmp_path, 16)
    with pytest.raises(ConfigError, match="no fold of it was trained and evaluated; curate folds does that"):
        compared(made, "base", "v1", pooled=True)
    sit(made, run_of(made, "v1-fold2of3"), right_at(0.6, "run"), version="v1-fold2of3")
    with pytest.raises(ConfigError, match="v1-fold1of3, v1-fold3of3 not trained and evaluated yet"):
        compared(made, "base", "v1", pooled=True)
