"""What a training does: one YAML file and `--set key=value`, checked against schemas/training.schema.json."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from curation.config_file import check_config, load_config, whole_numbers, yaml_value
from curation.errors import ConfigError
from curation.records import canonical

SCHEMA: Final = "training.schema.json"
Switch = Literal["auto", True, False]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The schema says what each key means; a key's name is the one of transformers or peft where they have it."""

    base_model: str
    version: str = "latest"
    revision: str | None = None
    template: str | None = None
    system_prompt: str | None = None
    end_token: str | None = None
    trainable_token_indices: tuple[int, ...] = ()
    max_length: int = 2048
    overlong: Literal["error", "drop", "truncate-prompt-left"] = "error"
    quantization: Literal["nf4", "int8", "bf16", "none"] = "nf4"
    double_quant: bool = True
    lora_r: int = 16
    lora_alpha: float = 32
    lora_dropout: float = 0.05
    lora_target_modules: str | tuple[str, ...] = "all-linear"
    use_rslora: bool = False
    learning_rate: float = 2e-4
    lr_scheduler_type: str = "cosine"
    warmup_steps: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optim: str = "auto"
    num_train_epochs: float = 3
    max_steps: int | None = None
    per_device_train_batch_size: int = 4
    per_device_eval_batch_size: int = 8
    gradient_accumulation_steps: int = 4
    packing: bool = True
    bf16: Switch = "auto"
    activation_checkpointing: Switch = "auto"
    use_liger_kernel: Switch = "auto"
    dataloader_num_workers: int = 0
    seed: int = 1
    logging_steps: int = 10
    eval_strategy: Literal["no", "epoch", "steps"] = "epoch"
    eval_steps: int | None = None
    save_strategy: Literal["no", "epoch", "steps"] = "epoch"
    save_steps: int | None = None
    save_total_limit: int | None = None
    select: str = "last"
    early_stopping_patience: int | None = None
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("eval", "save"):
            by_steps = getattr(self, f"{name}_strategy") == "steps"
            if by_steps != (getattr(self, f"{name}_steps") is not None):
                wrong = "is missing" if by_steps else "has no effect"
                remedy = "" if by_steps else f"; leave it out, or --set {name}_steps=null"
                raise ConfigError(f"{name}_steps {wrong}; it belongs to {name}_strategy: steps{remedy}")
        by_loss, asked = self.select == "validation_loss", f"select: {self.select}"
        if self.eval_strategy == "no" and (by_loss or self.early_stopping_patience is not None):
            what = asked if by_loss else "early_stopping_patience"
            raise ConfigError(f"{what} needs the validation split; set eval_strategy to epoch or steps")
        if by_loss and (self.eval_strategy, self.eval_steps) != (self.save_strategy, self.save_steps):
            raise ConfigError(f"{asked} needs a checkpoint at every evaluation; make save_* equal to eval_*")
        if self.by_metric and self.save_strategy == "no":
            raise ConfigError(f"{asked} needs checkpoints to choose from; set save_strategy to epoch or steps")
        if self.by_metric and self.save_total_limit is not None:
            raise ConfigError(f"{asked} compares all checkpoints at the end; leave save_total_limit out")

    @property
    def by_metric(self) -> bool:
        """Whether the result is chosen by what the checkpoints answer, which only evaluation can tell."""
        return self.select not in ("last", "validation_loss")

    def as_json(self) -> dict[str, Any]:
        """Every key, also those left at their defaults; training_config reads it back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def load_training_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainingConfig:
    """The file (None: the defaults), with each `key=value` on top; the values are YAML, the last of a key counts."""
    values = load_config(path, SCHEMA) if path else {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f'--set {override}: must be key=value, such as "learning_rate=1e-4"')
        given = {key: yaml_value(text, where=f"--set {key}")}
        check_config(given, SCHEMA, where="--set")
        given = whole_numbers(given, SCHEMA)
        values |= given
    try:
        return training_config(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None


def training_config(values: dict[str, Any]) -> TrainingConfig:
    """The config of plain values, such as a run's stored ones."""
    check_config(values, SCHEMA, where="training config")
    if "base_model" not in values:
        raise ConfigError("base_model is missing; name a model's folder or its name on the hub")
    settings: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return TrainingConfig(**settings)


def config_hash(config: TrainingConfig) -> str:
    """sha256 over every key's value."""
    return hashlib.sha256(canonical(config.as_json())).hexdigest()
