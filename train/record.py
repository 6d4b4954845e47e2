"""What a run's folder says of its training: run.json from beginning to end, the config, the adapter."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from curation.environment import environment
from curation.errors import ConfigError
from curation.licences import stated
from curation.runs import Run, State, read_run, utc_now, write_run
from curation.source import Source
from curation.store.files import TEMP_PREFIX, disk_errors, replace_file
from curation.store.journal import Journal
from curation.templates.folder import read_json
from train.config import TrainingConfig, config_hash
from train.model.check import fingerprint
from train.model.load import base_identity, base_licence, hidden_size
from train.model.precision import Precision, choose_precision
from train.model.template import ModelTemplate
from train.preflight import Prepared

ADAPTER_CONFIG: Final = "adapter_config.json"
_DECIDES: Final = ("base_model", "tokenizer_sha256", "template", "version", "config_sha256")


def described(config: TrainingConfig, source: Source, prepared: Prepared, earlier: Run | None) -> Run:
    """run.json as a training begins; ConfigError where it is to go on from an earlier one and something changed."""
    base = base_identity(config.base_model, prepared.folder)
    template = prepared.template
    rows = {"train": len(prepared.train), "validation": len(prepared.validation)}
    precision = choose_precision(config.bf16, hidden_size(prepared.folder))
    run = Run(
        name="new",
        kind="training",
        state="running",
        started=utc_now(),
        base_model=base,
        tokenizer_sha256=template.tokenizer_sha256,
        template=template.as_json(),
        fingerprint=fingerprint(template, prepared.folder),
        version={"name": source.name, "id": source.version_id, "source": source.kind, "rows": rows},
        config=config.as_json(),
        config_sha256=config_hash(config),
        seeds=[config.seed],
        licences={
            "base": base_licence(prepared.folder),
            "data": dict(source.licences) if stated(source.licences) else None,
        },
        hardware=_hardware(precision),
        **environment(),
    )
    if earlier is None:
        return run
    changed = [key for key in _DECIDES if getattr(earlier, key) != getattr(run, key)]
    if changed:
        raise ConfigError(f"{earlier.name}: cannot go on, for its {', '.join(changed)} changed; train anew")
    hardware = {**run.hardware, "precision": earlier.hardware.get("precision", precision)}
    run = replace(run, name=earlier.name, hardware=hardware, started=earlier.started)
    return replace(run, checkpoints=earlier.checkpoints, metrics=earlier.metrics)


class Saved:
    """Lists each checkpoint in run.json as it is written."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder, self.run = folder, run

    def __call__(self, checkpoint: Path, step: int, metrics: dict[str, float]) -> None:
        entry = {"step": step, "path": checkpoint.relative_to(self.folder).as_posix(), "metrics": metrics}
        known = [e for e in self.run.checkpoints if e["step"] != step and (self.folder / e["path"]).is_dir()]
        self.run = replace(self.run, checkpoints=[*known, entry])
        write_run(self.folder, self.run)


@contextmanager
def told_in(folder: Path, run: Run, journal: Journal) -> Iterator[list[Run]]:
    """Keep run.json and the journal at what happens within; what is put into the list is the run that got done."""
    write_run(folder, run)
    journal.status(folder.name, "running")
    done: list[Run] = []
    try:
        yield done
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        detail = " ".join(str(error).split()) or type(error).__name__
        _close(folder, read_run(folder), journal, "interrupted" if stopped else "failed", detail)
        raise
    _close(folder, done[0], journal, "done", "")


def _close(folder: Path, run: Run, journal: Journal, state: State, detail: str) -> None:
    write_run(folder, replace(run, state=state, detail=detail, ended=utc_now()))
    journal.status(folder.name, state, detail)


def write_settings(folder: Path, config: TrainingConfig, template: ModelTemplate) -> None:
    """The resolved config, and the files of a template that is not built in."""
    text = "# What this training was run with; curate train reads it.\n"
    with disk_errors(folder / "training.yaml", "no run was started"):
        replace_file(folder / "training.yaml", (text + yaml.safe_dump(config.as_json(), sort_keys=False)).encode())
        for name, content in template.files.items():
            (folder / "template").mkdir(exist_ok=True)
            replace_file(folder / "template" / name, content)


def save_adapter(folder: Path, config: TrainingConfig, write: Callable[[Path], object]) -> None:
    """adapter/ as `write` puts it into a folder, whole or not at all; it names its base as the config does."""
    place, unfinished = folder / "adapter", folder / f"{TEMP_PREFIX}adapter"
    with disk_errors(place, "the checkpoints stay"):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        write(unfinished)
        (unfinished / "README.md").unlink(missing_ok=True)  # peft's empty form of a model card
        if not Path(config.base_model).is_dir():
            told = read_json(unfinished / ADAPTER_CONFIG) | {"base_model_name_or_path": config.base_model}
            (unfinished / ADAPTER_CONFIG).write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)


def adapter_files(checkpoint: Path, to: Path) -> None:
    """Copy a checkpoint's adapter, without what only going on needs."""
    for name in (ADAPTER_CONFIG, "adapter_model.safetensors"):
        shutil.copyfile(checkpoint / name, to / name)


def _hardware(precision: Precision) -> dict[str, Any]:
    import torch

    told: dict[str, Any] = {"device": "cpu", "cpu_cores": os.cpu_count(), "precision": precision}
    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        told |= {"device": device.name, "memory_mb": device.total_memory // 2**20, "devices": torch.cuda.device_count()}
    return told
