"""Was a token ever trained? Its row of the head tells, and through LoRA with a frozen head it cannot be learned.

Rows that no text ever reached stay together (one direction, whatever the training did to all of them), at zero, or
where a resized vocabulary put them, at the mean. After Land and Bartolo, https://arxiv.org/abs/2405.05417.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from train.model.folder import tensor

INPUTS: Final = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
HEADS: Final = ("lm_head.weight", "embed_out.weight", "output.weight")
_SAME: Final = 0.99  # cosine; of trained rows of stories260K the highest is below 0.9
_NOTHING: Final = 0.1  # of the median length of a row
_CHUNK: Final = 16_384


def head_name(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The weight whose rows score the tokens: the head, or the embedding where the two are tied; None: not found."""
    for endings in (HEADS, INPUTS):
        found = next((name for name in shapes if name.endswith(endings)), None)
        if found:
            return found
    return None


def read_head(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The head's matrix, one row a token; None where the folder does not tell (no safetensors, quantised)."""
    name = head_name(shapes)
    head = tensor(folder, name) if name else None
    return head if head is not None and head.is_floating_point() else None


def untrained(head: Any, token: int) -> str | None:
    """Why the row of a token looks as if it was never trained; None where it does not."""
    from torch import cat, linalg, nn

    row = head[token].float()
    parts = head.split(_CHUNK)  # a large head as fp32 numbers would need gigabytes
    if float(row.norm()) < _NOTHING * float(cat([linalg.vector_norm(part.float(), dim=1) for part in parts]).median()):
        return "its row is next to zero"
    same = sum(int((nn.functional.cosine_similarity(part.float(), row[None]) > _SAME).sum()) for part in parts) - 1
    if same:
        return f"its row points where {same:,} other{'s do' if same > 1 else ' does'}"
    mean = sum(part.float().sum(0) for part in parts)
    if float(nn.functional.cosine_similarity(mean, row, dim=0)) > _SAME:
        return "its row is the mean of all rows"
    return None
