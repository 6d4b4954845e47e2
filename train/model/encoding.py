"""A conversation as tokens, for training and evaluation alike: what a model reads, and what it has to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from curation.errors import ConfigError
from train.model.template import ModelTemplate, continued_ids, token_ids


class Piece(NamedTuple):
    ids: list[int]
    trained: bool  # an answer with its end of turn


def encoded_pieces(record: Mapping[str, Any], template: ModelTemplate, tokenizer: Any) -> list[Piece]:
    """The pieces of a conversation in order, what begins the text first; TemplateRefusal if it has no place in it."""
    cut = template.template.segments(record)
    tokens = _tokens_of_pieces([template.template.bos, *(text for text, _ in cut)], tokenizer)
    _require_one_bos([token for piece in tokens for token in piece], template, tokenizer)
    return [Piece(ids, trained) for ids, trained in zip(tokens, [False, *(t for _, t in cut)], strict=True)]


def _tokens_of_pieces(pieces: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """The tokens of each piece, such that a prompt has the tokens it has when the model is asked.

    As a rule these are the tokens of the whole text, as models have read it in pretraining. Where one would reach over
    the border of two pieces (an answer that begins with a line break, after a line break), the prompt keeps its own.
    """
    upto = ["".join(pieces[: i + 1]) for i in range(len(pieces))]
    wholes = token_ids(tokenizer, upto)
    whole, ends = wholes[-1], [len(ids) for ids in wholes]
    if all(ids == whole[: len(ids)] for ids in wholes):
        return [whole[start:end] for start, end in pairwise([0, *ends])]
    return [[], wholes[1], *(continued_ids(tokenizer, piece) for piece in pieces[2:])]


def _require_one_bos(ids: Sequence[int], template: ModelTemplate, tokenizer: Any) -> None:
    """Before a row stands one BOS, neither none nor two: it decides whether the model understands what follows."""
    bos = template.template.bos
    if not bos:
        return
    begins = list(takewhile(lambda token: token == tokenizer.convert_tokens_to_ids(bos), ids))
    if len(begins) != 1:
        raise ConfigError(
            f"template {template.name}: begins a text with {len(begins)} times the model's token {bos}, not once; "
            "repair it, or name another template"
        )
