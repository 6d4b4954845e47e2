"""A training from a version to its folder: what it trains, measures, keeps and says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file

from curation.errors import ConfigError
from curation.row_losses import read_row_losses
from curation.runs import METRICS, read_run
from curation.store.journal import open_journal
from curation.templates.hashing import tokenizer_hash
from tests.tiny_model import tiny_model
from tests.trainings import place, small, source
from train.batches import flattened
from train.encode import Encoded, encode_all
from train.loss import token_losses
from train.model.adapter import load_adapter
from train.model.attention import register_packed
from train.model.check import fingerprint
from train.model.load import load_base
from train.model.template import stored_template
from train.preflight import prepare
from train.run import TrainingResult, train

# peft asks the model by a name that transformers 5.23 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


def trained(base: Path, root: Path, rows: tuple[int, int] = (24, 6), **changes: Any) -> TrainingResult:
    return train(small(base, **changes), source(*rows), place(root))


def adapter(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def furthest(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def usual(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Path]:
    root = tmp_path_factory.mktemp("usual")
    return trained(base, root), root


def test_a_training_leaves_a_folder_that_tells_all(usual: tuple[TrainingResult, Path], base: Path) -> None:
    result, _ = usual
    assert result.folder.name == "experiment_001"
    made = {path.name for path in result.folder.iterdir()} - {".running"}
    expected = {"adapter", "checkpoints", "row_losses.parquet", "run.json", "template", "train.log", "training.yaml"}
    assert made == expected
    run = read_run(result.folder)
    assert (run.state, run.provenance, run.detail) == ("done", "curate", "")
    assert (run.base_model["name"], run.base_model["parameters"]) == (str(base), 139_584)
    assert run.version == {"name": "v1", "id": "ab" * 16, "source": "store", "rows": {"train": 24, "validation": 6}}
    assert (run.hardware["precision"], list(run.seeds)) == ("fp32", [1])
    assert run.packages["torch"] == torch.__version__.split("+")[0] or run.packages["torch"] == torch.__version__
    assert run.template is not None
    template = stored_template(run.template, result.folder / "template", base)
    hashes = (template.sha256, tokenizer_hash(base), fingerprint(template, base))
    assert (run.template["sha256"], run.tokenizer_sha256, run.fingerprint) == hashes
    assert run.config is not None
    assert run.config["learning_rate"] == 1e-2
    assert json.loads((result.folder / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert (result.folder / "template" / "chat_template.jinja").read_text().startswith("{{ bos_token }}")


def test_it_learns(usual: tuple[TrainingResult, Path]) -> None:
    result, root = usual
    with open_journal(root / "journal.sqlite") as journal:
        losses = [metric.value for metric in journal.metrics("experiment_001", "validation_loss")]
        told = journal.latest_metrics("experiment_001")
        status = journal.statuses()["experiment_001"]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.1
    assert losses[-1] == result.run.metrics["validation_loss"]
    assert status.state == "done"
    assert set(told) == set(METRICS)
    assert told["trained_tokens"].value == result.run.metrics["trained_tokens"]
    assert told["peak_memory_mb"].value > 10


def test_every_visit_of_every_row_is_kept(usual: tuple[TrainingResult, Path], base: Path) -> None:
    result, _ = usual
    rows = read_row_losses(result.folder)
    prepared = prepare(small(base), source())
    assert {row.row_id: row.tokens for row in rows} == {row["row_id"]: row["trained"] for row in prepared.train}
    assert {len(row.losses) for row in rows} == {2}
    assert result.run.metrics["trained_tokens"] == 2 * sum(row.tokens for row in rows)
    mean = sum(row.last * row.tokens for row in rows) / sum(row.tokens for row in rows)
    assert result.run.metrics["train_loss"] == pytest.approx(mean, rel=1e-6)


def test_the_validation_loss_is_over_tokens_and_the_last_step_is_the_result(
    usual: tuple[TrainingResult, Path], base: Path, tmp_path: Path
) -> None:
    result, _ = usual
    steps = [entry["step"] for entry in result.run.checkpoints]
    assert result.run.selected_step == steps[-1] == max(steps)
    last = result.folder / result.run.checkpoints[-1]["path"]
    assert furthest(adapter(last), adapter(result.folder / "adapter")) == 0
    model = load_base(base, quantization="none", precision="fp32", attention=register_packed())
    model = load_adapter(model, result.folder / "adapter")
    prepared = prepare(small(base), source())
    with torch.no_grad():
        head = model.get_base_model().get_output_embeddings()
        each = torch.cat([token_losses(model, flattened([Encoded(**row)]), head) for row in prepared.validation])
    assert len({row["trained"] for row in prepared.validation}) > 1  # else means of rows would do as well
    assert float(each.mean()) == pytest.approx(result.run.metrics["validation_loss"], abs=1e-5)
    other = trained(base, tmp_path, per_device_eval_batch_size=1)
    assert other.run.metrics["validation_loss"] == pytest.approx(result.run.metrics["validation_loss"], abs=1e-6)


@pytest.mark.parametrize("packing", [True, False])
def test_a_step_is_the_same_however_it_is_cut(base: Path, tmp_path: Path, packing: bool) -> None:
    """8 rows in one batch, or in four that are accumulated: each trained token of the window weighs the same."""
    same = {"packing": packing, "lora_dropout": 0.0, "num_train_epochs": 3, "eval_strategy": "no", "max_length": 64}
    cuts = [(8, 1), (2, 4)]
    results = [
        trained(base, tmp_path, (8, 0), **same, per_device_train_batch_size=rows, gradient_accumulation_steps=steps)
        for rows, steps in cuts
    ]
    assert [result.run.selected_step for result in results] == [3, 3]
    one, four = (adapter(result.folder / "adapter") for result in results)
    assert furthest(one, four) <= 1e-5
    assert furthest(one, {name: torch.zeros_like(weight) for name, weight in one.items()}) > 1e-2


def test_packed_and_padded_trainings_are_the_same(base: Path, tmp_path: Path) -> None:
    same = {"lora_dropout": 0.0, "num_train_epochs": 3, "per_device_train_batch_size": 8}
    packed, padded = (
        trained(base, tmp_path, (8, 4), **same, gradient_accumulation_steps=1, packing=on) for on in (True, False)
    )
    assert furthest(adapter(packed.folder / "adapter"), adapter(padded.folder / "adapter")) <= 1e-5
    assert packed.run.metrics["validation_loss"] == pytest.approx(padded.run.metrics["validation_loss"], abs=1e-5)


def test_activation_checkpointing_changes_nothing(
    usual: tuple[TrainingResult, Path], base: Path, tmp_path: Path
) -> None:
    again = trained(base, tmp_path, activation_checkpointing=True)
    assert furthest(adapter(usual[0].folder / "adapter"), adapter(again.folder / "adapter")) <= 1e-6


def test_the_same_config_trains_the_same_and_another_seed_does_not(
    usual: tuple[TrainingResult, Path], base: Path, tmp_path: Path
) -> None:
    first = adapter(usual[0].folder / "adapter")
    assert furthest(first, adapter(trained(base, tmp_path).folder / "adapter")) == 0
    assert furthest(first, adapter(trained(base, tmp_path, seed=2).folder / "adapter")) > 0


# The fourth epoch is worse than the third.
UNEVEN = {"learning_rate": 0.02, "num_train_epochs": 4, "lr_scheduler_type": "constant", "max_grad_norm": 100.0}


def test_the_best_checkpoint_is_the_result_on_request_only(base: Path, tmp_path: Path) -> None:
    chosen = trained(base, tmp_path, (12, 6), **UNEVEN, select="validation_loss")
    losses = {entry["step"]: entry["metrics"]["validation_loss"] for entry in chosen.run.checkpoints}
    best = min(losses, key=lambda step: losses[step])
    assert best != max(losses)
    assert chosen.run.selected_step == best
    kept = chosen.folder / "checkpoints" / f"checkpoint-{best}"
    assert furthest(adapter(kept), adapter(chosen.folder / "adapter")) == 0
    last = trained(base, tmp_path, (12, 6), **UNEVEN)
    assert last.run.selected_step == max(losses)
    assert furthest(adapter(chosen.folder / "adapter"), adapter(last.folder / "adapter")) > 0


def test_it_stops_early_on_request_only(base: Path, tmp_path: Path) -> None:
    longer = {**UNEVEN, "num_train_epochs": 6}
    stopped = trained(base, tmp_path, (12, 6), **longer, early_stopping_patience=1)
    full = trained(base, tmp_path, (12, 6), **longer)
    assert (stopped.run.state, full.run.state) == ("done", "done")
    assert len(stopped.run.checkpoints) == 4
    assert len(full.run.checkpoints) == 6


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"save_strategy": "no"}, []),
        ({"save_strategy": "steps", "save_steps": 3}, [3, 6, 8]),
        ({"save_strategy": "steps", "save_steps": 3, "save_total_limit": 1}, [8]),
        ({"max_steps": 3}, [3]),
    ],
)
def test_checkpoints_are_kept_by_policy(base: Path, tmp_path: Path, changes: dict[str, Any], kept: list[int]) -> None:
    result = trained(base, tmp_path, **changes)
    folders = sorted(int(path.name.split("-")[1]) for path in (result.folder / "checkpoints").glob("checkpoint-*"))
    assert folders == kept == [entry["step"] for entry in result.run.checkpoints]
    assert (result.folder / "adapter" / "adapter_model.safetensors").is_file()


def test_liger_asked_for_where_it_cannot_be(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use_liger_kernel: needs a CUDA device"):
        trained(base, tmp_path, use_liger_kernel=True)


def test_a_tracker_that_is_not_installed_is_one_line(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report_to: no_such is not supported"):
        trained(base, tmp_path, report_to=("no_such",))


def test_nothing_of_a_library_reaches_the_terminal(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = trained(base, tmp_path, quantization="nf4")
    assert capfd.readouterr() == ("", "")
    log = (result.folder / "train.log").read_text()
    assert "validation_loss" in log
    assert "Loading weights" not in log


def test_rows_that_a_template_refuses_are_not_trained(base: Path) -> None:
    prepared = prepare(small(base), source())
    split = encode_all(source().rows("train"), prepared.template, prepared.tokenizer, small(base))
    assert split.rows[:] == prepared.train[:]


def test_a_run_goes_on_only_as_it_was(usual: tuple[TrainingResult, Path], base: Path) -> None:
    result, root = usual
    changed = replace(source(), version_id="cd" * 16)
    with pytest.raises(ConfigError, match="experiment_001: cannot go on, for its version changed"):
        train(small(base), changed, place(root), resume=result.folder)
    with pytest.raises(ConfigError, match="cannot go on, for its config_sha256 changed"):
        train(small(base, lora_r=8), source(), place(root), resume=result.folder)
