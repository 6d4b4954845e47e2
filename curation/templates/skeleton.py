"""The text of a conversation with its contents left out: what stands before, between, and after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What stands around n contents, n + 1 texts. The letters of `roles` are those of records.ROLE_LETTERS.
Literals = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Which part of the literals around an assistant's content the model itself has to write."""

    index: int  # of the message
    lead: int  # characters before the content, after the generation prompt
    end: int  # characters after the content: the end of the turn


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A shape of conversation (its roles) in one template, without BOS."""

    literals: Literals
    markers: int  # how many markers the literals contain


def interleave(literals: Literals, contents: Sequence[str]) -> str:
    """literal, content, literal, ... content, literal."""
    if len(contents) == 2:
        return f"{literals[0]}{contents[0]}{literals[1]}{contents[1]}{literals[2]}"
    pieces = [literals[0]]
    for content, literal in zip(contents, literals[1:], strict=True):
        pieces.append(content)
        pieces.append(literal)
    return "".join(pieces)


def content_spans(literals: Literals, contents: Sequence[str]) -> list[tuple[int, int]]:
    """Where each content stands in the interleaved text."""
    spans, at = [], len(literals[0])
    for content, literal in zip(contents, literals[1:], strict=True):
        spans.append((at, at + len(content)))
        at += len(content) + len(literal)
    return spans


def match(literals: Literals, text: str) -> list[str] | None:
    """The contents that stand between these literals, each as short as can be; None if they do not fit."""
    if not text.startswith(literals[0]):
        return None
    contents, at = [], len(literals[0])
    for literal in literals[1:-1]:
        end = text.find(literal, at)
        if end < 0:
            return None
        contents.append(text[at:end])
        at = end + len(literal)
    end = len(text) - len(literals[-1])
    if end < at or not text.endswith(literals[-1]):
        return None
    contents.append(text[at:end])
    return contents
