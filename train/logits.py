"""What two models think of the same tokens, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from curation.templates.hashing import PROBES
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template
from train.model.template import token_ids

_RANDOM: Final = (8, 48)  # rows, tokens


def probe_ids(template: Template, tokenizer: Any, vocabulary: int) -> list[list[int]]:
    """Conversations in the template, and rows of random tokens, whatever the vocabulary holds."""
    import torch

    texts = []
    for probe in PROBES:
        try:
            texts.append(template.render(probe, with_bos=True).text)
        except TemplateRefusal:
            continue
    random = torch.randint(vocabulary, _RANDOM, generator=torch.Generator().manual_seed(1))
    return [*token_ids(tokenizer, texts), *random.tolist()]


def logits_of(model: Any, probes: Sequence[Sequence[int]]) -> list[Any]:
    """One probe at a time: [tokens, vocabulary], on the CPU in fp32."""
    import torch

    device = model.get_input_embeddings().weight.device
    with torch.inference_mode():
        asked = (model(input_ids=torch.tensor([probe], device=device)).logits[0] for probe in probes)
        return [logits.float().cpu() for logits in asked]


def relative(wanted: Sequence[Any], found: Sequence[Any]) -> float:
    """Root mean square of the difference, as a share of that of the wanted logits.

    Both are taken around their mean at each position: a constant added to all changes nothing.
    """
    apart = size = 0.0
    for a, b in zip(wanted, found, strict=True):
        a, b = (logits - logits.mean(-1, keepdim=True) for logits in (a, b))
        apart += float((a - b).pow(2).sum())
        size += float(a.pow(2).sum())
    return float((apart / size) ** 0.5)


def same_token(wanted: Sequence[Any], found: Sequence[Any]) -> float:
    """The share of positions at which both think the same token likeliest."""
    import torch

    same = torch.cat([a.argmax(-1) == b.argmax(-1) for a, b in zip(wanted, found, strict=True)])
    return float(same.float().mean())
