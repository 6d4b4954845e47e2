"""Perplexity of real weights on real text, by command, beside a forward pass written here in plain torch."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from app.cli import main
from eval.folder import EvalFolder
from tests.eval_workspace import write_jsonl
from tests.shared_data import shared

# The answer follows a blank line; <s> is what this model was trained to end a story with.
TEMPLATE = (
    '{% for m in messages %}{% if m.role == "user" %}{{ m.content }}\n\n{% else %}{{ m.content }}<s>{% endif %}'
    "{% endfor %}"
)
FIRST = re.compile(r"(.*?[.!?])\s+(.*)", re.DOTALL)
Config = dict[str, Any]


def stories() -> list[tuple[str, str]]:
    """The first sentence of each story, and the rest of it."""
    with gzip.open(shared("tinystories/tinystories_sample.txt.gz"), "rt", encoding="utf-8") as file:
        told = [story.strip() for story in file.read().split("<|endoftext|>")]
    found = [FIRST.fullmatch(story) for story in told if story]
    return [(one[1], one[2]) for one in found if one]


def norm(x: Any, weight: Any, epsilon: float) -> Any:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def turned(x: Any, cos: Any, sin: Any) -> Any:
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)


def log_probabilities(weights: dict[str, Any], config: Config, ids: list[int]) -> Any:
    """Of every next token: [places, vocabulary]. A Llama in torch and nothing else."""
    heads, groups, wide = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    epsilon, length = config["rms_norm_eps"], len(ids)
    speed = config["rope_theta"] ** (-torch.arange(0, wide, 2) / wide)
    angle = torch.arange(length)[:, None] * speed
    cos, sin = angle.cos(), angle.sin()
    hidden = torch.full((length, length), -math.inf).triu(1)
    x = weights["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        own = {k.split(f"layers.{layer}.")[1]: v for k, v in weights.items() if f"layers.{layer}." in k}
        y = norm(x, own["input_layernorm.weight"], epsilon)
        q, k, v = (
            (y @ own[f"self_attn.{name}_proj.weight"].T).view(length, -1, wide).transpose(0, 1) for name in "qkv"
        )
        q, k = turned(q, cos, sin), turned(k, cos, sin).repeat_interleave(heads // groups, 0)
        share = (q @ k.transpose(1, 2) / math.sqrt(wide) + hidden).softmax(-1)
        mixed = (share @ v.repeat_interleave(heads // groups, 0)).transpose(0, 1).reshape(length, -1)
        x = x + mixed @ own["self_attn.o_proj.weight"].T
        y = norm(x, own["post_attention_layernorm.weight"], epsilon)
        gate = torch.nn.functional.silu(y @ own["mlp.gate_proj.weight"].T)
        x = x + (gate * (y @ own["mlp.up_proj.weight"].T)) @ own["mlp.down_proj.weight"].T
    return (norm(x, weights["model.norm.weight"], epsilon) @ weights["model.embed_tokens.weight"].T).log_softmax(-1)


def plain_nll(folder: Path, told: list[tuple[str, str]]) -> tuple[float, int, int]:
    """Sum over the answers' tokens with their end, their number, and the answers' characters."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    weights = {name: value.double() for name, value in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    begin = tokenizer.token_to_id("<s>")
    assert begin is not None

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    nll, tokens = 0.0, 0
    for prompt, answer in told:
        # The tokenizer puts a space before a text; within one text it does not.
        before = [begin, *ids(f"{prompt}\n\n")]
        after = [*ids(f"\n{answer}")[len(ids("\n")) :], begin]
        found = log_probabilities(weights, config, before + after)
        nll -= sum(float(found[len(before) + at - 1, token]) for at, token in enumerate(after))
        tokens += len(after)
    return nll, tokens, sum(len(answer) for _, answer in told)


def test_perplexity_of_stories260k_is_that_of_plain_torch(tmp_path: Path) -> None:
    folder, told = shared("tinyllama/stories260K_hf"), stories()
    (tmp_path / "suites").mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "curate.yaml").write_text("curate: 1\n")
    write_jsonl(tmp_path / "stories.jsonl", [{"prompt": one, "completion": rest} for one, rest in told])
    (tmp_path / "suites" / "stories.yaml").write_text(
        "file: stories.jsonl\nmetrics: [perplexity, bits_per_char]\nprimary: {metric: perplexity}\nbenchmarks: []\n"
        "generation: {max_new_tokens: 4}\n"
    )
    (tmp_path / "story.jinja").write_text(TEMPLATE)
    (tmp_path / "configs" / "training.yaml").write_text(
        f"base_model: {folder}\nquantization: none\ntemplate: story.jinja\n"
    )
    assert main(["-C", str(tmp_path), "eval", "base", "--suite", "stories"]) == 0
    made = EvalFolder(tmp_path / "experiments" / "experiment_001" / "eval-1")
    found = {row["metric"]: row for row in made.metrics().to_pylist()}
    nll, tokens, characters = plain_nll(folder, told)
    assert sum(made.predictions(["reference_tokens"])["reference_tokens"].to_pylist()) == tokens
    assert found["perplexity"]["value"] == pytest.approx(math.exp(nll / tokens), rel=1e-6)
    assert found["bits_per_char"]["value"] == pytest.approx(nll / characters / math.log(2), rel=1e-6)
    assert found["perplexity"]["n"] == 5
