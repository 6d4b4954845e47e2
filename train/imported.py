"""Runs made elsewhere, taken in: a run's folder of another workspace, or a peft folder, whatever wrote it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.row_losses import FILE as ROW_LOSSES_FILE
from curation.runs import RUN_FILE, Provenance, Run, new_run_folder, read_run, state_now, utc_now, write_run
from curation.store.files import TEMP_PREFIX, disk_errors
from curation.templates.folder import read_json
from train.adapter_fit import require_fit
from train.model.check import check_template, fingerprint
from train.model.folder import model_folder
from train.model.load import base_identity, base_licence
from train.model.template import ModelTemplate, choose_training_template, has_template, stored_template

ADAPTER: Final = "adapter"
TEMPLATE: Final = "template"  # a Jinja template's files, in a run's folder
_CONFIG: Final = "adapter_config.json"
_WEIGHTS: Final = "adapter_model.safetensors"
_PICKLE: Final = "adapter_model.bin"
_CARD: Final = ("README.md",)
_OF_A_RUN: Final = ("training.yaml", "train.log", ROW_LOSSES_FILE)
# Parts of a tokenizer without which a prompt has other tokens.
_TOKENS: Final = tuple(f"tokenizer.json: {part}" for part in ("vocabulary", "merges", "normalizer", "pre_tokenizer"))


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """`base` and `template` as the user typed them, relative to `near`; None: what the folder itself says."""

    folder: Path
    near: Path
    base: str | None = None
    template: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    folder: Path
    run: Run
    notes: Sequence[str]  # what the user should know


@dataclass(frozen=True, slots=True)
class _Wanted:
    template: str | None
    end_token: str | None = None


class _NoRecipe:
    def template(self) -> None:
        return None


def import_run(request: ImportRequest, experiments: Path, home: Path | None = None) -> Imported:
    """Check the adapter against its base and template, then copy it to a new run folder.

    A base inside `home` (the workspace) is written down relative to it. ConfigError, and no folder, for an adapter of
    another base, a pickle, a kind other than LoRA, or a template that differs from the one the run was trained with.
    """
    source = request.folder
    if not source.is_dir():
        raise ConfigError(f"{source}: no such folder; name a run's folder or one with {_CONFIG}")
    own = _own_run(source) if (source / RUN_FILE).is_file() else None
    adapter = _adapter_folder(source)
    config = _adapter_config(adapter)
    base_name = request.base or (own.base if own else None) or config.get("base_model_name_or_path")
    if not base_name:
        raise ConfigError(f"{adapter / _CONFIG}: does not say which base model it is for; name it with --base")
    base = model_folder(base_name, request.near, request.revision)
    require_fit(adapter, base)
    template = _template(request, own, adapter, base)
    if own is not None:
        check_template(own, template, base)
    _require_tokenizer(adapter, base, template)
    written = _written_name(base_name, request.near, home)
    run = _known_run(own) if own else _unknown_run(source, config, template, base)
    run = replace(run, base_model=base_identity(written, base))
    notes = _notes(own, config, base_name, run, template.origin)
    folder = _placed(run, source, adapter, template, experiments)
    return Imported(folder, read_run(folder), notes)


def _own_run(source: Path) -> Run:
    run = read_run(source)
    if run.kind != "training":
        raise ConfigError(f"{source}: is an {run.kind}, not a training; name the folder of the run it is of")
    state = state_now(source, run)
    if state == "running":
        raise ConfigError(f"{source}: is still at work; wait for its end, or stop it")
    return replace(run, state=state)


def _adapter_folder(source: Path) -> Path:
    for folder in (source / ADAPTER, source):
        if (folder / _CONFIG).is_file():
            return folder
    inside = sorted(path.parent.name for path in source.glob(f"*/{_CONFIG}"))
    hint = f"name one of the folders in it: {', '.join(inside[:5])}" if inside else "was the training stopped before?"
    raise ConfigError(f"{source}: no adapter in it ({_CONFIG}); {hint}")


def _adapter_config(adapter: Path) -> dict[str, Any]:
    config = read_json(adapter / _CONFIG)
    kind = config.get("peft_type")
    if kind != "LORA":
        raise ConfigError(f"{adapter / _CONFIG}: is a {kind or 'nameless'} adapter; only LoRA can be taken in")
    if (adapter / _WEIGHTS).is_file():
        return config
    if (adapter / _PICKLE).is_file():
        raise ConfigError(
            f"{adapter / _PICKLE}: is a pickle, which can run any code of its maker when it is opened; ask for "
            f"{_WEIGHTS}, or where you trust the maker, load it with peft and save it with safe_serialization=True"
        )
    raise ConfigError(f"{adapter}: {_WEIGHTS} is missing; copy the folder again")


def _template(request: ImportRequest, own: Run | None, adapter: Path, base: Path) -> ModelTemplate:
    """The one asked for, else the run's, else the one beside the adapter, else the base's own."""
    if request.template is not None:
        return choose_training_template(_Wanted(request.template), _NoRecipe(), base, request.near)
    if own is not None and own.template is not None:
        return stored_template(own.template, request.folder / TEMPLATE, base)
    beside = str(adapter.absolute()) if has_template(adapter) else None
    return choose_training_template(_Wanted(beside), _NoRecipe(), base)


def _require_tokenizer(adapter: Path, base: Path, template: ModelTemplate) -> None:
    """ConfigError where the tokenizer saved beside the adapter makes other tokens than the base's."""
    if not (adapter / "tokenizer.json").is_file():
        return
    beside, its = fingerprint(template, adapter), fingerprint(template, base)
    changed = [part.removeprefix("tokenizer.json: ") for part in _TOKENS if beside.get(part) != its.get(part)]
    if _added(adapter) - _added(base):
        changed.append(f"added tokens ({', '.join(sorted(text for text, _ in _added(adapter) - _added(base))[:3])})")
    if changed:
        raise ConfigError(
            f"{adapter}: was trained with another tokenizer than the one of {base}: {', '.join(changed)}; name the "
            "base it was trained on with --base"
        )


def _added(folder: Path) -> set[tuple[str, int]]:
    told = read_json(folder / "tokenizer.json")
    vocabulary = (told.get("model") or {}).get("vocab")
    known = vocabulary if isinstance(vocabulary, dict) else {}
    added = {(token["content"], token["id"]) for token in told.get("added_tokens") or ()}
    return {(text, number) for text, number in added if known.get(text) != number}


def _written_name(base: str, near: Path, home: Path | None) -> str:
    """A folder relative to the workspace where it lies inside, else absolute; a name of the hub as it is."""
    path = (near / base).absolute()
    if not path.is_dir():
        return base
    inside = home is not None and path.resolve().is_relative_to(home.resolve())
    return path.resolve().relative_to(home.resolve()).as_posix() if home and inside else path.as_posix()


def _known_run(own: Run) -> Run:
    provenance: Provenance = "unknown" if own.provenance == "unknown" else "imported"
    # Checkpoints stay where they are: with them the training could go on, and that is the other workspace's.
    return replace(own, provenance=provenance, origin=f"{own.name} of another workspace", checkpoints=())


def _unknown_run(source: Path, config: Mapping[str, Any], template: ModelTemplate, base: Path) -> Run:
    """Nothing is made up: what the folder does not say stays unknown."""
    by = f"peft {config['peft_version']}" if config.get("peft_version") else "an older peft"
    return Run(
        name="",
        kind="training",
        state="done",
        started=utc_now(),
        base_model={},
        provenance="unknown",
        origin=f"{source.absolute().name}, written by {by}",
        tokenizer_sha256=template.tokenizer_sha256,
        template=template.as_json(),
        fingerprint=fingerprint(template, base),
        licences={"base": base_licence(base), "data": None},
    )


def _notes(own: Run | None, config: Mapping[str, Any], base: str, run: Run, origin: str) -> list[str]:
    notes = []
    if own is None:
        notes.append("provenance unknown: nobody can tell from the folder which data it was trained on")
        if origin == "model":
            notes.append("template: the base's own, for the adapter brings none; if it was another, give --template")
        named = str(config.get("base_model_name_or_path") or "")
        if named and _short(named) != _short(base):
            notes.append(f"the adapter names {named} as its base; {base} has the same shapes, but is it the same?")
    elif own.base_model.get("sha256") not in (None, run.base_model.get("sha256")):
        notes.append(f"the files of {base} are not quite those it was trained on; the shapes are the same")
    return notes


def _short(name: str) -> str:
    """A base model's name without owner, case, and what says in how many bits it was stored."""
    last = name.rstrip("/").rsplit("/", 1)[-1].lower()
    return last.removesuffix("-bnb-4bit").removesuffix("-unsloth")


def _placed(run: Run, source: Path, adapter: Path, template: ModelTemplate, experiments: Path) -> Path:
    """The new run folder, which appears complete or not at all."""
    with _unfinished(experiments) as unfinished:
        (unfinished / ADAPTER).mkdir()
        for name in (_CONFIG, _WEIGHTS, *_CARD):
            if (adapter / name).is_file():
                shutil.copyfile(adapter / name, unfinished / ADAPTER / name)
        for name, content in template.files.items():  # the one that was settled on, not what else lay there
            (unfinished / TEMPLATE).mkdir(exist_ok=True)
            (unfinished / TEMPLATE / name).write_bytes(content)
        for name in _OF_A_RUN if (source / RUN_FILE).is_file() else ():
            if (source / name).is_file():
                shutil.copyfile(source / name, unfinished / name)
        folder = new_run_folder(experiments)
        try:
            write_run(unfinished, replace(run, name=folder.name))
            os.rename(unfinished, folder)  # over the empty folder that new_run_folder made
        except BaseException:
            folder.rmdir()
            raise
    return folder


@contextmanager
def _unfinished(experiments: Path) -> Iterator[Path]:
    folder = experiments / f"{TEMP_PREFIX}import-{os.getpid()}"
    with disk_errors(experiments, "nothing was taken in"):
        shutil.rmtree(folder, ignore_errors=True)  # of a killed process of the same number
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
