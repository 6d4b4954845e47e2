"""One batch of prompts, token by token: what the model wrote, how likely each token was, and why it ended.

transformers' own generate() is not used: it takes over penalties and temperatures from a model's folder unasked,
keeps the logits of every step, and computes finished rows to the end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eval.generation.settings import GenerationSettings

Finish = Literal["stop", "length", "error"]


@dataclass(slots=True)
class Decoded:
    ids: list[int] = field(default_factory=list)  # what ended it included
    logprobs: list[float] = field(default_factory=list)  # of each, of the model's own distribution; natural log
    finish: Finish = "length"  # error: the model gave no number


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    reached: Callable[[Sequence[int]], bool],
    settings: GenerationSettings,
    seeds: Sequence[int],
) -> list[Decoded]:
    """`reached` says whether an answer's tokens so far end it; `seeds`: one a prompt, for sampling."""
    import torch

    found = [Decoded() for _ in prompts]
    choose = _chooser(settings, seeds)
    open_rows = list(range(len(prompts)))
    device = model.get_input_embeddings().weight.device
    ids, mask = _left_padded(prompts, device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = None
    more = {"logits_to_keep": 1} if _keeps_last(model) else {}
    for _ in range(settings.max_new_tokens):
        with torch.inference_mode():
            out = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                **more,
            )
            cache = out.past_key_values
            logprobs = out.logits[:, -1].float().log_softmax(-1)
        chosen = choose(logprobs, open_rows)
        values = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
        for row, token, value in zip(open_rows, chosen.tolist(), values, strict=True):
            _take(found[row], token, value, reached)
        kept = [place for place, row in enumerate(open_rows) if found[row].finish == "length"]
        if not kept:
            break
        if len(kept) < len(open_rows):
            index = torch.tensor(kept, device=device)
            open_rows = [open_rows[place] for place in kept]
            cache.batch_select_indices(index)
            mask, positions, chosen = mask[index], positions[index], chosen[index]
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(open_rows), 1)], 1)
        positions = positions[:, -1:] + 1
    return found


def _take(answer: Decoded, token: int, logprob: float, reached: Callable[[Sequence[int]], bool]) -> None:
    if logprob != logprob:
        answer.finish = "error"
        return
    answer.ids.append(token)
    answer.logprobs.append(logprob)
    if reached(answer.ids):
        answer.finish = "stop"


def _left_padded(prompts: Sequence[Sequence[int]], device: Any) -> tuple[Any, Any]:
    """Which token fills up does not matter: nothing looks at it."""
    import torch

    width = max(map(len, prompts))
    ids = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _keeps_last(model: Any) -> bool:
    """Whether the model can give the last token's logits alone; those of a whole batch of prompts take gigabytes."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def _chooser(settings: GenerationSettings, seeds: Sequence[int]) -> Callable[[Any, list[int]], Any]:
    """(log-probabilities [rows, vocabulary], which prompt each row is of) -> the next token of each row."""
    import torch

    if settings.temperature == 0:
        return lambda logprobs, rows: logprobs.argmax(-1)
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(logprobs: Any, rows: list[int]) -> Any:
        # A row that gave no number is closed for its log-probability; here it only must not disturb the others.
        weights = (logprobs / settings.temperature).softmax(-1).nan_to_num(nan=1.0).cpu()
        ordered, order = weights.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= settings.top_p] = 0
        picked = [torch.multinomial(line, 1, generator=draws[row]) for line, row in zip(ordered, rows, strict=True)]
        return order.gather(1, torch.stack(picked))[:, 0].to(logprobs.device)

    return draw
