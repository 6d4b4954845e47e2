"""Whether an adapter's weights fit a base model, told from shapes alone: the base's weights are not loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from curation.errors import ConfigError
from curation.templates.folder import read_json
from train.model.folder import tensor_shapes

Shapes = Mapping[str, tuple[int, ...]]

_LORA: Final = re.compile(r"(.+)\.lora_(A|B|embedding_A|embedding_B)(\.weight)?")
_PREFIX: Final = "base_model.model."
# With these an adapter may leave layers out on purpose.
_PARTIAL: Final = ("layers_to_transform", "layers_pattern", "exclude_modules", "target_parameters", "layer_replication")


def require_fit(adapter: Path, base: Path) -> None:
    """ConfigError where a LoRA of the folder `adapter` was not made for the model in `base`, or holds no numbers."""
    config, found = read_json(adapter / "adapter_config.json"), tensor_shapes(adapter)
    flipped = bool(config.get("fan_in_fan_out"))
    pairs, whole = _sorted_out(adapter, found)
    known = _base_shapes(base)
    missing = [module for module in [*pairs, *whole] if module not in known]
    if missing:
        raise _another(adapter, base, f"its layer {missing[0]} is not there ({len(missing)} of {len(pairs)} are not)")
    for module, sides in pairs.items():
        wanted = known[module][::-1] if flipped else known[module]
        made_for = _made_for(sides)
        if made_for is not None and made_for != wanted:
            raise _another(adapter, base, f"{module} is {_shown(wanted)}, the adapter is for {_shown(made_for)}")
    for module, shape in whole.items():
        if shape != known[module]:
            raise _another(adapter, base, f"{module} is {_shown(known[module])}, the adapter's is {_shown(shape)}")
    _require_all_layers(adapter, base, config, pairs, known)
    _require_numbers(adapter)


def _sorted_out(
    adapter: Path, found: Shapes
) -> tuple[dict[str, dict[str, tuple[int, ...]]], dict[str, tuple[int, ...]]]:
    """Module -> its low-rank sides, and the modules that the adapter brings whole (modules_to_save)."""
    pairs: dict[str, dict[str, tuple[int, ...]]] = {}
    whole: dict[str, tuple[int, ...]] = {}
    for name, shape in found.items():
        bare = name.removeprefix(_PREFIX)
        if match := _LORA.fullmatch(bare):
            pairs.setdefault(match[1], {})[match[2]] = shape
        elif bare.endswith(".weight") and len(shape) == 2:
            whole[bare.removesuffix(".weight")] = shape
    if not pairs:
        raise ConfigError(
            f"{adapter}: adapter_model.safetensors holds no LoRA weights; name the folder of a LoRA adapter"
        )
    return pairs, whole


def _made_for(sides: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    """The (out, in) of the weight that a pair is for; of an embedding (rows, width)."""
    if "A" in sides and "B" in sides:
        return sides["B"][0], sides["A"][1]
    if "embedding_A" in sides and "embedding_B" in sides:
        return sides["embedding_A"][1], sides["embedding_B"][0]
    return None


def _require_all_layers(
    adapter: Path, base: Path, config: Mapping[str, Any], pairs: Mapping[str, Any], known: Shapes
) -> None:
    """An adapter for a shallower model of the same width fits every layer it knows; the rest gives it away."""
    if isinstance(config.get("target_modules"), str) or any(config.get(key) for key in _PARTIAL):
        return
    kinds = {re.sub(r"\.\d+\.", ".*.", module) for module in pairs if re.search(r"\.\d+\.", module)}
    same = [module for module in known if re.sub(r"\.\d+\.", ".*.", module) in kinds]
    left_out = [module for module in same if module not in pairs]
    if left_out:
        raise _another(adapter, base, f"it has nothing for {left_out[0]} ({len(left_out)} of {len(same)} such layers)")


def _require_numbers(adapter: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for name, weight in load_file(adapter / "adapter_model.safetensors").items():
        if not torch.isfinite(weight).all():
            raise ConfigError(f"{adapter}: {name} holds values that are no numbers; its training diverged")


def _base_shapes(base: Path) -> dict[str, tuple[int, ...]]:
    """Module -> shape of its weight, of the model as transformers builds it from its config, without memory for it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base, local_files_only=True)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{base}: is not a causal language model that transformers knows ({reason})") from None
    parameters = model.named_parameters(remove_duplicate=False)  # a tied head is a module of its own
    return {name.removesuffix(".weight"): tuple(p.shape) for name, p in parameters if name.endswith(".weight")}


def _another(adapter: Path, base: Path, why: str) -> ConfigError:
    return ConfigError(f"{adapter}: is an adapter for another base model than {base}: {why}; name its own with --base")


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
