"""Batches: every row once, steps of one weight, packed rows that cannot see each other, a head on answers only."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from curation.errors import ConfigError
from tests.tiny_model import tiny_model
from tests.trainings import encoded
from train.batches import Batches, Shape, flattened, padded, plan
from train.encode import IGNORED, Encoded, encoded_dataset
from train.loss import cross_entropy, row_sums, token_losses
from train.model.attention import PACKED, packed_attention, register_packed, require_packable

SIZES = {
    "vocab_size": 500,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
MODELS = {
    "llama": {},
    "mistral": {"sliding_window": 16},
    "qwen2": {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 0},
    "qwen3": {},
    "gemma": {},
    "gemma3_text": {"sliding_window": 16},
}


def model_of(kind: str, attention: str, **settings: Any) -> Any:
    """Random, with weights so large that a row that sees another shows it."""
    config = transformers.AutoConfig.for_model(kind, **{**SIZES, **settings})
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.float32)
    for weight in model.parameters():
        if weight.ndim == 2:
            weight.data.mul_(8)
    return model.eval()


def alone(model: Any, rows: list[Encoded]) -> Any:
    """The losses of each row by itself, as the library computes them: the oracle."""
    losses = []
    for row in rows:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels)[1:]
        logits = model(ids, use_cache=False).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, labels.clamp(min=0), reduction="none")
        losses.append(each[labels != IGNORED])
    return torch.cat(losses)


@pytest.mark.parametrize("kind", MODELS)
def test_packed_rows_have_the_loss_they_have_alone(kind: str) -> None:
    rows = encoded(9)
    with torch.no_grad():
        expected = alone(model_of(kind, "sdpa", **MODELS[kind]), rows)
        model = model_of(kind, register_packed(), **MODELS[kind])
        require_packable(model)
        packed = token_losses(model, flattened(rows), model.get_output_embeddings())
    assert float((packed - expected).abs().max()) <= 1e-5 * float(expected.max())
    assert abs(float(packed.mean() - expected.mean())) <= 1e-5


def test_the_test_above_would_show_rows_that_see_each_other() -> None:
    rows = encoded(9)
    model = model_of("llama", "sdpa")
    batch = flattened(rows)
    mask = torch.ones_like(batch["input_ids"])  # a mask that hides nothing makes the library forget the borders
    with torch.no_grad():
        bled = token_losses(model, {**batch, "attention_mask": mask}, model.get_output_embeddings())
        assert float((bled - alone(model, rows)).abs().max()) > 1e-2


def test_gradients_of_packed_and_padded_rows_are_those_of_a_full_head() -> None:
    """The head sees the trained tokens alone; loss and gradient are those of the library's own loss over all tokens."""
    rows = encoded(6)
    own = model_of("llama", "sdpa")
    batch = padded(rows, 0)
    longest = batch["input_ids"].shape[1]
    labels = torch.tensor([row.labels + [IGNORED] * (longest - len(row.labels)) for row in rows])
    own(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
    for attention, made in (("sdpa", batch), (register_packed(), flattened(rows))):
        model = model_of("llama", attention)
        seen: list[int] = []
        head = model.get_output_embeddings()
        head.register_forward_hook(lambda module, args, output, seen=seen: seen.append(output.numel()))
        token_losses(model, made, head).mean().backward()
        assert seen == [sum(row.trained for row in rows) * SIZES["vocab_size"]]
        for ours, theirs in zip(model.parameters(), own.parameters(), strict=True):
            assert float((ours.grad - theirs.grad).abs().max()) <= 1e-4 * float(theirs.grad.abs().max())


def test_a_loss_in_parts_is_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(50, 11, requires_grad=True, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(50) % 11
    whole = cross_entropy(logits, targets)
    (expected,) = torch.autograd.grad(whole.sum(), logits)
    monkeypatch.setattr("train.loss._AT_ONCE", 7 * 11)
    parts = cross_entropy(logits, targets)
    (gradient,) = torch.autograd.grad(parts.sum(), logits)
    assert torch.equal(parts, whole)
    assert torch.equal(gradient, expected)


def test_the_losses_of_a_batch_come_back_by_row() -> None:
    rows = encoded(5)
    batch = flattened(rows)
    sums = row_sums(torch.ones(batch["trained"]), batch)
    assert sums.tolist() == [[float(row.trained) for row in rows]] * 2


class Asked:
    is_cuda = False


@pytest.mark.parametrize("wrong", [{"cu_seq_lens_q": None}, {"softcap": 30.0}, {"attention_mask": 1}])
def test_attention_that_packing_cannot_give_is_refused(wrong: dict[str, Any]) -> None:
    asked = {"attention_mask": None, "cu_seq_lens_q": torch.tensor([0, 4]), **wrong}
    mask = asked.pop("attention_mask")
    with pytest.raises(ConfigError, match="set packing: false"):
        packed_attention(Asked(), Asked(), Asked(), Asked(), mask, **asked)


@pytest.mark.parametrize(("kind", "settings"), [("mamba", {"state_size": 4}), ("qwen3_next", {})])
def test_models_that_carry_a_state_from_row_to_row_are_refused(kind: str, settings: dict[str, Any]) -> None:
    config = transformers.AutoConfig.for_model(kind, **{**SIZES, **settings, "num_hidden_layers": 4})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(ConfigError, match="cannot keep packed rows apart"):
        require_packable(model)


def shapes() -> Iterator[Shape]:
    for packing in (True, False):
        for rows, window, processes in ((1, 1, 1), (4, 4, 1), (3, 4, 2), (2, 6, 3)):
            yield Shape(rows, 64, packing, window, processes)


@pytest.mark.parametrize("shape", list(shapes()), ids=str)
@pytest.mark.parametrize("count", [1, 2, 5, 37, 200])
def test_every_row_is_in_one_batch_and_none_is_too_large(shape: Shape, count: int) -> None:
    lengths = [len(row.input_ids) for row in encoded(count)]
    numbers = set()
    for seed in range(3):
        batches = plan(lengths, shape, random.Random(seed))
        assert Counter(i for batch in batches for i in batch) == Counter(range(count))
        assert len(batches) % shape.processes == 0
        assert all(sum(lengths[i] for i in batch) <= shape.rows * shape.max_length for batch in batches)
        assert shape.packing or all(len(batch) <= shape.rows for batch in batches)
        if len(batches) >= shape.window and count >= 2 * len(batches):
            assert len(batches) % shape.window == 0
            assert all(batches)
        numbers.add(len(batches))
    assert len(numbers) == 1


def loaded(rows: list[Encoded], shape: Shape, rank: int = 0) -> list[dict[str, Any]]:
    """The batches of an epoch, through the DataLoader that training takes."""
    batches = Batches(encoded_dataset(rows), shape, rank=rank, seed=1)
    return list(torch.utils.data.DataLoader(batches.rows, batch_sampler=batches, collate_fn=batches.collate))


def test_the_order_is_that_of_seed_and_epoch() -> None:
    rows = encoded_dataset(encoded(60))
    shape = Shape(2, 64, True, 2)

    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = Batches(rows, shape, seed=seed)
        batches.epoch = epoch
        return list(batches)

    assert order(1, 0) == order(1, 0)
    assert len({str(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert len({str(sorted(map(sorted, order(1, epoch)))) for epoch in (0, 1)}) == 2  # other neighbours, too


def test_packed_steps_weigh_about_the_same() -> None:
    lengths = [len(row.input_ids) for row in encoded(300)]
    tokens = [sum(lengths[i] for i in batch) for batch in plan(lengths, Shape(4, 64, True, 4), random.Random(1))]
    assert max(tokens) - min(tokens) <= 64


def test_padded_batches_are_of_one_length() -> None:
    """Sorted by length, less than a tenth is padding; in random order it is about 40 %."""
    rows = encoded(200)
    made = [batch["attention_mask"] for batch in loaded(rows, Shape(8, 64, False))]
    assert sum(int((mask == 0).sum()) for mask in made) < 0.1 * sum(mask.numel() for mask in made)


def test_two_processes_take_the_same_step_as_one() -> None:
    rows = encoded_dataset(encoded(41))
    one = list(Batches(rows, Shape(2, 64, True, 4, 1), seed=1))
    two = [list(Batches(rows, Shape(2, 64, True, 4, 2), rank=rank, seed=1)) for rank in (0, 1)]
    assert len(one) == 2 * len(two[0])
    for step in range(len(one) // 4):
        together = one[4 * step : 4 * step + 4]
        shared = [batch for batches in two for batch in batches[2 * step : 2 * step + 2]]
        assert sorted(together) == sorted(shared)


def test_with_fewer_rows_than_processes_some_get_a_row_that_counts_for_nothing() -> None:
    rows = encoded(1)
    made = [loaded(rows, Shape(1, 64, True, 2, 2), rank=rank)[0] for rank in (0, 1)]
    assert sorted(batch["trained"] for batch in made) == [0, rows[0].trained]
    idle = next(batch for batch in made if not batch["trained"])
    model = model_of("llama", PACKED)
    losses = token_losses(model, idle, model.get_output_embeddings())
    losses.sum().backward()
    assert losses.tolist() == [0.0]
    assert all(not weight.grad.any() for weight in model.parameters() if weight.grad is not None)


def test_the_model_of_the_hub_folder_is_packable(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    require_packable(transformers.AutoModelForCausalLM.from_pretrained(folder))
