"""Real weights: what stories260K writes, through our generation, is its published sample."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from eval.generation.decode import decode
from eval.generation.settings import GenerationSettings
from tests.shared_data import shared
from train.model.load import load_base
from train.model.tokenizer import load_tokenizer


def test_the_greedy_text_is_the_published_one() -> None:
    folder = shared("tinyllama/stories260K_hf")
    wanted = shared("tinyllama/expected_greedy_200.txt").read_text("utf-8")
    model, tokenizer = load_base(folder, quantization="none", precision="fp32"), load_tokenizer(folder)
    prompt = [tokenizer.bos_token_id]
    # Beside a longer prompt the batch pads it on the left.
    for prompts in ([prompt], [prompt, [*prompt, 410, 420, 430]]):
        found = decode(model, prompts, lambda ids: False, GenerationSettings(200), [0] * len(prompts))
        assert tokenizer.decode(found[0].ids) == wanted
