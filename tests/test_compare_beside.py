"""Baselines beside a side of several seeds: each of its models against a baseline, which has no seed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.cli import main
from curation.workspace import Workspace
from eval.compare.claim import against_each
from eval.compare.comparison import Settings, compare
from eval.compare.measures import Draws
from eval.compare.sides import chosen
from eval.stats.compare import compare_paired
from tests.compared import base_of, built, right_at, run_of, sit
from tests.lineage_workspace import store_of
from tests.test_stats import score

RATIOS = {"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}}
QUICK = {"resamples": 500, "permutations": 1000}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return built(tmp_path_factory.mktemp("beside") / "work", split=RATIOS)


def sides(made: Workspace, to: Path, shares: tuple[float, float]) -> Workspace:
    """A base, a run to compare with, and two seeds of another training, of these shares right."""
    shutil.copytree(made.root, to)
    here = Workspace(to, to / "recipe.yaml")
    sit(here, base_of(here), right_at(0.3, "base"))
    sit(here, run_of(here, learning_rate=1e-4), right_at(0.5, "other"))
    for seed, share in enumerate(shares, start=1):
        sit(here, run_of(here, seed=seed), right_at(share, f"seed {seed}"))
    return here


def test_two_seeds_that_are_both_better_than_a_baseline_are_said_to_be(
    made: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = sides(made, tmp_path / "work", (0.5, 0.7))  # far apart: two seeds show nothing of their training
    found = compare(
        here.root / "experiments",
        chosen(here.root / "experiments", ("2", "3,4")),
        store_of(here),
        Settings(draws=Draws(**QUICK)),
    )
    (base,) = found.baselines
    assert base.diff.verdict == "better"
    assert base.diff.seeds == (1, 2)
    assert base.diff.value_a < base.diff.value_a + base.diff.low < base.diff.value_b
    assert main(["-C", str(here.root), "compare", "2", "3,4", "--stored"]) == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("beside, "))
    assert ", each of the 2 models of " in line
    assert line.endswith(", better)")


def test_one_of_two_is_not_each(made: Workspace, tmp_path: Path) -> None:
    here = sides(made, tmp_path / "work", (0.3, 0.7))
    found = compare(
        here.root / "experiments",
        chosen(here.root / "experiments", ("2", "3,4")),
        store_of(here),
        Settings(draws=Draws(**QUICK)),
    )
    assert found.baselines[0].diff.verdict == "cannot tell"


def test_p_is_the_largest_and_the_interval_holds_all() -> None:
    ease = [i % 7 / 7 for i in range(60)]
    base, one, two = (
        score(ease),
        score([x + 0.2 for x in ease]),
        score([x + 0.01 * (i % 5 - 1) for i, x in enumerate(ease)]),
    )
    each = [compare_paired(base, side, None, 0.0, **QUICK) for side in (one, two)]
    found = against_each(base, [one, two], None, 0.0, **QUICK)
    assert found.p == max(side.p for side in each)
    assert (found.low, found.high) == (each[1].low, each[0].high)
    assert found.diff == pytest.approx((each[0].diff + each[1].diff) / 2)
    assert found.detectable == max(side.detectable for side in each if side.detectable == side.detectable)
    worse = score([x - 0.2 for x in ease])
    assert against_each(base, [one, worse], None, 0.0, **QUICK).p == 1.0
    assert against_each(base, [one], None, 0.0, **QUICK) == each[0]
