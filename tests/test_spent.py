"""Spent items, those of test that a patch was made from, count in no later score."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest

from app.cli import main
from curation.patches.spent import Spent, spend, spent_items
from curation.workspace import Workspace
from eval.compare.comparison import Comparison, Settings, compare
from eval.compare.measures import Draws
from eval.compare.sides import chosen
from eval.exam import Opened, open_exam
from eval.measuring import Trust
from eval.recompute import recompute
from eval.suite import Suite
from tests.compared import base_of, build, built, right_at, run_of, sit
from tests.eval_workspace import eval_workspace, where, with_run
from tests.lineage_workspace import store_of

WORDS = "spent (a patch was made from them)"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = built(tmp_path_factory.mktemp("spent") / "work", 120, split={"ratios": {"train": 0.5, "validation": 0.5}})
    sit(made, base_of(made), right_at(0.3, "base"))
    sit(made, run_of(made), right_at(0.8, "run"))
    return made


@pytest.fixture
def made(whole: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(whole.root, tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def spent(root: Path, *items: str) -> None:
    spend(root, [Spent(item, ("t-1",), "ana", "2026-01-02T03:04:05+00:00") for item in items])


def compared(made: Workspace) -> Comparison:
    experiments = made.root / "experiments"
    settings = Settings(draws=Draws(resamples=200, permutations=200))
    return compare(experiments, chosen(experiments, []), store_of(made), settings)


def test_a_comparison_leaves_them_out_and_says_so(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = compared(made)
    gone = before.exam.items["item_id"].to_pylist()[:3]
    spent(made.root, *gone, "00000000-0000-4000-8000-000000000000:1")
    after = compared(made)
    assert after.exam.left_out == {WORDS: 3}
    assert after.primary.n == before.primary.n - 3
    assert not set(gone) & set(after.exam.items["item_id"].to_pylist())
    capsys.readouterr()
    assert main(["compare", "-C", str(made.root)]) == 0
    assert f"left out: 3 {WORDS}" in capsys.readouterr().out


def test_a_mended_row_is_still_the_one_that_was_looked_at(made: Workspace) -> None:
    """Its text and so its id are new, but the patch that made it came from what a model said to it."""
    item = compared(made).exam.items["item_id"].to_pylist()[0]
    row = item.partition(":")[0]
    words = ["--row", row, "--answer", "Said anew.", "--reason", "wrong", "--as", "ana"]
    assert main(["patch", "add", "-C", str(made.root), *words]) == 0
    build(made)
    (line,) = store_of(made).table(store_of(made).resolve("v2"), "patches").to_pylist()
    new = f"{UUID(bytes=line['result_row_id'])}:1"
    assert new != item
    sit(made, run_of(made), right_at(0.8, "run 2"))

    def asked() -> Opened:
        return open_exam(Suite(), where(made.root).source("v2"), made.root)

    assert new in {one.item_id for one in asked().read()}
    spent(made.root, item)
    assert new not in {one.item_id for one in asked().read()}
    assert asked().exam.spent == 1
    assert asked().exam.items == asked().exam.whole == 59
    found = compared(made)
    assert found.exam.left_out[WORDS] == 1
    assert new not in found.exam.items["item_id"].to_pylist()


def test_an_exam_of_spent_items_alone_is_one_line(made: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    spent(made.root, *compared(made).exam.items["item_id"].to_pylist())
    capsys.readouterr()
    assert main(["compare", "-C", str(made.root)]) == 3
    assert f"no item is left to compare on; left out are 60 {WORDS}" in capsys.readouterr().err


def test_a_report_says_that_an_earlier_score_holds_them(made: Workspace) -> None:
    pytest.importorskip("altair")
    from reports.sections.limits import limitations
    from reports.sections.subject import subject

    def said() -> str:
        return str(limitations(subject(made, made.root, ["002"])))

    assert "a patch was made from them since" not in said()
    spent(made.root, compared(made).exam.items["item_id"].to_pylist()[0])
    assert "1 items count in this run's own scores though a patch was made from them since" in said()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_evaluation_asks_and_counts_the_others_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    root = eval_workspace(tmp_path / "ws")
    folder = with_run(root)
    words = ["eval", "-C", str(root), "--suite", "small", "--final", "--no-base"]
    assert main(words) == 0
    lines = {path.name: len(path.read_bytes().splitlines()) for path in (folder / "outputs").iterdir()}
    item = open_exam(Suite(split="test"), where(root).source("latest"), root).read().__next__()
    spent(root, item.item_id)
    assert spent_items(root) == {item.item_id}
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["exam"]["items"], told["exam"]["whole"], told["exam"]["spent"]) == (4, 4, 1)
    assert told["partial"] is False
    assert {row["n"] for row in told["evaluations"][0]["metrics"] if row["slice"] == "all"} == {4}
    assert {p.name: len(p.read_bytes().splitlines()) for p in (folder / "outputs").iterdir()} == lines, "none anew"
    results = pd.read_csv(folder / "results.csv")
    by_run = results[(results["metric"] == "chrf") & (results["slice"] == "all")].set_index("run")["n"].to_dict()
    assert by_run == {"experiment_001/eval-1": 5, "experiment_001/eval-2": 4}
    from eval.folder import EvalFolder

    for number, count in ((1, 5), (2, 4)):  # what was stored before is recomputed as it was
        one = EvalFolder.open(folder / f"eval-{number}")
        assert one.predictions().num_rows == count
        assert (recompute(one, Trust()).changed, recompute(one, Trust()).largest) == ((), 0.0)
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 items left out, spent: a patch was made from them" in out
