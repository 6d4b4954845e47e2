"""The loss of every trained token; the head sees those tokens alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_OURS: Final = ("keep", "targets", "owner", "row_ids", "trained")
_AT_ONCE: Final = 1 << 26  # logits as fp32 numbers at one time: 256 MiB


def token_losses(model: Any, batch: Mapping[str, Any], head: Any) -> Any:
    """One loss a target of a batch of train.batches, in fp32, of the model (perhaps wrapped) whose head is given."""
    inputs = {key: value for key, value in batch.items() if key not in _OURS}
    with head_on(head, batch["keep"]):
        # With a cache a model would build masks of its own, in which packed rows see each other.
        logits = model(**inputs, use_cache=False).logits
    return cross_entropy(logits, batch["targets"])


@contextmanager
def head_on(head: Any, keep: Any) -> Iterator[None]:
    """Within: the head gets the positions `keep` of all in the batch, and gives logits [positions, vocabulary]."""
    handle = head.register_forward_pre_hook(lambda module, args: (args[0].flatten(0, 1)[keep], *args[1:]))
    try:
        yield
    finally:
        handle.remove()


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Loss of each target; computed in parts, and again on the way back, where fp32 copies of all would be large."""
    import torch
    from torch.utils.checkpoint import checkpoint

    if logits.numel() <= _AT_ONCE:
        return _each(logits, targets)
    size = max(1, _AT_ONCE // logits.shape[-1])
    parts = zip(logits.split(size), targets.split(size), strict=True)
    return torch.cat([checkpoint(_each, *part, use_reentrant=False) for part in parts])


def row_sums(losses: Any, batch: Mapping[str, Any]) -> Any:
    """The losses of each row of the batch added up, and how many they are: [2, rows]."""
    import torch

    sums = torch.zeros(2, len(batch["row_ids"]), device=losses.device)
    counted = torch.stack((losses.detach(), (batch["targets"] >= 0).float()))
    return sums.index_add_(1, batch["owner"], counted)


def _each(logits: Any, targets: Any) -> Any:
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.float(), targets, reduction="none")
