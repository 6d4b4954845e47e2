"""A model of ours as lm-evaluation-harness asks models: the weights that are loaded, our template, our BOS policy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

from curation.errors import ConfigError
from eval.arc.settings import ChoiceSettings
from train.model.of_run import Loaded
from train.model.template import with_system

_BATCH: Final = 8
_BOS: Final = {"tokenizer": None, "always": True, "never": False}


def harness_model(loaded: Loaded, settings: ChoiceSettings, shots: int, label: str, tell: Callable[[int], None]) -> Any:
    """An LM of the harness. `tell` hears how many requests are done.

    Few-shot prompts that are longer than the model's context are a ConfigError that names the length; the harness
    would cut them unseen.
    """
    from lm_eval.models.huggingface import HFLM

    class Ours(HFLM):  # type: ignore[misc]  # the harness ships no types
        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            record = with_system({"messages": chat_history}, loaded.system_prompt)
            rendered = loaded.template.template.render(
                record, add_generation_prompt=add_generation_prompt, with_bos=True
            )
            return str(rendered.text)

        def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> Any:
            return self._told(requests, super().loglikelihood(requests, disable_tqdm=True))

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = True) -> Any:
            return self._told(requests, super().loglikelihood_rolling(requests, disable_tqdm=True))

        def generate_until(self, requests: Any, disable_tqdm: bool = True) -> Any:
            return self._told(requests, super().generate_until(requests, disable_tqdm=True))

        def _loglikelihood_tokens(self, requests: Any, *args: Any, **others: Any) -> Any:
            if shots:
                _require_room(requests, self.max_length, shots, label)
            return super()._loglikelihood_tokens(requests, *args, **others)

        @staticmethod
        def _told(requests: Sequence[Any], found: Any) -> Any:
            tell(len(requests))
            return found

    if settings.bos == "always" and loaded.tokenizer.bos_token_id is None:
        raise ConfigError(f"{label}: bos: always, and this tokenizer has no BOS token; use bos: never")
    return Ours(
        pretrained=loaded.model,
        backend="causal",
        tokenizer=copy.deepcopy(loaded.tokenizer),  # it sets a padding token on it
        max_length=loaded.context,
        batch_size=_BATCH,
        add_bos_token=_BOS[settings.bos],
    )


def _require_room(requests: Sequence[Any], limit: int, shots: int, label: str) -> None:
    longest = max((len(context) + len(continuation) - 1 for _, context, continuation in requests), default=0)
    if longest > limit:
        raise ConfigError(
            f"{label}: {shots} examples make prompts of up to {longest:,} tokens, the model reads {limit:,}; "
            "ask with fewer"
        )
