"""One training from beginning to end: a version and a config in, a run's folder with adapter and run.json out."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curation.errors import ConfigError, DiskError
from curation.progress import Progress, Silent
from curation.row_losses import FILE
from curation.runs import Run, RunPlace, new_run_folder, read_run, working_on
from curation.source import Source
from curation.store.journal import Journal, open_journal
from train.batches import Batches, Shape
from train.config import TrainingConfig
from train.estimate import free_memory, optimiser
from train.model.adapter import new_adapter
from train.model.attention import register_packed, require_packable
from train.model.fused import fuse_on_cpu
from train.model.load import load_base
from train.model.precision import Precision, device_name
from train.preflight import Prepared, prepare
from train.record import Saved, adapter_files, described, save_adapter, told_in, write_settings
from train.watch import StopRequest, TrainLog, journal_names, out_of_memory

_ONE_PROCESS = "this is one process; accelerate launch --cpu starts no more, --multi_gpu does on a CPU too"

# (a run's folder, its checkpoints by step, progress) -> (the step that is the result, the value of each)
Choose = Callable[[Path, Mapping[int, Path], Progress], tuple[int, Mapping[int, float]]]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    folder: Path
    run: Run


@dataclass(frozen=True, slots=True)
class _Job:
    """What all steps of a training look at."""

    config: TrainingConfig
    prepared: Prepared
    folder: Path
    precision: Precision
    checkpointing: bool
    main: bool  # the process that writes
    processes: int
    rank: int


def train(
    config: TrainingConfig,
    source: Source,
    place: RunPlace,
    *,
    near: Path = Path(),
    progress: Progress | None = None,
    resume: Path | None = None,
    choose: Choose | None = None,
) -> TrainingResult:
    """Train, in a new folder of `place` or on from the last checkpoint of the run in `resume`.

    `near`: what paths in the config are relative to; `choose`: which checkpoint is the result where the config's
    `select` names a metric (eval.selection). CurateError for all that a user can change, and where the loss
    is no number or diverges; KeyboardInterrupt, with how to go on, where it was asked to stop. run.json says so too.
    """
    progress = progress or Silent()
    if config.by_metric != (choose is not None):
        raise ConfigError(f"select: {config.select} is chosen by evaluation, and there is none; use curate train")
    _use_liger(config)  # says so where it cannot be
    gc.collect()  # an earlier training of this process may still hold its model in a circle of references
    with TrainLog() as log:
        progress.stage("encoding rows")
        prepared = prepare(config, source, near, progress.advance)
        prepared.preflight.require()
        state = _processes()
        earlier = read_run(resume) if resume else None
        run = described(config, source, prepared, earlier)
        folder = resume or _shared(state, lambda: new_run_folder(place.experiments))
        job = _job(config, prepared, folder, run.hardware["precision"], state)
        for warning in prepared.preflight.warnings if job.main else ():
            progress.note(f"warning: {warning.message}")
        if state.num_processes == 1 and _launched_on_cpu():
            progress.note(f"warning: {_ONE_PROCESS}")
        if not job.main:
            return TrainingResult(folder, _fit(job, run, None, Silent()))
        with working_on(folder), open_journal(place.journal) as journal:
            log.to(folder / "train.log")
            run = replace(run, name=folder.name)
            write_settings(folder, config, prepared.template)
            with told_in(folder, run, journal) as told:
                run = _fit(job, run, journal, progress)
                told.append(_chosen(job, run, choose, progress) if choose else run)
                progress.finish()
        return TrainingResult(folder, read_run(folder))


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run; one whose writing was cut short is passed over."""
    found = [path for path in (folder / "checkpoints").glob("checkpoint-*") if (path / FILE).is_file()]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def _fit(job: _Job, run: Run, journal: Journal | None, progress: Progress) -> Run:
    """Train; the run as it is afterwards. KeyboardInterrupt where it was asked to stop before the end."""
    from safetensors import SafetensorError

    from train.trainer import Watch, peak_memory_mb

    progress.stage("loading the model")
    try:
        trainer = _trainer(job)
        stop = StopRequest()
        saved = Saved(job.folder, run)
        told = (journal, job.folder.name) if journal else None
        watch = Watch(trainer, stop, progress, told, saved)
        trainer.add_callback(watch)
        with stop.listening():
            trainer.train(resume_from_checkpoint=_resumable(job, trainer))
    except (RuntimeError, MemoryError, OSError, SafetensorError) as error:
        if _is_memory(error):
            raise out_of_memory(job.config, job.prepared.preflight.estimate, job.checkpointing) from error
        if not _is_disk(error):
            raise
        reason, again = " ".join(str(error).split())[:120], f"curate train --resume {job.folder.name}"
        raise DiskError(f"{job.folder}: cannot be written ({reason}); make room, then go on with: {again}") from error
    state, history = trainer.state, trainer.history
    if stop.asked and state.global_step < state.max_steps:
        raise KeyboardInterrupt(
            f"stopped and saved after step {state.global_step} of {state.max_steps}; go on with: "
            f"curate train --resume {job.folder.name}"
        )
    history.gather(trainer.accelerator)
    metrics = _last_of(state.log_history) | {
        "train_loss": history.train_loss(),
        "trained_tokens": history.trained_tokens,
        "seconds": watch.seconds,
        "peak_memory_mb": peak_memory_mb(),
    }
    whole = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None  # by all processes
    if job.main:
        history.write(job.folder, watch.seconds)
        if not job.config.by_metric:
            # Else peft looks up the base on the hub, over the network, to see whether its vocabulary has grown.
            write = partial(trainer.model.save_pretrained, save_embedding_layers=False, state_dict=whole)
            save_adapter(job.folder, job.config, write)
    best = state.best_global_step if job.config.select == "validation_loss" else None
    return replace(saved.run, metrics=metrics, selected_step=best or state.global_step)


def _chosen(job: _Job, run: Run, choose: Choose, progress: Progress) -> Run:
    """The run with the checkpoint that answers best as its adapter, and what each reached."""
    gc.collect()  # the trained model, of which there is a circle of references
    paths = {entry["step"]: job.folder / entry["path"] for entry in run.checkpoints}
    try:
        step, values = choose(job.folder, paths, progress)
    except KeyboardInterrupt:
        how = f"what was answered is kept; go on with: curate train --resume {job.folder.name}"
        raise KeyboardInterrupt(f"stopped while checkpoints were compared, {how}") from None
    save_adapter(job.folder, job.config, partial(adapter_files, paths[step]))
    told = [{**e, "metrics": {**e["metrics"], job.config.select: values[e["step"]]}} for e in run.checkpoints]
    return replace(run, checkpoints=told, selected_step=step)


def _trainer(job: _Job) -> Any:
    """The model with its adapter, and the trainer around them."""
    from train.trainer import AnswerTrainer

    config, prepared = job.config, job.prepared
    model = load_base(
        prepared.folder,
        quantization=config.quantization,
        double_quant=config.double_quant,
        precision=job.precision,
        attention=register_packed() if config.packing else "sdpa",
    )
    if config.packing:
        require_packable(model)
    if job.checkpointing:
        name = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"  # before 5.23
        enable = getattr(model, f"{name}_checkpointing_enable")
        enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
    model = new_adapter(model, config)
    fuse_on_cpu(model)
    pad_id = prepared.tokenizer.pad_token_id or 0
    window = config.gradient_accumulation_steps * job.processes
    shape = Shape(config.per_device_train_batch_size, config.max_length, config.packing, window, job.processes)
    training = Batches(prepared.train, shape, rank=job.rank, seed=config.seed, pad_id=pad_id)
    validation = None
    if prepared.validation:
        shape = Shape(
            config.per_device_eval_batch_size, config.max_length, config.packing, job.processes, job.processes
        )
        validation = Batches(prepared.validation, shape, rank=job.rank, pad_id=pad_id)
    arguments = _arguments(job, validation is not None)
    try:
        trainer = AnswerTrainer(model, arguments, (training, validation), job.precision)
    except (ValueError, RuntimeError, ImportError) as error:
        if not config.report_to:
            raise
        raise ConfigError(f"report_to: {' '.join(str(error).split())[:200]}") from None
    if config.early_stopping_patience is not None:
        from transformers import EarlyStoppingCallback

        trainer.add_callback(EarlyStoppingCallback(config.early_stopping_patience))
    return trainer


def _arguments(job: _Job, validate: bool) -> Any:
    from transformers import TrainingArguments

    config = job.config
    same = (
        *("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps", "learning_rate"),
        *("num_train_epochs", "lr_scheduler_type", "weight_decay", "max_grad_norm", "seed", "logging_steps"),
        *("save_strategy", "save_total_limit", "dataloader_num_workers"),
    )
    cuda = device_name() != "cpu"
    warmup = config.warmup_steps
    by_loss = config.select == "validation_loss"
    watched = by_loss or config.early_stopping_patience is not None
    return TrainingArguments(
        output_dir=str(job.folder / "checkpoints"),
        **{name: getattr(config, name) for name in same},
        max_steps=config.max_steps or -1,
        warmup_steps=int(warmup) if warmup >= 1 else warmup,
        optim=optimiser(config),
        eval_strategy=config.eval_strategy if validate else "no",
        eval_steps=config.eval_steps,
        save_steps=config.save_steps or 500,
        load_best_model_at_end=by_loss,
        metric_for_best_model="eval_loss" if watched else None,
        greater_is_better=False if watched else None,
        fp16=job.precision == "fp16",
        use_cpu=not cuda,
        use_liger_kernel=_use_liger(config),
        liger_kernel_config={"fused_linear_cross_entropy": False},  # the head sees the answers alone already
        report_to=list(config.report_to) or "none",
        run_name=job.folder.name,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
    )


def _use_liger(config: TrainingConfig) -> bool:
    can = find_spec("liger_kernel") is not None and device_name() != "cpu"
    if config.use_liger_kernel is True and not can:
        raise ConfigError("use_liger_kernel: needs a CUDA device and liger-kernel (pip install liger-kernel), or auto")
    return can and config.use_liger_kernel is not False


def _job(config: TrainingConfig, prepared: Prepared, folder: Path, precision: Precision, state: Any) -> _Job:
    checkpointing = config.activation_checkpointing
    if checkpointing == "auto":
        free = free_memory()
        checkpointing = free is not None and prepared.preflight.estimate.total(checkpointing=False) > free
    main, processes, rank = state.is_main_process, state.num_processes, state.process_index
    return _Job(config, prepared, folder, precision, checkpointing, main, processes, rank)


def _resumable(job: _Job, trainer: Any) -> str | None:
    found = last_checkpoint(job.folder)
    if found is None:
        return None  # it was stopped before the first one: from the start
    trainer.history.restore(found, visits=job.main)
    return str(found)


def _last_of(history: list[Mapping[str, float]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for logs in history:
        values |= {key: value for key, value in journal_names(logs).items() if key == "validation_loss"}
    return values


def _processes() -> Any:
    """Which of how many processes this is (accelerate launch, torchrun)."""
    from accelerate import PartialState

    return PartialState(cpu=device_name() == "cpu")


def _launched_on_cpu() -> bool:
    """Whether `accelerate launch --cpu` started this, which starts one process whatever number it is told."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" and "LOCAL_RANK" not in os.environ


def _shared(state: Any, made: Callable[[], Path]) -> Path:
    """What the main process made, in all processes."""
    from accelerate.utils import broadcast_object_list

    box: list[Any] = [made() if state.is_main_process else None]
    return Path((broadcast_object_list(box) if state.num_processes > 1 else box)[0])


def _is_disk(error: BaseException) -> bool:
    """torch and safetensors have errors of their own for a file that cannot be written."""
    return isinstance(error, OSError) or any(text in str(error) for text in ("I/O error", "StreamWriter failed"))


def _is_memory(error: BaseException) -> bool:
    import torch

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "can't allocate memory" in str(error) or "out of memory" in str(error)
