"""What is evaluated: a run's adapter on its base, or a base model alone, which has a folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from curation.environment import environment
from curation.errors import ConfigError
from curation.records import canonical
from curation.runs import Run, RunPlace, new_run_folder, read_run, readable_runs, utc_now, write_run
from curation.store.files import disk_errors, file_sha256, replace_file
from train.model.check import fingerprint
from train.model.load import Quantization, base_identity, base_licence
from train.model.of_run import Loaded, RunFiles, load_run, run_files
from train.model.template import ModelTemplate

BASE: Final = "base"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be asked, not in memory yet; its evaluations lie in its folder."""

    files: RunFiles
    adapter: bool

    @property
    def folder(self) -> Path:
        return self.files.folder

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def label(self) -> str:
        """For people: experiment_003, base, or base (none) where it is not quantised as usual."""
        return self.name if self.adapter else f"{BASE} ({self.files.quantization})"

    def identity(self) -> dict[str, Any]:
        """What decides about the model's outputs."""
        config, base = self.files.run.config or {}, self.files.run.base_model
        nested = {"double_quant": config.get("double_quant", True)} if self.files.quantization == "nf4" else {}
        return {
            "base_model": base.get("sha256") or base["name"],
            "quantization": self.files.quantization,
            **nested,
            "template": self.files.template.sha256,
            "system_prompt": config.get("system_prompt"),
            "adapter": _weights(self.files) if self.adapter else None,
        }

    def load(self) -> Loaded:
        return load_run(self.files, adapter=self.adapter)


def subject_of(folder: Path, near: Path) -> Subject:
    """The run or base model in an experiment's folder; ConfigError where it cannot be asked any more."""
    run = read_run(folder)
    if run.kind == "predictions":
        raise ConfigError(f"{folder.name}: holds recorded outputs and no model; use curate eval --recompute")
    return Subject(run_files(folder, near), adapter=run.kind == "training")


def base_of(subject: Subject, place: RunPlace, near: Path, quantization: Quantization | None = None) -> Subject:
    """The base model of a run as a subject, quantised as for the run unless said."""
    config = subject.files.run.config or {}
    kept = {key: config[key] for key in ("double_quant", "system_prompt") if key in config}
    run = subject.files.run
    return base_subject(
        place,
        near,
        run.base_model,
        subject.files.base,
        subject.files.template,
        {**kept, "quantization": quantization or subject.files.quantization},
    )


def base_subject(
    place: RunPlace,
    near: Path,
    identity: Mapping[str, Any] | str,
    model: Path,
    template: ModelTemplate,
    config: Mapping[str, Any],
) -> Subject:
    """A base model with this template and config (quantization, double_quant, system_prompt); its folder is made
    where there is none. `identity`: what run.json says of it, or its name."""
    base = base_identity(identity, model) if isinstance(identity, str) else dict(identity)
    run = Run(
        name="new",
        kind="base",
        state="done",
        started=utc_now(),
        base_model=base,
        tokenizer_sha256=template.tokenizer_sha256,
        template=template.as_json(),
        fingerprint=fingerprint(template, model),
        config={"quantization": "none", "double_quant": True, "system_prompt": None, **config},
        licences={"base": base_licence(model), "data": None},
        **environment(),
    )
    wanted = _same(run)
    for folder, known in reversed(readable_runs(place.experiments)):
        if known.kind == "base" and _same(known) == wanted:
            return subject_of(folder, near)
    return subject_of(_made(run, template, place), near)


def _made(run: Run, template: ModelTemplate, place: RunPlace) -> Path:
    folder = new_run_folder(place.experiments)
    with disk_errors(folder, "nothing was evaluated"):
        for name, content in template.files.items():
            (folder / "template").mkdir(exist_ok=True)
            replace_file(folder / "template" / name, content)
    write_run(folder, replace(run, name=folder.name))
    return folder


def _same(run: Run) -> bytes:
    """What makes two base models one."""
    base, template = run.base_model, run.template or {}
    return canonical([base.get("sha256") or base["name"], template.get("sha256"), dict(run.config or {})])


def _weights(files: RunFiles) -> str | None:
    path = files.adapter / "adapter_model.safetensors"
    if not path.is_file():
        return None
    status = path.stat()
    return _hashed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _hashed(path: Path, changed: int, size: int) -> str:
    """An identity is asked for often, and adapters take hundreds of megabytes."""
    return file_sha256(path)


def short_hash(value: Any) -> str:
    """16 hex digits of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()[:16]
