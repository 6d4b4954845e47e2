"""Which number format a device computes in natively; formats that it would only emulate are never chosen."""

from __future__ import annotations

import time
from functools import cache
from typing import Any, Final, Literal

Precision = Literal["bf16", "fp16", "fp32"]
_NATIVE_BF16: Final = (8, 0)  # CUDA capability; torch.cuda.is_bf16_supported() counts emulation
_GAIN: Final = 2.0  # of one product on a CPU; with 1.7 a whole step gained nothing, for the conversions around it
_ROWS: Final = 512  # tokens of the probe's batch


def device_name() -> str:
    """Where models go: this process's GPU, else the CPU."""
    import os

    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


def choose_precision(wanted: bool | Literal["auto"], width: int = 1024) -> Precision:
    """bf16 where it is native (or wanted), else fp16 with a loss scaler on CUDA, and fp32 on a CPU.

    `width`: the model's hidden size; small products gain nothing on a CPU.
    """
    bf16 = native_bf16(width) if wanted == "auto" else wanted
    return "bf16" if bf16 else "fp16" if device_name() != "cpu" else "fp32"


def native_bf16(width: int = 1024) -> bool:
    """By the capability of a GPU; for a CPU by trying."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.get_device_capability() >= _NATIVE_BF16)
    return _cpu_gain(width) >= _GAIN


def torch_dtype(precision: Precision) -> Any:
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


@cache
def _cpu_gain(width: int) -> float:
    """How many times faster a product in bf16 is, conversions of the activations included."""
    import torch

    x, w = torch.ones(_ROWS, width), torch.ones(width, width)
    half = w.bfloat16()
    return _seconds(lambda: x @ w) / _seconds(lambda: (x.bfloat16() @ half).float())


def _seconds(work: Any) -> float:
    times = []
    for _ in range(6):  # the first ones set up kernels and threads
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
