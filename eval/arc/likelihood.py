"""Log-likelihoods of continuations that share a context: the context is read once, not once a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from eval.arc.prompts import Branches

_BATCH_TOKENS: Final[Mapping[str, int]] = {"cpu": 1024, "cuda": 4096}  # more fall out of a CPU's cache


def log_likelihoods(
    model: Any,
    entries: Sequence[Branches],
    *,
    pad: int,
    batch_tokens: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[list[float]]:
    """The summed log-probability (natural logarithm) of every continuation of every entry.

    One row holds a context and its continuations side by side; the mask lets each see the context and itself alone,
    and positions restart behind the context, so that the values are those of separate passes. batch_tokens: in one
    pass, padding included; None: what suits the device. `progress` is told how many entries are done.
    """
    batch_tokens = batch_tokens or _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS["cuda"])
    order = sorted(range(len(entries)), key=lambda i: -entries[i].length)
    found: list[list[float]] = [[] for _ in entries]
    done = 0
    for batch in _batches(order, entries, batch_tokens):
        for index, values in zip(batch, _forward(model, [entries[i] for i in batch], pad), strict=True):
            found[index] = values
        done += len(batch)
        if progress:
            progress(done)
    return found


def _batches(order: Sequence[int], entries: Sequence[Branches], batch_tokens: int) -> Iterator[list[int]]:
    """Entries of like length, longest first, as many as fit; one that is longer than a batch goes alone."""
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * entries[batch[0]].length > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _forward(model: Any, batch: Sequence[Branches], pad: int) -> list[list[float]]:
    import torch

    width = max(entry.length for entry in batch)
    ids = torch.full((len(batch), width), pad)
    positions = torch.zeros((len(batch), width), dtype=torch.long)
    part = torch.full((len(batch), width), -1)  # 0: context, then one number a continuation, -1: padding
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    owner = 0
    for row, entry in enumerate(batch):
        at = len(entry.context)
        ids[row, :at] = torch.tensor(entry.context)
        positions[row, :at] = torch.arange(at)
        part[row, :at] = 0
        for number, tokens in enumerate(entry.continuations, start=1):
            read = len(tokens) - 1
            if read:
                ids[row, at : at + read] = torch.tensor(tokens[:-1])
                positions[row, at : at + read] = torch.arange(read) + len(entry.context)
                part[row, at : at + read] = number
            rows += [row] * len(tokens)
            columns += [len(entry.context) - 1, *range(at, at + read)]
            targets += tokens
            owners += [owner] * len(tokens)
            at += read
            owner += 1
    sums = _scored(model, ids, positions, part, (rows, columns, targets), owners)
    values = iter(sums)
    return [[next(values) for _ in entry.continuations] for entry in batch]


def _scored(
    model: Any, ids: Any, positions: Any, part: Any, wanted: tuple[list[int], list[int], list[int]], owners: list[int]
) -> list[float]:
    """Sums over the wanted (row, column, token) by owner; the head runs on these positions alone."""
    import torch

    rows, columns, targets = (torch.tensor(w, device=model.device) for w in wanted)
    body = model.get_base_model() if hasattr(model, "get_base_model") else model
    # Through the model's own forward pass, for what stands behind its head (Gemma 2 caps logits, Granite scales them).
    head = body.get_output_embeddings().register_forward_pre_hook(lambda _, given: (given[0][rows, columns][None],))
    try:
        with torch.inference_mode():
            logits = body(
                input_ids=ids.to(model.device),
                attention_mask=_mask(part, model.dtype).to(model.device),
                position_ids=positions.to(model.device),
                use_cache=False,
            ).logits[0]
            logs = torch.log_softmax(logits.float(), -1)
            chosen = logs.gather(1, targets[:, None])[:, 0].double().cpu()
    finally:
        head.remove()
    sums: list[float] = (
        torch.zeros(max(owners) + 1, dtype=torch.float64).index_add_(0, torch.tensor(owners), chosen).tolist()
    )
    return sums


def _mask(part: Any, dtype: Any) -> Any:
    """[batch, 1, width, width], added to the scores: a token sees the context before it and its own continuation."""
    import torch

    width = part.shape[1]
    asks, seen = part[:, :, None], part[:, None, :]
    allowed = torch.tril(torch.ones(width, width, dtype=torch.bool)) & ((seen == 0) | (seen == asks)) & (seen >= 0)
    allowed |= torch.eye(width, dtype=torch.bool)  # padding sees itself, or its row would be NaN
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)[:, None]
