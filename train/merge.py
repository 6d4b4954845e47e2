"""An adapter merged into its base model: a plain model for any server, proven to answer as the adapter did.

The adapter learned on top of the quantised weights. It is therefore merged into those, dequantised; merged into the
original weights, or into 4-bit ones, the model answers otherwise.
"""

from __future__ import annotations

import gc
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from curation.errors import ConfigError, CurateError
from curation.progress import Progress, Silent
from curation.runs import utc_now, working_on, write_run
from curation.store.files import TEMP_PREFIX, disk_errors, sync_file, sync_folder
from curation.templates.folder import read_json
from train.logits import logits_of, probe_ids, relative, same_token
from train.merged_folder import require_same_prompts, write_beside
from train.model.adapter import load_adapter
from train.model.load import load_base
from train.model.of_run import RunFiles, load_run

Dtype = Literal["float32", "bfloat16", "float16"]
DTYPES: Final[tuple[Dtype, ...]] = ("float32", "bfloat16", "float16")
# Measured in fp32 on three models: dequantised at most 1.1e-6, on 4-bit or original weights at least 7.6e-2.
TOLERANCE: Final = 1e-4
# int8 rounds what flows between layers too, which no dense weights can: 5e-3 to 2.1e-2.
INT8_TOLERANCE: Final = 5e-2
# What the number format of the file costs: float16 at most 7.7e-4, bfloat16 at most 6.6e-3.
WRITTEN_TOLERANCE: Final = 5e-2


@dataclass(frozen=True, slots=True)
class Merged:
    """Differences are those of train.logits.relative, over the probes."""

    folder: Path
    dtype: Dtype
    difference: float  # in fp32, before writing
    difference_written: float  # of what stands in the folder
    tolerance: float
    same_token: float  # share of probe positions where adapter and written model think the same token likeliest
    positions: int


def merge(files: RunFiles, to: Path, dtype: Dtype | None = None, progress: Progress | None = None) -> Merged:
    """Write the merged model to the new folder `to` and the difference to run.json; dtype None: as the base is stored.

    CurateError, and no folder, where the merged model does not answer as base and adapter do. Takes the memory of the
    whole model in fp32.
    """
    progress = progress or Silent()
    if to.exists():
        raise ConfigError(f"{to}: is there already; remove it, or name another folder with --to")
    unfinished = to.with_name(f"{TEMP_PREFIX}{to.name}")
    with working_on(files.folder), disk_errors(to, "nothing was written"):
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            found = _merged(files, unfinished, dtype or _stored_dtype(files.base), progress)
            _make_durable(unfinished)
            unfinished.rename(to)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        sync_folder(to.parent)
        found = replace(found, folder=to)
        told = {**asdict(found), "folder": os.path.relpath(to, files.folder), "merged": utc_now()}
        write_run(files.folder, replace(files.run, merge=told))
    return found


def _merged(files: RunFiles, folder: Path, dtype: Dtype, progress: Progress) -> Merged:
    import torch

    progress.stage("asking base and adapter")
    loaded = load_run(files, precision=files.run.hardware.get("precision"))
    probes = probe_ids(files.template.template, loaded.tokenizer, loaded.model.config.get_text_config().vocab_size)
    model = loaded.model.float()  # 4-bit weights stay what they are; in bf16 noise alone is 2.5e-2
    wanted = logits_of(model, probes)
    progress.stage("merging")
    model = merged_model(files, model)
    difference = relative(wanted, logits_of(model, probes))
    tolerance = INT8_TOLERANCE if files.quantization == "int8" else TOLERANCE
    _require("the merged model", files, difference, tolerance)
    progress.stage("writing and reading back")
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_beside(folder, files, loaded.tokenizer, difference)
    del model, loaded
    gc.collect()
    require_same_prompts(folder, files)
    written = logits_of(load_base(folder, quantization="none").float(), probes)
    difference_written = relative(wanted, written)
    _require(f"what was written in {dtype}", files, difference_written, WRITTEN_TOLERANCE)
    positions = sum(map(len, probes))
    return Merged(folder, dtype, difference, difference_written, tolerance, same_token(wanted, written), positions)


def merged_model(files: RunFiles, model: Any) -> Any:
    """The plain model that answers as `model`, the run's adapter on its base, does; `model` is used up."""
    import torch

    base = model.unload()
    if files.quantization in ("nf4", "int8"):
        base = base.dequantize(dtype=torch.float32)
    return load_adapter(base, files.adapter).merge_and_unload(safe_merge=True)


def _require(what: str, files: RunFiles, difference: float, tolerance: float) -> None:
    if not difference <= tolerance:
        raise CurateError(
            f"{files.run.name}: {what} answers otherwise than base and adapter do (logits differ by {difference:.1e}, "
            f"allowed {tolerance:.0e}); nothing was written; serve the adapter on its base instead"
        )


def _stored_dtype(base: Path) -> Dtype:
    told = read_json(base / "config.json")
    name = told.get("dtype") or told.get("torch_dtype")
    return name if name in DTYPES else "float32"


def _make_durable(folder: Path) -> None:
    for file in folder.iterdir():
        sync_file(file)
    sync_folder(folder)
