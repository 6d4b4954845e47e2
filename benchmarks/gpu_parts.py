"""The parts of benchmarks.gpu_train, one a process: `python -m benchmarks.gpu_parts PART` prints one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import torch
from transformers import LlamaForCausalLM, TrainerCallback, TrainingArguments

from benchmarks.gpu_model import TINY, Size, random_model, rows_of, shape
from curation.progress import Silent
from train.batches import Batches, Shape, flattened
from train.config import TrainingConfig
from train.encode import IGNORED, Encoded, encoded_dataset
from train.estimate import estimate
from train.loss import row_sums, token_losses
from train.model.adapter import new_adapter
from train.model.attention import register_packed
from train.model.precision import choose_precision, device_name, torch_dtype
from train.trainer import AnswerTrainer, Watch
from train.watch import StopRequest

_WARM: Final = 2  # steps before the clock starts
_THEIR_BATCH: Final = 8  # rows: TRL's default


def _steps(size: Size, longest: int) -> int:
    """Fewer of the long ones: the whole call has nine minutes."""
    return max(2, size.steps * 2048 // longest)


class Meter(TrainerCallback):  # type: ignore[misc]
    """Tokens (padding left out), trained tokens, seconds, and steps, from the end of step _WARM on."""

    def __init__(self, trainer: Any, steps: int) -> None:
        self.steps, self.tokens, self.trained, self.began, self.seconds = steps, 0, 0, 0.0, 0.0
        self._loaded = torch.cuda.memory_allocated() if _cuda() else 0  # the model alone, if nothing else was left over
        self._inner = trainer.training_step
        trainer.training_step = self._step
        trainer.add_callback(self)

    def _step(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        if self.began:
            mask, labels = inputs.get("attention_mask"), inputs.get("labels")
            self.tokens += int(mask.sum()) if mask is not None else inputs["input_ids"].numel()
            self.trained += int((labels[:, 1:] != IGNORED).sum()) if labels is not None else inputs["trained"]
        return self._inner(model, inputs, *rest, **named)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if state.global_step == _WARM:
            self.began = time.perf_counter()
        self.seconds = time.perf_counter() - self.began
        control.should_training_stop = state.global_step >= _WARM + self.steps

    def told(self) -> dict[str, Any]:
        return {
            "tokens_per_second": round(self.tokens / self.seconds),
            "trained_tokens_per_second": round(self.trained / self.seconds),
            "tokens": self.tokens,
            "loaded_gib": round(self._loaded / 2**30, 2) if _cuda() else None,
            "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if _cuda() else None,
        }


def _cuda() -> bool:
    return bool(torch.cuda.is_available())


def _fresh() -> None:
    import gc

    gc.collect()
    if _cuda():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _ours(size: Size, model: Any, rows: Sequence[Encoded], config: TrainingConfig, out: str, **changes: Any) -> Any:
    """The trainer of curate train, with its checks, losses by row and progress."""
    precision = choose_precision("auto", size.hidden)
    arguments = TrainingArguments(
        out,
        optim="paged_adamw_8bit" if _cuda() else "adamw_torch",
        **{"num_train_epochs": 100, "save_strategy": "no", "gradient_accumulation_steps": 4, **changes},
        use_cpu=not _cuda(),
        fp16=precision == "fp16",
        use_liger_kernel=_cuda() and find_spec("liger_kernel") is not None,
        liger_kernel_config={"fused_linear_cross_entropy": False},
        logging_steps=10,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
    )
    packs = Shape(config.per_device_train_batch_size, config.max_length, True, arguments.gradient_accumulation_steps)
    trainer = AnswerTrainer(
        new_adapter(model, config), arguments, (Batches(encoded_dataset(rows), packs, seed=1), None), precision
    )
    trainer.add_callback(Watch(trainer, StopRequest(), Silent(), None, lambda *_: None))
    return trainer


def _config(size: Size, longest: int, checkpointing: bool) -> TrainingConfig:
    return TrainingConfig(
        base_model="random",
        max_length=round(longest * size.scale),
        per_device_train_batch_size=1,
        lora_dropout=0.0,
        activation_checkpointing=checkpointing,
        optim="paged_adamw_8bit" if _cuda() else "adamw_torch",
    )


def ours(size: Size, longest: int) -> dict[str, Any]:
    """Packed, one sequence a batch, four batches a step; without and with activation checkpointing."""
    found: dict[str, Any] = {"shape": f"1 x {longest} packed, 4 a step", "row_lengths_times": longest // 2048}
    rows = rows_of(size, longest, 40 * longest)
    for name, checkpointing in (("no checkpointing", False), ("activation checkpointing", True)):
        _fresh()
        model = random_model(size, register_packed())
        _fresh()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        config = _config(size, longest, checkpointing)
        with tempfile.TemporaryDirectory() as out:
            trainer = _ours(size, model, rows, config, out)
            meter = Meter(trainer, _steps(size, longest))
            trainer.train()
        found[name] = meter.told() | {"estimate_gib": _estimated(size, config, rows, checkpointing)}
        del trainer, model, meter  # else the next one's peak has this model in it
    return found


def _estimated(size: Size, config: TrainingConfig, rows: Sequence[Encoded], checkpointing: bool) -> float:
    """What `curate train --check` would have said."""
    with torch.device("meta"):
        shapes = {name: tuple(w.shape) for name, w in LlamaForCausalLM(shape(size)).named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        shape(size).save_pretrained(folder)
        told = estimate(config, Path(folder), shapes, [(len(row.input_ids), row.trained) for row in rows])
    return round(told.total(checkpointing=checkpointing) / 2**30, 2)


def theirs(size: Size, longest: int) -> dict[str, Any]:
    """TRL at its defaults and at its best where it is installed, else plain transformers and peft."""
    rows = rows_of(size, longest, 40 * longest)
    if not find_spec("trl"):
        return {"plain transformers + peft": _their_arm(size, rows, longest, _plain, {})}
    best: dict[str, Any] = {"packing": True, "use_liger_kernel": find_spec("liger_kernel") is not None}
    flash = "flash_attention_2" if find_spec("flash_attn") else "sdpa"
    if flash == "sdpa":
        best = {**best, "packing": False, "train_sampling_strategy": "group_by_length"}  # packed rows would bleed
    told = {"TRL, defaults": _their_arm(size, rows, longest, _trl, {})}
    return told | {f"TRL, {best}, {flash}": _their_arm(size, rows, longest, _trl, best, flash)}


def _their_arm(
    size: Size, rows: Sequence[Encoded], longest: int, made: Callable[..., Any], changes: dict[str, Any],
    attention: str = "sdpa",
) -> dict[str, Any]:  # fmt: skip
    _fresh()
    model = random_model(size, attention)
    _fresh()
    try:
        with tempfile.TemporaryDirectory() as out:
            trainer = made(model, rows, out, max_length=round(longest * size.scale), **changes)
            meter = Meter(trainer, _steps(size, longest))
            trainer.train()
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    return meter.told()


def _trl(model: Any, rows: Sequence[Encoded], out: str, **changes: Any) -> Any:
    trl, peft = import_module("trl"), import_module("peft")
    arguments = trl.SFTConfig(
        out, num_train_epochs=100, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=not _cuda(),
        **({} if _cuda() else {"bf16": False}), **changes,
    )  # fmt: skip
    lora = peft.LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    return trl.SFTTrainer(
        model, arguments, train_dataset=_dataset(rows), processing_class=_tokenizer(), peft_config=lora
    )


def _plain(model: Any, rows: Sequence[Encoded], out: str, max_length: int) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import DataCollatorForSeq2Seq, Trainer

    arguments = TrainingArguments(
        out, num_train_epochs=100, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=not _cuda(),
        per_device_train_batch_size=_THEIR_BATCH, bf16=_cuda(), gradient_checkpointing=True,
    )  # fmt: skip
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    adapted = get_peft_model(prepare_model_for_kbit_training(model), lora)
    items = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows]
    return Trainer(adapted, arguments, train_dataset=items, data_collator=DataCollatorForSeq2Seq(_tokenizer()))


def _dataset(rows: Sequence[Encoded]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict({"input_ids": [r.input_ids for r in rows], "labels": [r.labels for r in rows]})


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"<0>": 0, "<1>": 1, "<2>": 2}, unk_token="<1>"))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<0>", eos_token="<2>")


def checks(size: Size) -> dict[str, Any]:
    return {"precision": _precision(size), "packing": _packing(size), "resume": _resume(size)}


def _precision(size: Size) -> dict[str, Any]:
    told: dict[str, Any] = {"chosen": choose_precision("auto", size.hidden), "device": device_name()}
    if _cuda():
        capability = torch.cuda.get_device_capability()
        told |= {"device": torch.cuda.get_device_name(), "capability": capability}
        told["torch_says_bf16"] = torch.cuda.is_bf16_supported()
    return told


def _packing(size: Size) -> dict[str, Any]:
    """Largest difference of a row's mean loss: in a pack, alone in the same format, and alone in fp32."""
    small = replace(size, layers=2)
    rows = rows_of(size, 2048, 8 * 2048)
    half = torch_dtype(choose_precision("auto", size.hidden))
    exact = _row_losses(random_model(small, nf4=False, dtype=torch.float32), [[row] for row in rows], packed=False)
    alone = _row_losses(random_model(small, nf4=False, dtype=half), [[row] for row in rows], packed=False)
    model = random_model(small, register_packed(), nf4=False, dtype=half)
    packed = _row_losses(model, [rows], packed=True)
    others = _row_losses(model, [[*rows[1:], rows[0]]], packed=True)
    bled = _row_losses(model, [rows], packed=True, one_row=True)

    def apart(a: Any, b: Any) -> float:
        return float((a - b).abs().max())

    return {
        "rows": len(rows),
        "packed_to_alone": apart(packed, alone),
        "packed_to_fp32": apart(packed, exact),
        "alone_to_fp32": apart(alone, exact),
        "packed_in_another_order": apart(packed, others.roll(1)),
        "if_rows_saw_each_other": apart(bled, packed),  # what the test would show
    }


def _row_losses(model: Any, packs: list[list[Encoded]], *, packed: bool, one_row: bool = False) -> Any:
    found = []
    for pack in packs:
        batch = {key: v.to(device_name()) if hasattr(v, "to") else v for key, v in flattened(pack).items()}
        if one_row:
            ends = batch["cu_seq_lens_q"][[0, -1]]
            batch |= {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": int(ends[1])}
        if not packed:
            batch = {key: value for key, value in batch.items() if "_seq_lens_" not in key and "max_length" not in key}
        with torch.no_grad():
            sums, counts = row_sums(token_losses(model, batch, model.lm_head), batch)
        found.append(sums / counts)
    return torch.cat(found).double().cpu()


def _resume(size: Size) -> dict[str, Any]:
    """Six steps in one go twice, and once from the checkpoint of step three: largest difference of a LoRA weight."""
    small = replace(size, layers=2, hidden=min(size.hidden, 1024), inner=min(size.inner, 2048), heads=8)
    small = replace(small, vocabulary=min(size.vocabulary, 8192), key_value_heads=min(size.key_value_heads, 4))
    rows = rows_of(replace(small, scale=size.scale), 2048, 60 * 512)
    config = replace(_config(size, 2048, False), lora_dropout=0.1)
    saved = {"max_steps": 6, "num_train_epochs": 1, "save_strategy": "steps", "save_steps": 3}

    def trained(out: str, on: str | None = None) -> dict[str, Any]:
        model = random_model(small, register_packed())
        trainer = _ours(small, model, rows, config, out, **saved, gradient_accumulation_steps=2)
        if on:
            trainer.history.restore(Path(on), visits=True)
        trainer.train(resume_from_checkpoint=on)
        return {name: w.detach().float().cpu() for name, w in trainer.model.named_parameters() if w.requires_grad}

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, again = trained(one), trained(two)
        resumed = trained(two, f"{one}/checkpoint-3")
    moved = max(float(weight.abs().max()) for name, weight in first.items() if "lora_B" in name)
    apart = {"again": again, "resumed": resumed}
    told = {key: max(float((first[n] - w).abs().max()) for n, w in other.items()) for key, other in apart.items()}
    return {"largest_difference": told, "largest_lora_b": moved}


def whole(size: Size, export: Path | None) -> dict[str, Any]:
    """`curate train` from the rows of an export to an adapter on disk, on data/demo_model."""
    if export is None:
        return {"not_run": "give --export FOLDER"}
    import pyarrow as pa

    from curation.runs import RunPlace
    from curation.source import Source
    from train.run import train

    def table(split: str) -> Any:
        lines = (export / f"{split}.jsonl").read_text("utf-8").splitlines()
        told = [json.loads(line)["messages"] for line in lines[: 40 if size == TINY else None]]
        rows = [
            {"row_id": str(UUID(int=i)), "messages": [{k: m[k] for k in ("role", "content")} for m in messages]}
            for i, messages in enumerate(told)
        ]
        return pa.Table.from_pylist([{**row, "meta": b"{}"} for row in rows])

    tables = {split: table(split) for split in ("train", "validation")}
    base = Path(__file__).parents[1] / "data" / "demo_model"
    config = TrainingConfig(
        base_model=str(base), max_length=512, lora_r=64, lora_alpha=128, learning_rate=2e-3, lora_dropout=0.0,
        max_steps=size.steps * 20 if size != TINY else 2, per_device_train_batch_size=4, gradient_accumulation_steps=1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as out:
        place = RunPlace(Path(out) / "experiments", Path(out) / "journal.sqlite")
        done = train(config, Source("pack", export, "export", "0" * 64, {}, tables), place)
        files = sorted(path.name for path in (done.folder / "adapter").iterdir())
    return {"metrics": dict(done.run.metrics), "precision": done.run.hardware["precision"], "adapter": files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part")
    parser.add_argument("--export", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    args = parser.parse_args()
    size = TINY if args.dry_run else Size()
    name, _, longest = args.part.partition(" ")
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "checks": lambda: checks(size),
        "curate": lambda: ours(size, int(longest)),
        "theirs": lambda: theirs(size, int(longest)),
        "whole": lambda: whole(size, args.export),
    }
    found = parts[name]()
    assert not any(sys.modules.get(name) for name in ("duckdb", "curation.store.database"))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
