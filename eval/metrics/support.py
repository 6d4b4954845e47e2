"""How much of what an output states as fact stands in its context or reference: numbers and codes, names."""

# ruff: noqa: RUF001 -- typographic apostrophes

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from eval.metrics.metric import Items, Measured, share_of, take
from eval.metrics.tokens import arrow, unicode_tokens

if TYPE_CHECKING:
    from curation.facts import Facts  # with numba, which reading what is stored needs not

_KINDS: Final = ("number", "code", "date")
_SENTENCE: Final = re.compile(r"[.!?:;\n]+[\s\"'“”(*_#>-]*|^[\s\"'“”(*_#>-]+")
_WORD: Final = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
NOUNS_IN_CAPITALS: Final = ("de", "lb")  # every noun looks like a name


def number_support(items: Items, options: Mapping[str, Any]) -> Measured:
    """Numbers, codes and dates of the outputs that the context or a reference holds, over all of them.

    The same meaning counts, not the same spelling: "1,000" and "1000", "five" and "5". Counted with repeats.
    """
    from curation.facts import facts_of

    take(options, "number_support")
    facts = facts_of(arrow([*items.outputs, *_sources(items)]))
    n = len(items)
    return _support("number_support", items, lambda i: _meanings(facts, i), lambda i: set(_meanings(facts, n + i)))


def _meanings(facts: Facts, text: int) -> list[int]:
    return [meaning for kind in _KINDS for meaning, _ in facts.of_kind(text, kind)]


def name_support(items: Items, options: Mapping[str, Any]) -> Measured:
    """Capitalised words within sentences of the outputs that the context or a reference holds, over all of them.

    The first word of a sentence is no evidence of a name. German and Luxembourgish items are missing: there every
    noun has a capital. Scripts without capitals have no names here.
    """
    take(options, "name_support")
    sources = _sources(items)
    return _support(
        "name_support",
        items,
        lambda i: _names(items.outputs[i] or ""),
        lambda i: set(unicode_tokens(sources[i])),
        without=NOUNS_IN_CAPITALS,
    )


def _names(text: str) -> list[str]:
    """Tokens of capitalised words that do not begin a sentence; "I" is none."""
    return [token for match in capitalised(text) for token in unicode_tokens(match[0])]


def capitalised(text: str) -> list[re.Match[str]]:
    """Words that begin with a capital within a sentence, where they stand."""
    starts = {0, *(match.end() for match in _SENTENCE.finditer(text))}
    return [
        match
        for match in _WORD.finditer(text)
        if match.start() not in starts
        and match[0][0].isupper()
        and match[0] != "I"
        and match[0][:2] not in ("I'", "I’")
    ]


def _sources(items: Items) -> list[str]:
    """What may support item i: its context and its references; "" where it has neither."""
    sources = []
    for i in range(len(items)):
        context = items.contexts[i] if items.contexts is not None else None
        references = items.references[i] if items.references is not None else None
        sources.append("\n".join([context or "", *(references or ())]).strip())
    return sources


def _support(
    name: str,
    items: Items,
    stated: Callable[[int], Sequence[Hashable]],
    known: Callable[[int], Collection[Hashable]],
    without: Sequence[str] = (),
) -> Measured:
    part, whole = np.full(len(items), np.nan), np.full(len(items), np.nan)
    sources = _sources(items)
    for i, output in enumerate(items.outputs):
        if output is None or not sources[i] or items.language(i) in without:
            continue
        said = stated(i)
        whole[i] = len(said)
        held = known(i) if said else set()
        part[i] = sum(thing in held for thing in said)
    return share_of(name, f"{name}|context+references", part, whole)
