"""A Llama of the shape of Llama-3.1-8B with random weights in NF4, and rows of real lengths for it; or tiny ones."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from train.encode import IGNORED, Encoded
from train.model.load import keep_plain_4bit
from train.model.precision import choose_precision, device_name, torch_dtype

LENGTHS: Final = Path(__file__).with_name("row_lengths.json")
DATA: Final = "oasst_guanaco_text"  # the one with rows long enough


@dataclass(frozen=True, slots=True)
class Size:
    """Of the model and of the work: those of Llama-3.1-8B, or tiny."""

    hidden: int = 4096
    inner: int = 14336
    layers: int = 32
    heads: int = 32
    key_value_heads: int = 8
    vocabulary: int = 128_256
    steps: int = 12  # optimiser steps under the clock
    scale: float = 1.0  # of the rows' lengths


TINY: Final = Size(64, 128, 2, 4, 2, 512, 3, 1 / 32)


def shape(size: Size) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_value_heads,
        max_position_embeddings=131_072,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        dtype="bfloat16",
    )


def random_model(size: Size, attention: str = "sdpa", *, nf4: bool = True, dtype: Any = None) -> Any:
    """Made on the device, frozen; its linear layers but the head in NF4 with double quantisation."""
    device, dtype = device_name(), dtype or torch_dtype(choose_precision("auto", size.hidden))
    torch.manual_seed(1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = LlamaForCausalLM._from_config(shape(size), attn_implementation=attention, dtype=dtype)
    finally:
        torch.set_default_dtype(before)
    if nf4:
        _quantise(model, dtype)
        model.is_loaded_in_4bit = True
        keep_plain_4bit(model)
    return model.requires_grad_(False).eval()


def _quantise(model: Any, dtype: Any) -> None:
    import bitsandbytes as bnb

    device = device_name()
    for parent in list(model.model.layers.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, torch.nn.Linear):
                continue
            made = bnb.nn.Linear4bit(
                child.in_features, child.out_features, bias=False, compute_dtype=dtype, quant_type="nf4", device="meta"
            )
            weight = bnb.nn.Params4bit(child.weight.data, requires_grad=False, quant_type="nf4")
            made.weight = weight.to(device)
            setattr(parent, name, made)
    if device != "cpu":
        torch.cuda.empty_cache()


def rows_of(size: Size, longest: int, tokens: int) -> list[Encoded]:
    """Random tokens in rows of real lengths; for 8,192 the lengths are four times those of the data."""
    known = json.loads(LENGTHS.read_text("utf-8"))[DATA]
    chance = random.Random(1)
    chance.shuffle(known)
    factor = size.scale * longest / 2048
    rows: list[Encoded] = []
    while sum(len(row.input_ids) for row in rows) < tokens * size.scale and len(rows) < len(known):
        whole, trained = known[len(rows)]
        length = max(4, min(round(longest * size.scale), round(whole * factor)))
        answer = max(1, min(length - 2, round(trained * factor)))
        ids = [chance.randrange(size.vocabulary) for _ in range(length)]
        rows.append(Encoded(str(UUID(int=len(rows))), ids, [IGNORED] * (length - answer) + ids[-answer:], answer))
    return rows
