"""Tries out what a training needs: torch on its device, and bitsandbytes' 4-bit layer. Loads torch: takes seconds."""

from __future__ import annotations

from curation.doctor import Finding

_WRONG = 0.2  # mean error of 4-bit weights, relative to their spread, above which the layer does not work


def tried() -> list[Finding]:
    """ImportError where the extra [train] is missing."""
    import torch

    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    name = torch.cuda.get_device_name(0) if cuda else "CPU"
    found = [Finding("torch", "ok", f"{torch.__version__} on {name}, {torch.get_num_threads()} threads")]
    try:
        found.append(_four_bit(device))
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        found.append(
            Finding("bitsandbytes", "broken", told, "pip install --force-reinstall bitsandbytes, or quantization: none")
        )
    return found


def _four_bit(device: str) -> Finding:
    import bitsandbytes as bnb
    import torch

    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 64, bias=False)
    packed = bnb.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    packed.load_state_dict(layer.state_dict())
    packed = packed.to(device)
    packed.support_avx512bf16_for_cpu = False  # as every model that is loaded here: see train.model.load
    ones = torch.randn(8, 64)
    with torch.no_grad():
        expected, got = layer(ones), packed(ones.to(device)).float().cpu()
    error = float((expected - got).abs().mean() / expected.std())
    if not error < _WRONG:
        told = f"a 4-bit layer gives wrong numbers (error {error:.2f})"
        return Finding(
            "bitsandbytes", "broken", told, "pip install --force-reinstall bitsandbytes, or quantization: none"
        )
    return Finding(
        "bitsandbytes", "ok", f"{bnb.__version__}: a 4-bit layer on {device} is within {error:.2f} of the exact one"
    )
