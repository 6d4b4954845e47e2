"""LoRA on 4-bit layers on a CPU as one step; the frozen weights leave their 4 bits once, not twice a pass."""

from __future__ import annotations

from typing import Any, Final

import torch

ROOM: Final = 2 << 30  # bytes of frozen weights in fp32 that are held; a model above it stays in its 4 bits


def fuse_on_cpu(model: Any) -> int:
    """Let every LoRA layer that fits compute as `_Fused`, the same numbers but for rounding; gives how many do.

    Those fit that are plain LoRA without dropout on NF4 weights in main memory, all computed in fp32. They go back to
    peft's own way where the adapter is disabled, merged, or not the only one.
    """
    layers = [layer for layer in model.modules() if _fits(layer)]
    if sum(_size(layer) for layer in layers) * 4 > ROOM:
        return 0
    for layer in layers:
        layer.forward = _Forward(layer)
    return len(layers)


def _fits(layer: Any) -> bool:
    if type(layer).__name__ != "Linear4bit" or not hasattr(layer, "lora_A"):
        return False
    weight, adapters = layer.get_base_layer().weight, list(layer.lora_A)
    return bool(
        len(adapters) == 1
        and weight.device.type == "cpu"
        and weight.dtype == torch.uint8  # else stored so that it can be cut up (FSDP)
        and weight.quant_state is not None
        and weight.quant_state.dtype == torch.float32
        and layer.lora_A[adapters[0]].weight.dtype == torch.float32
        and not layer.lora_variant
        and not layer.lora_bias[adapters[0]]
        and isinstance(layer.lora_dropout[adapters[0]], torch.nn.Identity)
    )


def _size(layer: Any) -> int:
    rows, columns = layer.get_base_layer().weight.quant_state.shape
    return int(rows * columns)


class _Forward:
    """In the place of a layer's forward."""

    def __init__(self, layer: Any) -> None:
        from bitsandbytes.functional import dequantize_4bit

        base = layer.get_base_layer()
        self._layer, self._plain, self._bias = layer, layer.forward, base.bias
        self._weight = dequantize_4bit(base.weight.data, base.weight.quant_state)
        (self._adapter,) = layer.lora_A

    def __call__(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        layer = self._layer
        own = layer.active_adapters == [self._adapter] and not (layer.disable_adapters or layer.merged)
        if args or kwargs or not own or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            plain: torch.Tensor = self._plain(x, *args, **kwargs)
            return plain
        a, b = (part[self._adapter].weight for part in (layer.lora_A, layer.lora_B))
        result: torch.Tensor = _Fused.apply(x, self._weight, a, b, layer.scaling[self._adapter])
        return result if self._bias is None else result + self._bias


class _Fused(torch.autograd.Function):  # type: ignore[misc]
    """x W' + s (x A') B', the sum made in place; W has no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, a: Any, b: Any, scale: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        inner = rows @ a.t()
        result = (rows @ weight.t()).addmm_(inner, b.t(), alpha=scale)
        ctx.save_for_backward(rows, weight, a, b, inner)
        ctx.scale, ctx.shape = scale, x.shape
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, weight, a, b, inner = ctx.saved_tensors
        after = gradients[0].reshape(-1, gradients[0].shape[-1])
        at_inner = (after @ b).mul_(ctx.scale)
        before = None
        if ctx.needs_input_grad[0]:
            before = (after @ weight).addmm_(at_inner, a).view(ctx.shape)
        return before, None, at_inner.t() @ rows, (after.t() @ inner).mul_(ctx.scale), None
