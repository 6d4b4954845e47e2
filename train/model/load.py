"""Base models in memory: 4, 8 or 16 bits or as stored, from a folder or the hub's cache, without the network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from curation.errors import ConfigError
from curation.records import canonical
from curation.templates.folder import read_json
from train.model.folder import model_folder, parameters, tensor_shapes
from train.model.precision import Precision, choose_precision, device_name, torch_dtype

Quantization = Literal["nf4", "int8", "bf16", "none"]


def load_base(
    name: str | Path,
    *,
    near: Path = Path(),
    revision: str | None = None,
    quantization: Quantization = "nf4",
    double_quant: bool = True,
    precision: Precision | None = None,
    attention: str = "sdpa",
) -> Any:
    """A frozen causal language model in eval mode; `name`: a folder (relative to `near`) or a name on the hub.

    `precision`: what quantised weights are computed in; None: what the device has natively. Weights that are not
    quantised stay as stored, except that nothing is stored in a half precision the device computes in no other way.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    folder = model_folder(str(name), near, revision)
    precision = precision or choose_precision("auto", hidden_size(folder))
    try:
        with _without_bar():
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=_dtype(quantization, precision),
                quantization_config=_quantised(quantization, double_quant, precision),
                attn_implementation=attention,
                device_map=None if _sharded() else {"": device_name()},
                local_files_only=True,
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{folder}: cannot be loaded as a causal language model ({reason})") from None
    keep_plain_4bit(model)
    return model.requires_grad_(False).eval()


@contextmanager
def _without_bar() -> Iterator[None]:
    """transformers draws a bar over the weights, on a terminal among our lines and in a log as a long line."""
    from transformers.utils import logging as theirs

    shown = theirs.is_progress_bar_enabled()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            theirs.enable_progress_bar()


def keep_plain_4bit(model: Any) -> None:
    """Forbid bitsandbytes to re-pack 4-bit weights on CPUs with AVX512-BF16.

    It does so in the first forward in eval mode, in place; gradients and merges are silently wrong from then on.
    """
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False


def hidden_size(folder: Path) -> int:
    told = read_json(folder / "config.json")
    return int(told.get("text_config", told).get("hidden_size", 1024))


def base_identity(name: str, folder: Path) -> dict[str, Any]:
    """What run.json says of a base model."""
    told, shapes = read_json(folder / "config.json"), tensor_shapes(folder)
    sizes = {file.name: file.stat().st_size for file in sorted(folder.glob("*.safetensors"))}
    what = canonical([told, {key: list(shape) for key, shape in sorted(shapes.items())}, sizes])
    on_hub = folder.parent.name == "snapshots"
    return {
        "name": name,
        "revision": folder.name if on_hub else None,
        "sha256": hashlib.sha256(what).hexdigest(),
        "architecture": next(iter(told.get("architectures") or []), None),
        "parameters": parameters(shapes) or None,
    }


def base_licence(folder: Path) -> str | None:
    """What the head of the model's card says."""
    import re

    card = folder / "README.md"
    head = card.read_text("utf-8", errors="replace").split("---")[1:2] if card.is_file() else []
    found = re.search(r"^license:[ ]*(\S.*?)[ ]*$", head[0], re.MULTILINE) if head else None
    return found[1] if found else None


def _sharded() -> bool:
    """Whether accelerate was launched to split the model over its processes (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def _dtype(quantization: Quantization, precision: Precision) -> Any:
    if quantization == "bf16":
        return torch_dtype("bf16")
    if quantization == "none":
        return "auto"
    return torch_dtype(precision)


def _quantised(quantization: Quantization, double_quant: bool, precision: Precision) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=double_quant,
            bnb_4bit_compute_dtype=torch_dtype(precision),  # fp32 unless said
            # FSDP cuts up weights of one type alone: then the 4 bits lie in numbers of the type the rest has.
            bnb_4bit_quant_storage=torch_dtype(precision) if _sharded() else None,
        )
    return BitsAndBytesConfig(load_in_8bit=True) if quantization == "int8" else None
