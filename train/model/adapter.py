"""LoRA adapters: a new one on a base model, or one from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from curation.errors import ConfigError
from curation.templates.folder import read_json


class AdapterSettings(Protocol):
    """What of a training's config describes its adapter."""

    @property
    def lora_r(self) -> int: ...
    @property
    def lora_alpha(self) -> float: ...
    @property
    def lora_dropout(self) -> float: ...
    @property
    def lora_target_modules(self) -> str | tuple[str, ...]: ...
    @property
    def use_rslora(self) -> bool: ...
    @property
    def trainable_token_indices(self) -> tuple[int, ...]: ...
    @property
    def seed(self) -> int: ...


def new_adapter(base: Any, settings: AdapterSettings) -> Any:
    """The base with an untrained adapter in fp32, the same for the same seed; ConfigError where no module matches."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    targets = settings.lora_target_modules
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=settings.use_rslora,
        trainable_token_indices=_trained_rows(base, list(settings.trainable_token_indices)) or None,
    )
    set_seed(settings.seed)
    try:
        return get_peft_model(base, config)
    except ValueError as error:
        raise ConfigError(f"lora_target_modules: {' '.join(str(error).split())[:200]}") from None


def _trained_rows(base: Any, tokens: list[int]) -> dict[str, list[int]]:
    """The tokens' rows of embedding and head: given a bare list, peft would leave out a head that is not tied."""
    ends = (base.get_input_embeddings(), base.get_output_embeddings())
    return {name: tokens for name, module in base.named_modules() if tokens and module in ends}


def put_weights(model: Any, folder: Path) -> None:
    """Give a model with an adapter the weights of another adapter of the same settings, such as a checkpoint's."""
    from peft import load_peft_weights, set_peft_model_state_dict

    set_peft_model_state_dict(model, load_peft_weights(str(folder)))


def load_adapter(base: Any, folder: Path) -> Any:
    """The base with the adapter of a folder, for use; ConfigError where it is an adapter for another model."""
    from peft import PeftModel
    from safetensors import SafetensorError

    if not read_json(folder / "adapter_config.json"):
        raise ConfigError(f"{folder}: no adapter in it (adapter_config.json)")
    try:
        return PeftModel.from_pretrained(base, folder).eval()
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{folder}: is not an adapter for this base model ({reason})") from None
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{folder}: the adapter cannot be read ({error})") from None
