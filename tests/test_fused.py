"""4-bit layers with LoRA on a CPU: computed as one step, with the numbers that peft's own way gives."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from tests.test_model_loading import gradients
from tests.tiny_model import tiny_model
from tests.trainings import SMALL, encoded, place, small, source
from train.batches import padded
from train.estimate import estimate
from train.model import fused
from train.model.adapter import new_adapter
from train.model.folder import tensor_shapes
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
    monkeypatch.setattr(fused, "ROOM", 1000)
    assert fuse_on_cpu(adapted(base)) == 0


def test_a_bias_is_added(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "biased", hidden=128)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, "attention_bias": True}))
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if ".self_attn." in name]:
        bias = torch.linspace(-1, 1, len(weights[name]))
        weights[name.removesuffix("weight") + "bias"] = bias
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    model = adapted(folder)
    said = logits(model)
    assert fuse_on_cpu(model) == 14
    assert torch.allclose(logits(model), said, rtol=0, atol=1e-5)


def other_adapter(model: Any) -> None:
    model.add_adapter("other", model.peft_config["default"])
    model.set_adapter("other")


def merged(model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that 4 bits round
        model.merge_adapter()


@pytest.mark.parametrize("change", [other_adapter, merged])
def test_another_or_a_merged_adapter_is_left_to_peft(change: Callable[[Any], None], base: Path) -> None:
    one, other = adapted(base), adapted(base)
    fuse_on_cpu(one)
    before = logits(one)
    for model in (one, other):
        change(model)
    assert torch.equal(logits(one), logits(other))
    assert not torch.allclose(logits(one), before, rtol=0, atol=1e-3)


def test_under_autocast_peft_computes(base: Path) -> None:
    one, other = adapted(base), adapted(base)
    fuse_on_cpu(one)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(logits(one), logits(other))


def test_the_estimate_counts_the_weights_that_are_held(base: Path) -> None:
    model, shapes = adapted(base), tensor_shapes(base)
    fuse_on_cpu(model)
    held = sum(layer.forward._weight.nbytes for layer in model.modules() if hasattr(layer, "lora_A"))
    with_dropout, without = (
        estimate(small(base, quantization="nf4", lora_dropout=dropout), base, shapes, [(20, 5)]) for dropout in (0.1, 0)
    )
    assert held > 0
    assert without.weights - with_dropout.weights == held


def test_a_training_takes_this_way(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.run import train

    found: list[int] = []
    monkeypatch.setattr("train.run.fuse_on_cpu", lambda model: found.append(fuse_on_cpu(model)))
    config = small(base, **{**SMALL, "quantization": "nf4", "lora_dropout": 0.0, "max_steps": 2})
    done = train(config, source(), place(tmp_path))
    assert found == [14]
    assert done.run.state == "done"
