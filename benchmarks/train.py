"""Trained tokens per CPU-second: packed training, padded batches, and TRL's SFTTrainer, in one run.

    python -m benchmarks.train [--data lamini_docs ...] [--tokens 8000] [--runs 2] [--out benchmarks/results/train.json]

A random Llama of 4 M parameters, LoRA on all linear layers, fp32, one thread, one epoch over TOKENS tokens in rows of
the lengths in benchmarks/row_lengths.json (drawn at random), filled with random tokens. CPU seconds are
user + system of this process around trainer.train() alone, the best of the runs; the arms take turns. TRL is left
out, and said so, where it is not installed (pip install --no-deps trl==1.16.0).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from benchmarks import row_lengths
from train.batches import Batches, Shape
from train.config import TrainingConfig
from train.encode import IGNORED, Encoded, encoded_dataset
from train.model.adapter import new_adapter
from train.model.attention import register_packed

VOCABULARY: Final = 2_048
BATCH: Final = 8  # rows of a padded batch: TRL's default
LONGEST: Final = 1_024  # tokens of a row, and of a packed sequence: TRL's default
CONFIG: Final = TrainingConfig(base_model="random", quantization="none", bf16=False, lora_dropout=0.0)


def rows_of(name: str, count: int) -> list[Encoded]:
    """Rows of real lengths and random tokens, `count` tokens in all; rows over LONGEST are left out."""
    chance = random.Random(1)
    known = [pair for pair in json.loads(row_lengths.OUT.read_text("utf-8"))[name] if pair[0] <= LONGEST]
    chance.shuffle(known)
    rows: list[Encoded] = []
    while sum(len(row.input_ids) for row in rows) < count:
        tokens, trained = known[len(rows)]
        ids = [chance.randrange(4, VOCABULARY) for _ in range(tokens)]
        labels = [IGNORED] * (tokens - trained) + ids[-trained:]
        rows.append(Encoded(str(UUID(int=len(rows))), ids, labels, trained))
    return rows


def model(attention: str) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=LONGEST,
        attn_implementation=attention,
    )
    return LlamaForCausalLM(config).requires_grad_(False)


def ours(rows: Sequence[Encoded], out: str, *, packing: bool) -> Any:
    """The trainer of curate train, its checks, losses by row and progress included."""
    from transformers import TrainingArguments

    from curation.progress import Silent
    from train.trainer import AnswerTrainer, Watch
    from train.watch import StopRequest

    adapted = new_adapter(model(register_packed() if packing else "sdpa"), CONFIG)
    arguments = TrainingArguments(
        out, num_train_epochs=1, logging_steps=10, save_strategy="no", use_cpu=True, disable_tqdm=True,
        remove_unused_columns=False, optim="adamw_torch",
    )  # fmt: skip
    shape = Shape(1 if packing else BATCH, LONGEST, packing)
    trainer = AnswerTrainer(adapted, arguments, (Batches(encoded_dataset(rows), shape, seed=1), None), "fp32")
    trainer.add_callback(Watch(trainer, StopRequest(), Silent(), None, lambda *_: None))
    return trainer


def plain(rows: Sequence[Encoded], out: str) -> Any:
    """transformers.Trainer with padded batches in random order, and the head on all tokens."""
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    adapted = new_adapter(model("sdpa"), CONFIG)
    arguments = TrainingArguments(
        out, num_train_epochs=1, logging_steps=10, save_strategy="no", use_cpu=True, disable_tqdm=True,
        per_device_train_batch_size=BATCH, optim="adamw_torch",
    )  # fmt: skip
    columns = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    return Trainer(
        adapted, arguments, data_collator=DataCollatorForSeq2Seq(_tokenizer()), train_dataset=Dataset.from_dict(columns)
    )


def trl(rows: Sequence[Encoded], out: str, **changes: Any) -> Any:
    """SFTTrainer as it comes, but in fp32 like the others; `changes`: of its config."""
    from datasets import Dataset
    from peft import LoraConfig

    found = import_module("trl")
    arguments = found.SFTConfig(
        out, num_train_epochs=1, save_strategy="no", use_cpu=True, bf16=False, report_to="none", disable_tqdm=True,
        **changes,
    )  # fmt: skip
    columns = {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    lora = LoraConfig(task_type="CAUSAL_LM", r=CONFIG.lora_r, lora_alpha=CONFIG.lora_alpha, target_modules="all-linear")
    return found.SFTTrainer(
        model("sdpa"), arguments, train_dataset=Dataset.from_dict(columns), processing_class=_tokenizer(),
        peft_config=lora,
    )  # fmt: skip


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"<{number}>": number for number in range(VOCABULARY)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<1>")), pad_token="<0>", eos_token="<2>"
    )


ARMS: Final[dict[str, Callable[[Sequence[Encoded], str], Any]]] = {
    "curate, packed": lambda rows, out: ours(rows, out, packing=True),
    "curate, packing: false (sorted by length)": lambda rows, out: ours(rows, out, packing=False),
    "transformers.Trainer, padded": plain,
}
TRL_ARMS: Final[dict[str, Callable[[Sequence[Encoded], str], Any]]] = {
    "TRL, defaults": trl,
    "TRL, no checkpointing, sorted by length": lambda rows, out: trl(
        rows, out, gradient_checkpointing=False, train_sampling_strategy="group_by_length"
    ),
}


def measured(rows: Sequence[Encoded], runs: int) -> dict[str, Any]:
    arms = ARMS | (TRL_ARMS if find_spec("trl") else {})
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(runs):
        for name, made in arms.items():
            with tempfile.TemporaryDirectory() as out:
                trainer = made(rows, out)
                start = time.process_time()
                trainer.train()
                spent[name].append(time.process_time() - start)
    trained = sum(row.trained for row in rows)
    rates = {name: trained / min(seconds) for name, seconds in spent.items()}
    packed = rates["curate, packed"]
    return {
        "rows": len(rows),
        "tokens": sum(len(row.input_ids) for row in rows),
        "trained_tokens": trained,
        "cpu_seconds": {name: [round(one, 2) for one in seconds] for name, seconds in spent.items()},
        "trained_tokens_per_cpu_second": {name: round(rate) for name, rate in rates.items()},
        "packed_against": {name: round(packed / rate, 2) for name, rate in rates.items()},
    }


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in ("torch", "transformers", "peft", "trl"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def main() -> None:
    import torch
    from transformers.utils import logging

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["lamini_docs", "oasst_guanaco_text", "sample"])
    parser.add_argument("--tokens", type=int, default=8_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    parameters = sum(weight.numel() for weight in model("sdpa").parameters())
    result: dict[str, Any] = {"packages": versions(), "parameters": parameters, "runs": args.runs}
    result["data"] = {name: measured(rows_of(name, args.tokens), args.runs) for name in args.data}
    text = json.dumps(result, indent=2)
    if args.out:
        args.out.write_text(f"{text}\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
