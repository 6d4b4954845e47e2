"""Loading a base model: what it is computed in, 4-bit weights that stay what they are, errors in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")
pytest.importorskip("peft")

import torch

from curation.errors import ConfigError
from tests.tiny_model import tiny_model
from tests.trainings import encoded, small
from train.batches import padded
from train.loss import token_losses
from train.model import precision
from train.model.adapter import load_adapter, new_adapter
from train.model.load import base_identity, base_licence, load_base
from train.model.tokenizer import load_tokenizer

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*MatMul8bitLt.*:UserWarning"),  # of bitsandbytes, for 8 bits on a CPU
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),  # peft asks for it
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny", hidden=128)


def gradients(model: Any) -> list[Any]:
    model.train()
    model.zero_grad()
    token_losses(model, padded(encoded(4), 0), model.get_base_model().get_output_embeddings()).mean().backward()
    return [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]


@pytest.mark.filterwarnings("ignore:.*gemv_4bit. an autograd kernel was not registered:UserWarning")
@pytest.mark.parametrize("computed_in", ["fp32", "bf16"])
def test_a_forward_in_eval_mode_changes_no_gradient(
    base: Path, computed_in: precision.Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CPUs with AVX512-BF16 bitsandbytes re-packs 4-bit weights in the first eval, unless it is forbidden.

    Layers here are made as on such a CPU: its re-packing is plain torch code, which runs on any.
    """
    import bitsandbytes
    from bitsandbytes.nn import Linear4bit

    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: True)
    assert Linear4bit(64, 64).support_avx512bf16_for_cpu
    model = new_adapter(load_base(base, precision=computed_in), small(base, lora_dropout=0.0))
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 14
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
    with torch.no_grad():  # B is zero at first, and A would have no gradient
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(generator=torch.Generator().manual_seed(1))
    inputs = {key: value for key, value in padded(encoded(4), 0).items() if key.startswith(("input", "att"))}

    def changed_by_eval() -> bool:
        before = gradients(model)
        assert all(gradient.any() for gradient in before)
        with torch.no_grad():
            model.eval()(**inputs)
        return not all(torch.equal(one, other) for one, other in zip(before, gradients(model), strict=True))

    assert not changed_by_eval()
    for layer in layers:  # what was forbidden
        layer.support_avx512bf16_for_cpu = True
    assert changed_by_eval()


@pytest.mark.parametrize(
    ("computed_in", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_4_bit_weights_are_computed_in_what_is_asked_for(
    base: Path, computed_in: precision.Precision, expected: torch.dtype
) -> None:
    from bitsandbytes.nn import Linear4bit

    model = load_base(base, precision=computed_in)
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert {layer.compute_dtype for layer in layers} == {expected}
    assert model.get_input_embeddings().weight.dtype == expected
    assert {layer.weight.quant_state.nested for layer in layers} == {True}
    assert not any(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize(
    ("computed_in", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_weights_that_fsdp_is_to_cut_up_are_of_one_type(
    base: Path, computed_in: precision.Precision, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers asks for it (update_fsdp_plugin_peft); what is computed, and its gradients, are the same."""
    from bitsandbytes.nn import Linear4bit
    from transformers import BitsAndBytesConfig

    usual = load_base(base, precision=computed_in)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    cut = load_base(base, precision=computed_in)
    for model, stored in ((usual, torch.uint8), (cut, expected)):
        assert {m.weight.dtype for m in model.modules() if isinstance(m, Linear4bit)} == {stored}
    assert {weight.dtype for weight in cut.parameters()} == {expected}
    told = cut.hf_quantizer.quantization_config
    assert isinstance(told, BitsAndBytesConfig)
    assert told.bnb_4bit_quant_storage.is_floating_point
    if computed_in != "fp16":  # a CPU has no fp16 products worth the name
        one, other = (gradients(new_adapter(model, small(base, lora_dropout=0.0))) for model in (usual, cut))
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
        ids = torch.tensor([[1, 20, 30, 40]])
        assert torch.equal(usual.eval()(ids).logits, cut.eval()(ids).logits)


@pytest.mark.parametrize(("quantization", "stored"), [("none", torch.float32), ("bf16", torch.bfloat16)])
def test_weights_that_are_not_quantised(base: Path, quantization: Any, stored: torch.dtype) -> None:
    model = load_base(base, quantization=quantization, precision="fp32")
    assert {weight.dtype for weight in model.parameters()} == {stored}


def test_8_bits_train(base: Path) -> None:
    model = new_adapter(load_base(base, quantization="int8", precision="fp32"), small(base))
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model))


@pytest.mark.parametrize(
    ("capability", "wanted", "chosen"),
    [((7, 5), "auto", "fp16"), ((8, 0), "auto", "bf16"), ((9, 0), "auto", "bf16"), ((9, 0), False, "fp16")],
)
def test_bf16_only_where_a_gpu_has_it(
    capability: tuple[int, int], wanted: Any, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By capability: what torch says is supported counts what a T4 emulates."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *args: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert precision.choose_precision(wanted) == chosen


@pytest.mark.parametrize(("gain", "chosen"), [(0.4, "fp32"), (1.7, "fp32"), (3.5, "bf16")])
def test_bf16_only_where_a_cpu_gains_by_it(gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_cpu_gain", lambda width: gain)
    assert precision.choose_precision("auto") == chosen
    assert precision.choose_precision(True) == "bf16"


def test_the_probe_of_a_cpu_measures_something() -> None:
    assert precision._cpu_gain(64) > 0


def test_a_broken_or_foreign_folder_is_one_line(base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "broken")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "no_such"}))
    with pytest.raises(ConfigError, match="cannot be loaded as a causal language model") as caught:
        load_base(folder, quantization="none")
    assert "\n" not in str(caught.value)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigError, match="its tokenizer cannot be loaded"):
        load_tokenizer(folder)


def test_weights_cut_short_are_one_line(base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "cut")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="cannot be loaded as a causal language model"):
        load_base(folder, quantization="none")


def test_a_model_that_is_not_there_asks_for_no_network() -> None:
    """In a process of its own, in which any connection fails the test."""
    code = (
        "import socket, sys\n"
        "def refuse(*args): raise SystemExit('network')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from curation.errors import ConfigError\n"
        "from train.model.load import load_base\n"
        "try: load_base('nobody/nothing')\n"
        "except ConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("get it with: hf download nobody/nothing")


def test_adapters_go_round(base: Path, tmp_path: Path) -> None:
    model = new_adapter(load_base(base, quantization="none", precision="fp32"), small(base))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_(generator=torch.Generator().manual_seed(2))
        ids = torch.tensor([[1, 20, 30]])
        expected = model.eval()(ids).logits
        model.save_pretrained(str(tmp_path / "adapter"))
        again = load_adapter(load_base(base, quantization="none", precision="fp32"), tmp_path / "adapter")
        assert torch.equal(again(ids).logits, expected)
        other = tiny_model(tmp_path / "other", hidden=64)
        with pytest.raises(ConfigError, match="is not an adapter for this base model"):
            load_adapter(load_base(other, quantization="none"), tmp_path / "adapter")
        with pytest.raises(ConfigError, match="no adapter in it"):
            load_adapter(model, tmp_path)


def test_the_same_seed_makes_the_same_adapter(base: Path) -> None:
    def weights(seed: int) -> list[Any]:
        model = new_adapter(load_base(base, quantization="none", precision="fp32"), small(base, seed=seed))
        return [weight.clone() for name, weight in model.named_parameters() if "lora_A" in name]

    assert all(map(torch.equal, weights(1), weights(1)))
    assert not all(map(torch.equal, weights(1), weights(2)))


def test_modules_that_are_not_there_are_named(base: Path) -> None:
    with pytest.raises(ConfigError, match=r"lora_target_modules: .*no_such"):
        new_adapter(load_base(base, quantization="none"), small(base, lora_target_modules=("no_such",)))


def test_what_a_run_says_of_its_base(base: Path, tmp_path: Path) -> None:
    told = base_identity("models/tiny", base)
    assert (told["name"], told["revision"], told["architecture"]) == ("models/tiny", None, "LlamaForCausalLM")
    folder = shutil.copytree(base, tmp_path / "copy")
    assert base_identity("models/tiny", folder) == told
    assert base_licence(folder) is None
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: none\n")
    assert base_licence(folder) == "apache-2.0"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 1.0}))
    assert base_identity("models/tiny", folder)["sha256"] != told["sha256"]


def test_generation_pads_on_the_left(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    assert tokenizer.padding_side == "left"
    assert SimpleNamespace(**tokenizer.special_tokens_map).pad_token == "<pad>"


def test_loading_draws_no_bar_and_leaves_the_setting(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as theirs

    before = theirs.is_progress_bar_enabled()
    theirs.enable_progress_bar()
    try:
        load_base(base, quantization="none")
        assert capfd.readouterr().err == ""
        assert theirs.is_progress_bar_enabled()
    finally:
        if not before:
            theirs.disable_progress_bar()
