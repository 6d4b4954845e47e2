"""A recipe's nested settings as one flat mapping, the way people name them: near.threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat_settings(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat.update(flat_settings(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item
    return flat
