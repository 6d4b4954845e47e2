"""Any other layout: the recipe names the fields of prompt, answer and system; dots reach inside objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from curation.formats.errors import FormatError


def converter(mapping: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A `convert` for these fields. Several prompt fields are joined by newline, empty ones left out."""
    prompt = mapping["prompt"]
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    answer, system = mapping["answer"], mapping.get("system")
    used = [*prompts, answer, *([system] if system else [])]

    def convert(obj: dict[str, Any]) -> dict[str, Any]:
        messages = []
        if system and (text := _text(obj, system, optional=True)):
            messages.append({"role": "system", "content": text})
        texts = [_text(obj, name, optional=len(prompts) > 1) for name in prompts]
        messages.append({"role": "user", "content": "\n".join(filter(None, texts))})
        messages.append({"role": "assistant", "content": _text(obj, answer)})
        meta = obj
        for name in used:
            meta = _without(meta, _path(obj, name))
        return {"messages": messages, "meta": meta}

    return convert


def _path(obj: dict[str, Any], name: str) -> list[str]:
    """A field whose own name has dots comes before one inside objects."""
    return [name] if name in obj else name.split(".")


def _text(obj: dict[str, Any], name: str, *, optional: bool = False) -> str:
    value: Any = obj
    for key in _path(obj, name):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif optional:
            return ""
        else:
            seen = ", ".join(map(str, obj))
            raise FormatError("missing_field", f'no field "{name}"; the row has {seen}')
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError("wrong_type", f'field "{name}" holds {type(value).__name__}, not text; map a text field')
    return value


def _without(value: Any, path: Sequence[str]) -> Any:
    """A copy less one leaf. A list stays whole, since taking an element out would rename the others."""
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) > 1:
        left = _without(value[path[0]], path[1:])
        if left != {}:
            return {k: left if k == path[0] else v for k, v in value.items()}
    return {k: v for k, v in value.items() if k != path[0]}
