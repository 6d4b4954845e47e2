"""A recipe's nested settings as one flat mapping, the way people name them: near.threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def flat_settings(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat.update(flat_settings(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def as_yaml(value: Any) -> str:
    """A value on one line, as a recipe says it."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n...\n").strip()


def setting_text(value: Any) -> str:
    """A setting as people are told it: of a list of steps or stages, what is null goes unsaid."""
    if isinstance(value, (list, tuple)):
        value = [_said(item) for item in value]
    return as_yaml(value)


def _said(item: Any) -> Any:
    return {key: value for key, value in item.items() if value is not None} if isinstance(item, Mapping) else item
