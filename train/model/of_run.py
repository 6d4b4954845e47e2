"""A run as it is used: its base model in memory, its adapter on it, its template, all as it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import ConfigError
from curation.runs import Run, read_run, state_now
from train.model.adapter import load_adapter
from train.model.check import check_template
from train.model.folder import model_folder
from train.model.load import Quantization, load_base
from train.model.precision import Precision, device_name
from train.model.template import ModelTemplate, stored_template
from train.model.tokenizer import load_tokenizer


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where what a run is made of lies; nothing of it is in memory."""

    folder: Path
    run: Run
    base: Path
    template: ModelTemplate
    adapter: Path  # the run's result; or a checkpoint of it

    @property
    def quantization(self) -> Quantization:
        """What the base was trained in; as stored where nobody knows."""
        told: Quantization = (self.run.config or {}).get("quantization", "none")
        return told


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that can be asked: in eval mode, with an adapter or without."""

    model: Any
    tokenizer: Any
    template: ModelTemplate
    system_prompt: str | None = None  # stands first where a conversation has no system text of its own
    has_adapter: bool = False

    @property
    def context(self) -> int | None:
        """How many tokens prompt and answer may have together; None where the model names no end."""
        told: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return told

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Within, the very same weights answer as the base model."""
        if not self.has_adapter:
            yield
            return
        with self.model.disable_adapter():
            yield


def run_files(folder: Path, near: Path = Path()) -> RunFiles:
    """The run in a folder; its base model, if a path, lies relative to `near`.

    ConfigError where the base is absent, or its tokenizer or the template are not those of the training.
    """
    run = read_run(folder)
    if run.kind not in ("training", "base"):
        raise ConfigError(f"{folder}: is an {run.kind}, not a training; name the run it is of")
    base = model_folder(run.base, near, run.base_model.get("revision"))
    if run.template is None:
        raise ConfigError(f"{run.name}: does not say which template it was trained with; import it with --template")
    template = stored_template(run.template, folder / "template", base)
    check_template(run, template, base)
    return RunFiles(folder, run, base, template, folder / "adapter")


def load_run(
    files: RunFiles,
    *,
    adapter: bool = True,
    quantization: Quantization | None = None,
    precision: Precision | None = None,
) -> Loaded:
    """The run's base, quantised as in training unless said, with its adapter unless `adapter` is false."""
    if adapter:
        _require_adapter(files)
    config = files.run.config or {}
    model = load_base(
        files.base,
        quantization=quantization or files.quantization,
        double_quant=config.get("double_quant", True),
        precision=precision or _precision(files.run),
    )
    if adapter:
        model = load_adapter(model, files.adapter)
    return Loaded(model, load_tokenizer(files.base), files.template, config.get("system_prompt"), adapter)


def _precision(run: Run) -> Precision | None:
    """As trained, where that was on a CPU too: there the choice is by timing, and could come out otherwise today."""
    here = device_name() == "cpu" and run.hardware.get("device") == "cpu"
    told: Precision | None = run.hardware.get("precision") if here else None
    return told


def _require_adapter(files: RunFiles) -> None:
    if (files.adapter / "adapter_config.json").is_file():
        return
    state = state_now(files.folder, files.run)
    remedy = "wait for its end" if state == "running" else f"go on with curate train --resume {files.run.name}"
    raise ConfigError(f"{files.run.name}: is {state} and has no adapter yet; {remedy}")
