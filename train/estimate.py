"""Memory and work of a training, from the shapes of the weights: an estimate, before anything is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from curation.templates.folder import read_json
from train.config import TrainingConfig
from train.model.fused import ROOM
from train.model.precision import choose_precision, device_name
from train.token_rows import HEADS, INPUTS

_NF4: Final = {False: 0.5625, True: 0.516}  # bytes a weight with the constants of its block, by double_quant
_STATES: Final = {"adamw_8bit": 2, "paged_adamw_8bit": 2, "sgd": 0}  # bytes of optimiser state; others: two of fp32
# Bytes a token, layer and hidden unit that autograd keeps in 16 bits, counted on Llamas with adapters on all linear
# layers (hooks on saved tensors); dropout adds its masks and copies; fp32 keeps 1.5 times as much.
_KEPT: Final = 56
_KEPT_BY_DROPOUT: Final = 35
_KEPT_AT_BORDERS: Final = 2  # with activation checkpointing: what enters a layer


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes for one device, and what the whole training asks for."""

    parameters: int
    adapter_parameters: int
    weights: int  # with those that a CPU holds in fp32 beside their 4 bits (train.model.fused)
    adapter: int  # its weights, their gradients, and the optimiser's state
    activations: int  # of one batch
    activations_checkpointed: int
    logits: int  # of the trained tokens of one batch, with their gradient
    steps: int
    tokens: int
    flops: float  # without the second forward of activation checkpointing

    def total(self, *, checkpointing: bool) -> int:
        kept = self.activations_checkpointed if checkpointing else self.activations
        return self.weights + self.adapter + kept + self.logits

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    config: TrainingConfig, folder: Path, shapes: Mapping[str, tuple[int, ...]], rows: Sequence[tuple[int, int]]
) -> Estimate:
    """For a model's folder, its weights' shapes, and rows of (tokens, trained tokens)."""
    told = read_json(folder / "config.json")
    told = told.get("text_config", told)
    linear = {n: s for n, s in shapes.items() if len(s) == 2 and not n.endswith((*INPUTS, *HEADS))}
    size, inside = (sum(map(math.prod, some.values())) for some in (shapes, linear))
    targets = [shape for name, shape in linear.items() if _is_target(name, config)]
    adapter = config.lora_r * sum(map(sum, targets))
    wide = choose_precision(config.bf16, told.get("hidden_size", 1024)) == "fp32"
    held = 4 * sum(map(math.prod, targets)) if wide and config.quantization == "nf4" and not config.lora_dropout else 0
    tokens, trained = (sum(row[i] for row in rows) for i in (0, 1))
    longest = config.max_length if config.packing else max((row[0] for row in rows), default=0)
    batch = config.per_device_train_batch_size * min(longest, tokens)
    layers = told.get("num_hidden_layers", 1)
    units = batch * told.get("hidden_size", 0) * layers
    sequences = math.ceil(tokens / config.max_length) if config.packing else len(rows)
    per_epoch = math.ceil(sequences / (config.per_device_train_batch_size * config.gradient_accumulation_steps))
    steps = config.max_steps or math.ceil(per_epoch * config.num_train_epochs)
    seen = round(tokens * steps / max(1, per_epoch))
    stored = 4 if str(told.get("dtype", told.get("torch_dtype"))).endswith("float32") else 2
    kept = (_KEPT + _KEPT_BY_DROPOUT * (config.lora_dropout > 0)) * (1.5 if wide else 1)
    outside = stored if config.quantization == "none" else 4 if wide else 2
    return Estimate(
        parameters=size,
        adapter_parameters=adapter,
        weights=round(inside * _bytes(config, stored) + (size - inside) * outside) + held * (held <= ROOM),
        adapter=adapter * (8 + _STATES.get(optimiser(config), 8)),
        activations=round(units * kept),
        activations_checkpointed=round(units * (_KEPT_AT_BORDERS + kept / layers)),
        logits=round(batch * trained / max(1, tokens) * told.get("vocab_size", 0) * 8),
        steps=steps,
        tokens=seen,
        flops=4.0 * size * seen,  # two a weight forward, two back through it; a frozen weight has no gradient
    )


def optimiser(config: TrainingConfig) -> str:
    """transformers' name of the one that `optim` means here."""
    if config.optim != "auto":
        return config.optim
    return "adamw_torch_fused" if device_name() == "cpu" else "paged_adamw_8bit"


def measured_flops(seconds: float = 0.1) -> float:
    """Operations a second of plain matrix products, measured here; a training does not reach it."""
    import time

    import torch

    cuda = torch.cuda.is_available()
    one = torch.ones(2048, 2048, device="cuda" if cuda else "cpu", dtype=torch.bfloat16 if cuda else torch.float32)
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        one @ one
        done += 1
        if cuda:
            torch.cuda.synchronize()
    return done * 2 * 2048**3 / (time.perf_counter() - start)


def free_memory() -> int | None:
    """Bytes free on the CUDA device; None without one."""
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None


def _bytes(config: TrainingConfig, stored: int) -> float:
    """Bytes of one weight of a linear layer."""
    return {"nf4": _NF4[config.double_quant], "int8": 1.0, "bf16": 2.0, "none": float(stored)}[config.quantization]


def _is_target(name: str, config: TrainingConfig) -> bool:
    targets, module = config.lora_target_modules, name.removesuffix(".weight")
    if isinstance(targets, str):
        return targets == "all-linear" or re.fullmatch(targets, module) is not None
    return module.endswith(targets)
