"""Attention for packed rows: every row sees itself alone, exactly, and no mask is built."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from curation.errors import ConfigError

PACKED: Final = "curate_packed"


def register_packed() -> str:
    """Make packed attention known to transformers; give the name to load a model with.

    Without a mask function of its own a model builds no mask for it; rows are told apart by cu_seq_lens alone.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED, packed_attention)
    return PACKED


def require_packable(model: Any) -> None:
    """ConfigError for a model in which rows would see each other other than by attention, or in chunks of it."""
    layers = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    known = layers <= {"full_attention", "sliding_attention"}
    if not known or not model._supports_attention_backend or getattr(model, "_is_stateful", False):
        raise ConfigError(f"{type(model).__name__} cannot keep packed rows apart; set packing: false")


def packed_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    cu_seq_lens_q: Any = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[Any, None]:
    """query [1, heads, tokens, size]; cu_seq_lens_q: where each row begins, and the end of the last."""
    if cu_seq_lens_q is None or attention_mask is not None or others.get("softcap") or others.get("s_aux") is not None:
        what = "asks for attention that packed rows cannot have" if cu_seq_lens_q is not None else "hides row borders"
        raise ConfigError(f"{type(module).__name__} {what}; set packing: false")
    if query.is_cuda:
        return _varlen(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    return _each_row(query, key, value, cu_seq_lens_q.tolist(), scaling, dropout, sliding_window), None


def _each_row(
    query: Any, key: Any, value: Any, borders: list[int], scaling: float | None, dropout: float, window: int | None
) -> Any:
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    outputs = []
    for start, end in pairwise(borders):
        q, k, v = (part[:, :, start:end] for part in (query, key, value))
        near = None
        if window and end - start > window:
            near = torch.ones(end - start, end - start, dtype=torch.bool).tril().triu(1 - window)
        outputs.append(
            scaled_dot_product_attention(
                q, k, v, near, dropout, is_causal=near is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
            )
        )
    return torch.cat(outputs, 2).transpose(1, 2).contiguous()


def _varlen(
    query: Any, key: Any, value: Any, borders: Any, longest: int | None, scaling: float | None, window: int | None
) -> Any:
    """The same in one flash-attention kernel, which knows half precision only."""
    import torch
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
    half = q.dtype if q.dtype in (torch.float16, torch.bfloat16) else torch.bfloat16
    if torch.is_autocast_enabled("cuda"):
        half = torch.get_autocast_dtype("cuda")
    q, k, v = (part.to(half) for part in (q, k, v))
    near = ((window or 0) - 1, 0)  # (-1, 0): all that comes before
    if q.shape[1] != k.shape[1]:
        k, v = (part.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for part in (k, v))
    out = varlen_attn(q, k, v, borders, borders, longest, longest, scale=scaling, window_size=near)
    return out[None].to(query.dtype)
