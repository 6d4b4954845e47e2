"""4-bit layers with LoRA on a CPU: computed as one step, with the numbers that peft's own way gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")
pytest.importorskip("peft")

import torch

from tests.test_model_loading import gradients
from tests.tiny_model import tiny_model
from tests.trainings import SMALL, encoded, place, small, source
from train.batches import padded
from train.model import fused
from train.model.adapter import new_adapter
from train.model.fused import fuse_on_cpu
from train.model.load import load_base

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny", hidden=128)


def adapted(base: Path, quantization: Any = "nf4", **settings: Any) -> Any:
    """With an adapter that says something: B is zero at first."""
    settings = {"lora_dropout": 0.0, **settings}
    model = new_adapter(load_base(base, quantization=quantization, precision="fp32"), small(base, **settings))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
    return model


def logits(model: Any) -> Any:
    inputs = {key: value for key, value in padded(encoded(4), 0).items() if key.startswith(("input", "att"))}
    with torch.no_grad():
        return model.eval()(**inputs).logits


@pytest.mark.parametrize("use_rslora", [False, True])
def test_losses_and_gradients_are_those_of_peft(base: Path, use_rslora: bool) -> None:
    model = adapted(base, use_rslora=use_rslora)
    before, said = gradients(model), logits(model)
    assert fuse_on_cpu(model) == 14
    assert torch.allclose(logits(model), said, rtol=0, atol=1e-5)
    after = gradients(model)
    assert len(after) == len(before) == 28
    for one, other in zip(before, after, strict=True):
        assert (one - other).abs().max() <= 1e-5 * one.abs().max()


def test_a_disabled_adapter_leaves_the_base_to_itself_and_a_changed_one_counts(base: Path) -> None:
    model = adapted(base)
    fuse_on_cpu(model)
    with model.disable_adapter():
        alone = logits(model)
    assert torch.equal(alone, logits(load_base(base, precision="fp32")))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.zero_()
    assert torch.allclose(logits(model), alone, rtol=0, atol=1e-5)  # the adapter's weights are read anew each time


def test_checkpointing_gives_the_same_gradients(base: Path) -> None:
    model = adapted(base)
    fuse_on_cpu(model)
    before = gradients(model)
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    assert all(torch.equal(one, other) for one, other in zip(before, gradients(model), strict=True))


def test_what_does_not_fit_is_left_to_peft(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuse_on_cpu(adapted(base, lora_dropout=0.1)) == 0
    assert fuse_on_cpu(adapted(base, quantization="none")) == 0
    half = new_adapter(load_base(base, precision="bf16"), small(base, lora_dropout=0.0))
    assert fuse_on_cpu(half) == 0
    monkeypatch.setattr(fused, "_ROOM", 1000)
    assert fuse_on_cpu(adapted(base)) == 0


def test_a_training_takes_this_way(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.run import train

    found: list[int] = []
    monkeypatch.setattr("train.run.fuse_on_cpu", lambda model: found.append(fuse_on_cpu(model)))
    config = small(base, **{**SMALL, "quantization": "nf4", "lora_dropout": 0.0, "max_steps": 2})
    done = train(config, source(), place(tmp_path))
    assert found == [14]
    assert done.run.state == "done"
