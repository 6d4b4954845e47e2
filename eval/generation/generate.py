"""Answers to prompts, in batches of like length, each with its log-probabilities and why it ended."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from curation.errors import DataError
from curation.templates.refusal import TemplateRefusal
from eval.generation.decode import Decoded, Finish, decode
from eval.generation.settings import DEFAULTS, GenerationSettings
from eval.generation.stops import Stops, stops_of
from train.model.of_run import Loaded
from train.model.template import with_system

# Batches that are read ahead, to sort their prompts by length; memory does not grow with the number of items.
_WINDOW: Final = 32


class Item(NamedTuple):
    """A question: a record (messages, perhaps tools) whose last message is the user's."""

    item_id: str
    record: Mapping[str, Any]
    reference: str | None = None  # what a right answer says, where it is known


@dataclass(frozen=True, slots=True)
class Generated:
    """`tokens` and log-probabilities (natural log) count all that the model wrote, its end of turn included."""

    item_id: str
    text: str | None  # None: there is no answer, finish_reason is error and detail says why
    finish_reason: Finish | Literal["missing"]  # missing: whoever was asked gave no answer at all
    tokens: int = 0
    prompt_tokens: int = 0
    logprob_mean: float | None = None
    logprob_min: float | None = None
    logprob_first: float | None = None
    seconds: float = 0.0  # its share of the time of its batch
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _Prompt(NamedTuple):
    item_id: str
    ids: list[int]


def generate_response(
    loaded: Loaded, prompt: str, system: str | None = None, settings: GenerationSettings = DEFAULTS
) -> Generated:
    """The answer to one question; DataError where the prompt does not fit the context or the template."""
    message: list[dict[str, str]] = [{"role": "user", "content": prompt}]
    if system is not None:
        message.insert(0, {"role": "system", "content": system})
    (found,) = generate(loaded, [Item("prompt", {"messages": message})], settings)
    if found.finish_reason == "error":
        raise DataError(found.detail)
    return found


def generate(loaded: Loaded, items: Iterable[Item], settings: GenerationSettings = DEFAULTS) -> Iterator[Generated]:
    """An answer to every item, in the order in which they are done."""
    for batch in generate_batches(loaded, items, settings):
        yield from batch


def generate_batches(
    loaded: Loaded, items: Iterable[Item], settings: GenerationSettings = DEFAULTS
) -> Iterator[list[Generated]]:
    """The same, a list at a time as they are done. An item without a prompt is an error in the first list of its
    window; nothing is ever cut to make it fit."""
    stops = stops_of(loaded.template.template, loaded.model, loaded.tokenizer)
    source = iter(items)
    while window := list(islice(source, settings.batch_size * _WINDOW)):
        prepared = [_prompt(loaded, item, settings) for item in window]
        if refused := [one for one in prepared if isinstance(one, Generated)]:
            yield refused
        # The longest first: a batch that does not fit into memory fails at once.
        prompts = sorted((one for one in prepared if isinstance(one, _Prompt)), key=lambda prompt: -len(prompt.ids))
        for start in range(0, len(prompts), settings.batch_size):
            yield _answered(loaded, prompts[start : start + settings.batch_size], stops, settings)


def _prompt(loaded: Loaded, item: Item, settings: GenerationSettings) -> _Prompt | Generated:
    """The item's tokens, as training makes them; or why it has none."""
    try:
        ids = loaded.template.prompt_ids(loaded.tokenizer, with_system(item.record, loaded.system_prompt))
    except TemplateRefusal as refusal:
        return Generated(item.item_id, None, "error", detail=f"{loaded.template.name}: {refusal.detail}")
    if loaded.context and len(ids) + settings.max_new_tokens > loaded.context:
        detail = (
            f"the prompt has {len(ids):,} tokens; with {settings.max_new_tokens:,} for the answer it does not fit the "
            f"model's context of {loaded.context:,}; shorten it, or lower max_new_tokens"
        )
        return Generated(item.item_id, None, "error", prompt_tokens=len(ids), detail=detail)
    return _Prompt(item.item_id, ids)


def _answered(loaded: Loaded, batch: Sequence[_Prompt], stops: Stops, settings: GenerationSettings) -> list[Generated]:
    start = time.perf_counter()
    seeds = [_seed(settings.seed, prompt.item_id) for prompt in batch]
    prompts = [prompt.ids for prompt in batch]
    found = decode(loaded.model, prompts, lambda ids: stops.reached(loaded.tokenizer, ids), settings, seeds)
    share = (time.perf_counter() - start) / len(batch)
    return [_told(loaded, prompt, one, stops, share) for prompt, one in zip(batch, found, strict=True)]


def _told(loaded: Loaded, prompt: _Prompt, found: Decoded, stops: Stops, seconds: float) -> Generated:
    if found.finish == "error":
        detail = "the model's output is not a number; is the base model damaged, or the adapter diverged?"
        return Generated(prompt.item_id, None, "error", prompt_tokens=len(prompt.ids), seconds=seconds, detail=detail)
    return Generated(
        prompt.item_id,
        stops.text(loaded.tokenizer, found.ids),
        found.finish,
        tokens=len(found.ids),
        prompt_tokens=len(prompt.ids),
        logprob_mean=sum(found.logprobs) / len(found.logprobs),
        logprob_min=min(found.logprobs),
        logprob_first=found.logprobs[0],
        seconds=seconds,
    )


def _seed(seed: int, item_id: str) -> int:
    """The same whatever batch an item is in."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{item_id}".encode()).digest()[:7], "big")
