"""Small trainings: a version of few rows as Arrow tables, and encoded rows of random tokens."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from curation.runs import RunPlace
from curation.source import Source
from train.config import TrainingConfig
from train.encode import IGNORED, Encoded

# Seconds on one core, and the same on every machine: fp32, nothing quantised.
SMALL: Mapping[str, Any] = {
    "quantization": "none",
    "bf16": False,
    "max_length": 64,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "lora_r": 4,
    "learning_rate": 1e-2,
    "logging_steps": 2,
    "num_train_epochs": 2,
}


def source(train: int = 24, validation: int = 6) -> Source:
    return Source(
        "store", Path(), "v1", "ab" * 16, {}, {"train": _table(train, 1), "validation": _table(validation, 2)}
    )


def _table(count: int, seed: int) -> Any:
    chance = random.Random(seed)
    rows = [
        {
            "row_id": str(UUID(int=chance.getrandbits(128))),
            "cluster": number,
            "messages": [
                {"role": "user", "content": "What is the code of machine? " * chance.randint(1, 3)},
                {"role": "assistant", "content": f"The code is {chance.randint(1, 99)}." * chance.randint(1, 2)},
            ],
            "meta": b"{}",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(
        rows,
        pa.schema({"row_id": pa.string(), "cluster": pa.int64(), "messages": pa.list_(_MESSAGE), "meta": pa.binary()}),
    )


_MESSAGE = pa.struct({"role": pa.string(), "content": pa.string()})


def small(base: Path, **changes: Any) -> TrainingConfig:
    return TrainingConfig(base_model=str(base), **{**SMALL, **changes})


def place(root: Path) -> RunPlace:
    return RunPlace(root / "experiments", root / "journal.sqlite")


def encoded(count: int, longest: int = 60, seed: int = 0, vocabulary: int = 500) -> list[Encoded]:
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        length = chance.randint(4, longest)
        ids = [1, *(chance.randint(7, vocabulary - 1) for _ in range(length - 1))]
        prompt = chance.randint(1, length - 1)
        rows.append(Encoded(str(UUID(int=number)), ids, [IGNORED] * prompt + ids[prompt:], length - prompt))
    return rows
