"""What an OpenAI-compatible endpoint answered, taken apart with suspicion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from eval.generation import Generated
from eval.generation.decode import Finish

_FINISHED: Final[Mapping[str | None, Finish]] = {"length": "length", "max_tokens": "length"}
_FILTERED: Final = "content_filter"
_LARGEST_COUNT: Final = 1 << 31
_ABOVE_ONE: Final = 1e-3  # a probability of one, rounded upwards, has a logarithm of about this at most


class Nonsense(Exception):  # noqa: N818 -- the endpoint's mistake, and tried again
    """An answer that is none."""


def generated(item_id: str, reply: Mapping[str, Any], seconds: float) -> Generated:
    """The first choice's text with its end and log-probabilities. Nonsense where there is no text in it.

    Filtered text, and a limit reached before any text, are no answer of the model's: missing.
    """
    choice = _choice(reply)
    ended = choice.get("finish_reason")
    ended = ended if isinstance(ended, str) else None
    text = choice["message"].get("content")
    usage = reply.get("usage") if isinstance(reply.get("usage"), Mapping) else {}
    prompt_tokens = _count(usage, "prompt_tokens")
    if ended == _FILTERED:
        return Generated(item_id, None, "missing", prompt_tokens=prompt_tokens, detail="filtered by the endpoint")
    if text is None and ended in _FINISHED:
        why = "reached its limit before any text; raise max_new_tokens"
        return Generated(item_id, None, "missing", prompt_tokens=prompt_tokens, detail=why)
    if not isinstance(text, str):
        raise Nonsense("its answer holds no text")
    logprobs = _logprobs(choice)
    return Generated(
        item_id,
        text,
        _FINISHED.get(ended, "stop"),
        tokens=_count(usage, "completion_tokens") or len(logprobs),
        prompt_tokens=prompt_tokens,
        logprob_mean=sum(logprobs) / len(logprobs) if logprobs else None,
        logprob_min=min(logprobs, default=None),
        logprob_first=logprobs[0] if logprobs else None,
        seconds=seconds,
    )


def _choice(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        told = reply.get("error")
        said = f" ({' '.join(str(told).split())[:200]})" if told else ""
        raise Nonsense(f"its answer holds no choice{said}")
    choice = choices[0]
    if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
        raise Nonsense("its answer holds no message")
    return choice


def _logprobs(choice: Mapping[str, Any]) -> list[float]:
    """Of each token, natural logarithms; none where one of them is no logarithm of a probability: half of them would
    tell another mean."""
    told = choice.get("logprobs")
    content = told.get("content") if isinstance(told, Mapping) else None
    if not isinstance(content, list):
        return []
    values: list[Any] = [one.get("logprob") if isinstance(one, Mapping) else None for one in content]
    numbers = [float(one) for one in values if _is_logprob(one)]
    return numbers if len(numbers) == len(values) else []


def _is_logprob(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value <= _ABOVE_ONE


def _count(usage: Any, name: str) -> int:
    value = usage.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_COUNT
    return value if fits else 0
