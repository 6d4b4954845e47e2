"""The checkpoint that answers best: what each reached, which one is taken, and what is refused before a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from safetensors.torch import load_file

from app.cli.runs_show import step_chosen
from curation.errors import ConfigError, CurateError, DataError
from curation.progress import Progress
from curation.runs import Run, read_run, state_now
from eval.generation import GenerationSettings, generate
from eval.generation.questions import of_rows
from eval.measuring import Trust
from eval.metrics import measure
from eval.metrics.metric import Items
from eval.selection import Selection, open_selection
from eval.suite import Suite, suite_of
from tests.tiny_model import tiny_model
from tests.trainings import place, small, source
from train.model.of_run import load_run, run_files
from train.run import TrainingResult, train

# peft asks the model by a name that transformers 5.23 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

SHORT = GenerationSettings(max_new_tokens=12)
# The fourth epoch is worse than the third.
UNEVEN = {"learning_rate": 0.02, "num_train_epochs": 4, "lr_scheduler_type": "constant", "max_grad_norm": 100.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


def selection(metric: str, suite: Suite | None = None, rows: tuple[int, int] = (12, 6)) -> Selection:
    return open_selection(metric, suite or Suite(generation=SHORT), source(*rows), Path(), Trust())


def trained(base: Path, root: Path, metric: str, choose: Any = None, **changes: Any) -> TrainingResult:
    config = small(base, **{**UNEVEN, **changes}, select=metric)
    return train(config, source(12, 6), place(root), choose=choose or selection(metric))


def reached(run: Run, metric: str) -> dict[int, float]:
    return {entry["step"]: entry["metrics"][metric] for entry in run.checkpoints}


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def test_the_lowest_perplexity_is_the_result(base: Path, tmp_path: Path) -> None:
    """What the checkpoints reach is what the training itself measured, by other code: exp of the validation loss."""
    result = trained(base, tmp_path, "perplexity")
    values, losses = reached(result.run, "perplexity"), reached(result.run, "validation_loss")
    assert len(values) == 4
    assert values == {step: pytest.approx(math.exp(loss), rel=1e-4) for step, loss in losses.items()}
    best = min(values, key=lambda step: values[step])
    assert best != max(values)
    assert result.run.selected_step == best
    assert same(weights(result.folder / "adapter"), weights(result.folder / "checkpoints" / f"checkpoint-{best}"))
    assert {path.name for path in (result.folder / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert step_chosen(result.run).startswith(f"step {best} is the result, by perplexity: {min(values)} ")


def test_answers_are_generated_and_the_highest_is_the_result(base: Path, tmp_path: Path) -> None:
    result = trained(base, tmp_path, "token_f1")
    values = reached(result.run, "token_f1")
    files = run_files(result.folder)
    for step, value in values.items():
        loaded = load_run(replace(files, adapter=result.folder / "checkpoints" / f"checkpoint-{step}"))
        questions = list(of_rows(source(12, 6).rows("validation")))
        answers = {answer.item_id: answer.text for answer in generate(loaded, questions, SHORT)}
        items = Items([answers[q.item_id] for q in questions], [[str(q.reference)] for q in questions])
        assert value == pytest.approx(measure("token_f1", items).value, abs=1e-12)
    assert len(set(values.values())) > 1
    assert result.run.selected_step == min(s for s in values if values[s] == max(values.values()))


def test_of_equal_checkpoints_the_earlier(base: Path, tmp_path: Path) -> None:
    result = trained(base, tmp_path, "exact_match", learning_rate=1e-9)
    values = reached(result.run, "exact_match")
    assert set(values.values()) == {0.0}
    assert result.run.selected_step == min(values) < max(values)


def test_stopped_while_comparing_it_goes_on_to_the_same(base: Path, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = trained(base, tmp_path / "whole", "token_f1")
    choose = selection("token_f1")

    def stopped(run: Path, checkpoints: Mapping[int, Path], progress: Progress) -> Any:
        choose(run, dict(list(checkpoints.items())[:2]), progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="go on with: curate train --resume experiment_001"):
        trained(base, tmp_path, "token_f1", choose=stopped)
    folder = tmp_path / "experiments" / "experiment_001"
    assert state_now(folder, read_run(folder)) == "interrupted"
    assert not (folder / "adapter").exists()
    config = small(base, **UNEVEN, select="token_f1")
    again = train(config, source(12, 6), place(tmp_path), resume=folder, choose=choose)
    assert again.run.selected_step == whole.run.selected_step
    assert reached(again.run, "token_f1") == reached(whole.run, "token_f1")
    assert same(weights(folder / "adapter"), weights(whole.folder / "adapter"))
    assert again.run.metrics["train_loss"] == whole.run.metrics["train_loss"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("rougel", 'select: "rougel" is not a metric; did you mean "rougeL"?'),
        ("validation_los", 'select: "validation_los" is not a metric; did you mean "validation_loss"?'),
        ("length_ratio", "select: neither higher nor lower length_ratio is better; say which in suites/default.yaml"),
        ("accuracy", "select: accuracy: metric accuracy: "),
        ("mine:score", "select: mine:score: metric mine:score: your own metrics are files of a workspace"),
    ],
)
def test_what_cannot_choose_is_said_first(metric: str, message: str) -> None:
    with pytest.raises(CurateError) as caught:
        selection(metric)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_without_a_validation_split() -> None:
    with pytest.raises(DataError, match=r"select: rougeL: v1: its validation split holds no question"):
        selection("rougeL", rows=(12, 0))


def test_the_direction_and_the_settings_are_the_suites() -> None:
    values = {"metrics": ["length_ratio"], "primary": {"metric": "length_ratio", "direction": "lower"}}
    chosen = selection("length_ratio", suite_of({**values, "split": "test", "turns": "all"}, "default"))
    assert (chosen.higher, chosen.suite.split, chosen.suite.turns) == (False, "validation", "all")
    assert selection("perplexity").higher is False
    assert selection("rougeL").higher is True
    assert selection("rougeL").suite.generation == SHORT


def test_a_training_alone_cannot_measure_it(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="select: rougeL is chosen by evaluation, and there is none"):
        train(small(base, select="rougeL"), source(), place(tmp_path))
    assert not (tmp_path / "experiments").exists()
