"""Comparisons of two sides: planted effects, none at all, seeds and claims, gates, flips, the exam."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import ConfigError, DataError
from curation.runs import new_run_folder, read_run, write_run
from curation.workspace import Workspace
from eval.compare.changed_rows import data_diff
from eval.compare.claim import needed
from eval.compare.comparison import Comparison, Settings, compare, headline
from eval.compare.measures import Draws
from eval.compare.sides import chosen
from eval.folder import EvalFolder
from eval.items import Item
from tests.compared import SUITE, Answer, base_of, build, built, right_at, row, run_of, sit
from tests.lineage_workspace import store_of, write

RATIOS = {"ratios": {"train": 0.4, "validation": 0.5, "test": 0.1}}
QUICK = Settings(draws=Draws(resamples=500, permutations=1000))
NEW = [row(number) for number in range(10, 300)] + [row(number) for number in range(400, 430)]


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """v1 of 300 rows; v2 without ten of them, with thirty others and one edited."""
    made = built(tmp_path_factory.mktemp("compare") / "work", split=RATIOS)
    rows = [{**one, "completion": "It is said otherwise now."} if one["id"] == 30 else one for one in NEW]
    write(made.root, rows)
    build(made)
    return made


@pytest.fixture
def here(two_versions: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(two_versions.root, tmp_path / "work")
    return Workspace(tmp_path / "work", tmp_path / "work" / "recipe.yaml")


def compared(here: Workspace, *refs: str, settings: Settings = QUICK, **how: Any) -> Comparison:
    """The comparison; its headline alone says the same."""
    experiments = here.root / "experiments"
    asked = (experiments, chosen(experiments, refs, **how), store_of(here), settings)
    found, alone = compare(*asked), headline(*asked)
    whole, part = ((one.primary, one.claim, one.labels, one.exam.left_out) for one in (found, alone))
    assert repr(whole) == repr(part)  # NaN is not itself
    return found


def pair(here: Workspace, first: float, second: float, **how: Any) -> Comparison:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(first, "base"), **how)
    sit(here, run, right_at(second, "run"), **how)
    return compared(here)


def arc(share: float, name: int = 0, n: int = 600) -> list[float]:
    """Answers of a model that is as good as this: harder questions are harder for every model."""
    rng = np.random.default_rng(name)
    ease = np.random.default_rng(99).random(n)
    return list((0.95 * ease + 0.05 * rng.random(n) < share).astype(float))


def test_a_planted_effect_is_found_with_its_size(here: Workspace) -> None:
    found = pair(here, 0.3, 0.5)
    assert found.primary.verdict == "better"
    assert found.primary.low < 0.2 < found.primary.high
    assert found.primary.p < 0.01
    assert found.exam.items.num_rows == found.exam.whole == found.primary.n
    assert found.claim.about == "models"
    assert found.claim.words == "these two models differ; one seed says nothing about the data yet"


def test_the_same_outputs_are_the_same_within_the_margin(here: Workspace) -> None:
    found = pair(here, 0.5, 0.5, suite={**SUITE, "primary": {"metric": "token_f1", "margin": 0.1}})
    assert found.primary.verdict == "same within the margin"
    assert "differ" not in found.claim.words


def test_a_small_difference_on_a_small_exam_cannot_be_told(here: Workspace) -> None:
    found = pair(here, 0.5, 0.58, limit=40)
    assert found.primary.verdict == "cannot tell"
    assert found.exam.partial
    assert found.primary.detectable > found.primary.margin
    more = needed(found.primary)
    assert more is not None
    assert more > found.primary.clusters


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_two_items_never_tell(here: Workspace, gain: float) -> None:
    found = pair(here, 0.0, gain, limit=2)
    assert found.primary.n == 2
    assert {one.verdict for one in [found.primary, *found.others]} == {"cannot tell"}
    assert found.checks[0].result == "cannot tell"


def _padded(more: str) -> Answer:
    """Seeds that differ a little, so that their spread alone would make a verdict."""
    return lambda item: f"{item.reference}{more}"


def test_two_items_never_tell_with_many_seeds_either(here: Workspace) -> None:
    base = base_of(here)
    sit(here, base, right_at(0.0, "base"), limit=2)
    for seed in range(1, 5):
        sit(here, run_of(here, seed=seed), _padded(" well" * seed), limit=2)
    found = compared(here)
    assert found.primary.seeds == (1, 4)
    assert found.primary.verdict == "cannot tell"
    assert found.checks[0].result == "cannot tell"


def test_the_order_of_the_sides_turns_the_verdict(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(0.3, "base"))
    sit(here, run, right_at(0.5, "run"))
    there, back = compared(here, "base", run.name), compared(here, run.name, "base")
    assert (there.primary.verdict, back.primary.verdict) == ("better", "worse")
    assert there.primary.diff == pytest.approx(-back.primary.diff)


def test_the_same_seed_gives_the_same_numbers(here: Workspace) -> None:
    first = pair(here, 0.4, 0.5)
    again = compared(here)
    other = compared(here, settings=Settings(draws=Draws(5, 500, 1000)))
    assert (again.primary, again.others, again.flips) == (first.primary, first.others, first.flips)
    assert other.primary != first.primary


def test_secondary_metrics_slices_and_benchmarks_are_one_family_under_holm(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    suite = {**SUITE, "slices": ["topic"]}
    sit(here, base, right_at(0.5, "base"), suite=suite, arc=arc(0.5))
    sit(here, run, right_at(0.6, "run"), suite=suite, arc=arc(0.53))
    found = compared(here)
    family = [*found.others, *found.slices.values(), *(one.diff for one in found.benchmarks)]
    assert sorted(found.slices) == ["topic=a", "topic=b"]
    assert len(family) == 5
    assert found.primary.p_adjusted == found.primary.p
    asked = [one for one in family if not np.isnan(one.p)]
    least = min(asked, key=lambda one: one.p)
    assert least.p_adjusted == pytest.approx(min(1, least.p * len(asked)))
    assert all(one.p_adjusted >= one.p for one in asked)


def test_arc_must_be_shown_to_have_lost_less_than_the_margin(here: Workspace) -> None:
    base = base_of(here)
    sit(here, base, right_at(0.5, "base"), arc=arc(0.5))
    told = {}
    for share in (0.5, 0.485, 0.4):
        run = run_of(here)
        sit(here, run, right_at(0.6, "run"), arc=arc(share, 1))
        (_, check) = compared(here, "base", run.name, alone=True).checks
        told[share] = check.result
    assert told == {0.5: "passed", 0.485: "cannot tell", 0.4: "failed"}


def test_arc_that_was_not_run_is_not_passed(here: Workspace) -> None:
    (_, check) = pair(here, 0.5, 0.6).checks
    assert (check.name, check.result) == ("arc-easy", "cannot tell")


def test_a_suite_may_ask_for_better(here: Workspace) -> None:
    asked = {**SUITE, "gates": {"primary": "better"}, "benchmarks": []}
    same = {**asked, "primary": {"metric": "token_f1", "margin": 0.1}}
    assert [check.result for check in pair(here, 0.5, 0.5, suite=same).checks] == ["failed"]
    assert [check.result for check in pair(here, 0.3, 0.6, suite=asked).checks] == ["passed"]


def test_seeds_of_one_training_are_taken_together_and_speak_of_the_data(here: Workspace) -> None:
    for version, share in (("v1", 0.4), ("v2", 0.6)):
        for seed in (1, 2, 3):
            sit(here, run_of(here, version, seed), right_at(share, f"{version} {seed}"), version="v2")
    found = compared(here, "1", "4")
    assert [len(side.models) for side in (found.a, found.b)] == [3, 3]
    assert found.primary.seeds == (3, 3)
    assert found.primary.verdict == "better"
    assert found.claim.about == "data"
    assert found.claim.words.startswith("the data, v1 against v2; 3 and 3 seeds")
    assert found.floor is not None
    assert found.floor.seeds == 3
    assert found.data is not None
    assert found.data.counts == {"added": 30, "removed": 10, "edited": 1, "moved": 0}
    alone = compared(here, "1", "4", alone=True)
    assert alone.primary.seeds == (1, 1)
    assert alone.claim.about == "models"


def test_two_seeds_of_one_training_are_the_noise_floor(here: Workspace) -> None:
    for seed in (1, 2, 3):
        sit(here, run_of(here, seed=seed), right_at(0.5, str(seed)))
    found = compared(here, "1", "2")
    assert found.primary.seeds == (1, 1)
    assert found.floor is not None
    assert found.floor.seeds == 2
    assert found.floor.widest == pytest.approx(abs(found.primary.diff))
    assert found.claim.words.endswith("two seeds of one training show what a seed does, no more")


def test_what_differs_besides_the_data_is_part_of_the_claim(here: Workspace) -> None:
    for version, rate in (("v1", 1e-4), ("v2", 2e-4), ("v2", 1e-4)):
        for seed in (1, 2):
            run = run_of(here, version, seed, learning_rate=rate)
            sit(here, run, right_at(0.5, f"{version} {rate} {seed}"), version="v2")
    both, settings = compared(here, "1", "3"), compared(here, "3", "5")
    assert settings.labels == ("experiment_003, experiment_004", "experiment_005, experiment_006")
    assert both.labels == ("v1 (2 seeds)", "v2 (2 seeds)")
    assert both.claim.about == "data and settings"
    assert "learning_rate 0.0001 -> 0.0002" in both.claim.words
    assert settings.claim.about == "settings"
    mixed = compared(here, "1,2", "3", alone=True)
    assert mixed.claim.about == "models"
    assert "one seed" in mixed.claim.words


def test_runs_that_are_no_seeds_of_one_another_make_no_side(here: Workspace) -> None:
    for version, seed in (("v1", 1), ("v2", 2), ("v2", 2)):
        sit(here, run_of(here, version, seed), right_at(0.5, version), version="v2")
    for refs, message in (
        (["1,2", "3"], "differ in more than their seed"),
        (["2,3", "1"], "have the same seed, 2"),
        (["2,2", "1"], "is named twice"),
        (["1", "1"], "stands on both sides"),
        (["1", "2", "3"], "name two"),
        (["1,", "2"], "missing beside a comma"),
    ):
        with pytest.raises(ConfigError, match=message):
            compared(here, *refs)


def test_the_largest_flips_come_first_with_what_both_said(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(0.4, "base"))
    best = right_at(0.5, "run")
    sit(here, run, lambda item: f"{best(item)} {str(item.reference).split()[0]}")  # a little better everywhere
    found = compared(here)
    sizes = [abs(flip.value_b - flip.value_a) for flip in found.flips]
    assert len(found.flips) == 5
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == pytest.approx([8 / 9] * 5)  # four words of five against none
    gained = [flip for flip in found.flips if flip.better]
    assert gained
    assert all(str(flip.output_b).startswith(str(flip.reference)) for flip in gained)
    assert all(flip.output_a == "nobody knows this" for flip in gained)
    assert all((flip.value_b > flip.value_a) == flip.better for flip in found.flips)
    asked = {
        one["item_id"]: one["reference"] for one in found.exam.at.table("items", ["item_id", "reference"]).to_pylist()
    }
    assert all(asked[flip.item_id] == flip.reference for flip in found.flips)


def test_a_missing_output_is_left_out_and_never_wrong(here: Workspace) -> None:
    lost: list[str] = []

    def some(item: Item) -> str | None:
        if len(lost) < 7 and item.item_id not in lost:
            lost.append(item.item_id)
        return None if item.item_id in lost else item.reference

    base, run = base_of(here), run_of(here)
    sit(here, base, lambda item: item.reference)
    sit(here, run, some)
    found = compared(here)
    assert (found.primary.left_out, found.primary.value_b) == (7, 1.0)


def test_other_generation_settings_are_refused_by_name(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(0.3, "base"), suite={**SUITE, "generation": {"max_new_tokens": 8}})
    sit(here, run, right_at(0.5, "run"))
    with pytest.raises(
        ConfigError, match=r"max_new_tokens 8, .*max_new_tokens 256.*curate eval experiment_001 --suite"
    ):
        compared(here)


def test_perplexity_is_not_compared_between_tokenizers(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    for folder in (base, run):
        sit(here, folder, right_at(0.5, "both"))
    assert "perplexity" in {one.name for one in compared(here).others}
    write_run(base, replace(read_run(base), tokenizer_sha256="cd" * 32))
    found = compared(here)
    assert "perplexity" not in {one.name for one in found.others}
    assert found.notes == ["perplexity: the two have different tokenizers, see bits_per_char"]


def test_the_trade_off_is_against_the_base_also_where_two_runs_are_compared(here: Workspace) -> None:
    sit(here, base_of(here), right_at(0.3, "base"), arc=arc(0.5))
    for number, share in enumerate((0.5, 0.6)):
        sit(here, run_of(here), right_at(share, str(number)), arc=arc(0.5 - 0.1 * number, number))
    found = compared(here, "2", "3", alone=True)
    assert found.trades_against == "base"
    assert [trade.run for trade in found.trades] == ["experiment_002", "experiment_003"]
    first, second = (trade.domain for trade in found.trades)
    assert first.value_a == second.value_a
    assert second.diff - first.diff == pytest.approx(found.primary.diff)
    assert [round(trade.elsewhere["arc-easy"].diff, 1) for trade in found.trades] == [0.0, -0.1]


def test_a_side_without_an_evaluation_is_told_the_command(here: Workspace) -> None:
    run_of(here)
    with pytest.raises(ConfigError, match=r"was not evaluated yet; run curate eval experiment_001"):
        compared(here)
    base_of(here)
    with pytest.raises(ConfigError, match=r"experiment_001: was not evaluated yet; run curate eval experiment_001"):
        compared(here)


def test_recorded_outputs_are_a_side_like_any_other(here: Workspace) -> None:
    run = run_of(here)
    sit(here, run, right_at(0.3, "run"))
    theirs = new_run_folder(here.root / "experiments")
    told = replace(read_run(base_of(here)), name=theirs.name, kind="predictions", settings={"name": "gpt-of-others"})
    write_run(theirs, told)
    sit(here, theirs, right_at(0.6, "theirs"))
    found = compared(here, run.name, theirs.name)
    assert found.primary.verdict == "better"
    assert found.b.label == f"{theirs.name} (gpt-of-others)"
    assert found.claim.words == "these two models differ; one seed says nothing about the data yet"


def test_the_newest_evaluation_that_is_not_of_test_unless_a_suite_is_named(here: Workspace) -> None:
    short = {**SUITE, "metrics": ["exact_match"], "primary": {"metric": "exact_match"}}
    for folder in (base_of(here), run_of(here)):
        _named(sit(here, folder, right_at(0.5, folder.name), suite=short), "short")
        sit(here, folder, right_at(0.5, folder.name))
        _named(sit(here, folder, right_at(0.5, folder.name), suite={**short, "split": "test"}), "final")
    assert compared(here).exam.suite.name == "small"
    named = compared(here, settings=Settings("short", QUICK.draws))
    assert (named.exam.suite.name, named.primary.name, named.exam.split) == ("short", "exact_match", "validation")
    assert compared(here, settings=Settings("final", QUICK.draws)).exam.split == "test"
    with pytest.raises(
        ConfigError,
        match="was not evaluated with suite tall; it was with final, small, short, and suites/ holds no such suite",
    ):
        compared(here, settings=Settings("tall", QUICK.draws))
    (here.root / "suites").mkdir(exist_ok=True)
    (here.root / "suites" / "tall.yaml").write_text("split: validation\n")
    with pytest.raises(ConfigError, match="with final, small, short; curate eval experiment_002 --suite tall"):
        compared(here, settings=Settings("tall", QUICK.draws))


def _named(folder: EvalFolder, suite: str) -> None:
    run = read_run(folder.path)
    write_run(folder.path, replace(run, settings={**run.settings, "suite": suite}))


def test_no_item_left_is_said(here: Workspace) -> None:
    train = {**SUITE, "split": "train@v2"}
    sit(here, base_of(here), right_at(0.5, "base"), suite=train)
    sit(here, run_of(here), right_at(0.5, "run"), suite=train)
    with pytest.raises(DataError, match=r"no item is left to compare on; left out are .* that experiment_002 learned"):
        compared(here)


def test_stored_baselines_stand_beside_on_the_same_items(here: Workspace) -> None:
    base, run, copied = base_of(here), run_of(here), new_run_folder(here.root / "experiments")
    told = {"name": "nearest training answer", "baseline": "nearest"}
    version = {"name": "v2", "id": store_of(here).resolve("v2").id, "source": "store"}
    write_run(copied, replace(read_run(base), name=copied.name, kind="predictions", settings=told, version=version))
    for folder, share in ((base, 0.3), (run, 0.5), (copied, 0.8)):
        sit(here, folder, right_at(share, folder.name))
    (beside,) = compared(here).baselines
    assert (beside.name, beside.run) == ("nearest training answer", copied.name)
    assert beside.diff.verdict == "worse"
    assert beside.diff.n == compared(here).primary.n
    sit(here, copied, right_at(0.1, "few"), limit=20)
    assert compared(here).baselines[0].diff.verdict == "worse"  # its answers to all are still there
    (here.root / "experiments" / copied.name / "eval-1" / "run.json").unlink()
    assert not compared(here).baselines


def test_a_suite_says_which_direction_is_better(here: Workspace) -> None:
    down = {**SUITE, "primary": {"metric": "token_f1", "margin": 0.05, "direction": "lower"}}
    found = pair(here, 0.3, 0.5, suite=down)
    assert found.primary.verdict == "worse"
    assert found.checks[0].result == "failed"
    assert not any(flip.better for flip in found.flips if flip.value_b > flip.value_a)


def test_the_base_is_the_one_that_was_quantised_as_the_run(here: Workspace) -> None:
    run = run_of(here, quantization="nf4")
    sit(here, run, right_at(0.5, "run"))
    for quantization in ("none", "nf4", "none"):
        sit(here, base_of(here, quantization), right_at(0.3, quantization))
    assert [model.name for model in compared(here).a.models] == ["experiment_003"]


def test_a_benchmark_is_also_compared_on_what_no_training_held(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(0.5, "base"), arc=arc(0.5))
    after = sit(here, run, right_at(0.5, "run"), arc=arc(0.5, 1))
    lines = [{**line, "clean": line["item_id"] not in ("q3", "q8")} for line in after.benchmarks().to_pylist()]
    after.write("benchmarks", lines)
    (found,) = compared(here).benchmarks
    assert found.touched == ("q3", "q8")
    assert found.clean is not None
    assert (found.diff.n, found.clean.n) == (600, 598)


def test_benchmarks_that_were_asked_in_other_ways_are_not_compared(here: Workspace) -> None:
    base, run = base_of(here), run_of(here)
    sit(here, base, right_at(0.5, "base"), arc=arc(0.5))
    after = sit(here, run, right_at(0.5, "run"), arc=arc(0.5, 1))
    told = read_run(after.path)
    asked = [{**told.settings["benchmarks"][0], "signature": "separate, 0-shot, chat"}]
    write_run(after.path, replace(told, settings={**told.settings, "benchmarks": asked}))
    found = compared(here)
    assert not found.benchmarks
    assert "arc-easy: was asked in different ways" in found.notes[0]
    assert found.checks[1].result == "cannot tell"


def test_a_benchmark_at_chance_level_is_said_to_be(here: Workspace) -> None:
    base, run, better = base_of(here), run_of(here), run_of(here)
    for folder, share in ((base, 0.25), (run, 0.26), (better, 0.4)):
        sit(here, folder, right_at(0.5, folder.name), arc=arc(share))
    assert compared(here, "base", "2", alone=True).benchmarks[0].at_chance
    assert not compared(here, "base", "3", alone=True).benchmarks[0].at_chance


def test_only_rows_of_train_may_be_near_to_a_flip(here: Workspace) -> None:
    store = store_of(here)
    told, rows = data_diff(store, store.resolve("v1"), store.resolve("v2"))
    assert len(rows) == sum(told.train.values()) < sum(told.counts.values())
