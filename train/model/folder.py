"""Where a base model lies, and what its files say of it before anything is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curation.errors import ConfigError
from curation.templates.folder import read_json


def model_folder(name: str, near: Path, revision: str | None = None) -> Path:
    """The folder of a base model: a path relative to `near`, else the hub's cache; nothing is downloaded."""
    path = near / name
    if path.is_dir():
        return _complete(path, "copy the model again")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ConfigError(f'base_model: "{name}" is neither a folder nor a name on the hub (owner/name)')
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    get = f"hf download {name}" + (f" --revision {revision}" if revision else "")
    try:
        found = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ConfigError(
            f"base_model: {name} is neither a folder nor in the hub's cache; get it with: {get}"
        ) from None
    return _complete(found, f"the download was interrupted; go on with: {get}")


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, from the heads of the safetensors files; empty where there are none."""
    from safetensors import safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(str(file), "np") as weights:
                names = weights.keys()
                shapes |= {name: tuple(weights.get_slice(name).get_shape()) for name in names}
        except Exception as error:  # the library raises its own bare kind for every fault of a file
            raise ConfigError(f"{file}: cannot be read ({error}); copy or download the model again") from None
    return shapes


def tensor(folder: Path, name: str) -> Any:
    """One weight as a torch tensor, as stored."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as weights:
            names = weights.keys()
            if name in names:
                return weights.get_tensor(name)
    raise KeyError(name)


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _complete(folder: Path, remedy: str) -> Path:
    """The folder, if all that a model needs is in it."""
    told = read_json(folder / "model.safetensors.index.json").get("weight_map", {})
    missing = [name for name in ("config.json", *sorted(set(told.values()))) if not (folder / name).is_file()]
    if not missing and not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        missing = ["model.safetensors"]
    parts = any(folder.glob("model-*-of-*.safetensors"))
    if not missing and not told and parts and not (folder / "model.safetensors").is_file():
        missing = ["model.safetensors.index.json"]
    if missing:
        raise ConfigError(f"base_model: {folder} lacks {missing[0]}; {remedy}")
    return folder
