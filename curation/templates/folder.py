"""What a tokenizer's folder says about its chat template and its special tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from curation.errors import ConfigError

_TOKENS: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FILES: Final = ("tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class ChatFiles:
    """`source` is Jinja; `tokens` are the named special tokens, `special` all of them."""

    source: str
    tokens: dict[str, str]
    special: tuple[str, ...]


def read_chat_files(path: Path) -> ChatFiles:
    """The chat template of a tokenizer's folder, or of one .jinja or .json file and the folder around it."""
    folder = path if path.is_dir() else path.parent
    config = read_json(folder / _FILES[0])
    source = _source(path, folder, config)
    tokens = special_tokens(folder)
    added = config.get("added_tokens_decoder")
    listed = added.values() if isinstance(added, dict) else ()
    special = {entry["content"] for entry in listed if isinstance(entry, dict) and entry.get("special")}
    return ChatFiles(source, tokens, tuple(sorted({*special, *tokens.values()})))


def special_tokens(folder: Path) -> dict[str, str]:
    """bos_token, eos_token and so on, as far as the folder names them."""
    tokens: dict[str, str] = {}
    for name in reversed(_FILES):
        config = read_json(folder / name)
        for key in _TOKENS:
            value = config.get(key)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str) and text:
                tokens[key] = text
    return tokens


def _source(path: Path, folder: Path, config: dict[str, Any]) -> str:
    if path.is_file() and path.suffix != ".json":
        return _text(path)
    if path.is_file():
        return _named(read_json(path).get("chat_template"), path)
    if (folder / "chat_template.jinja").is_file():
        return _text(folder / "chat_template.jinja")
    for name, content in ((_FILES[0], config), ("chat_template.json", read_json(folder / "chat_template.json"))):
        if content.get("chat_template"):
            return _named(content["chat_template"], folder / name)
    raise ConfigError(f"{folder}: no chat template here; name a built-in template instead, for example chatml")


def _named(value: Any, path: Path) -> str:
    """A template, or the one called "default" of several."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        for entry in value:
            if isinstance(entry, dict) and entry.get("name") == "default" and isinstance(entry.get("template"), str):
                return str(entry["template"])
    raise ConfigError(f'{path}: "chat_template" is not a text, nor a list with one called "default"; repair the file')


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text ({error}); name another template") from None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no file, or something else in it."""
    if not path.is_file():
        return {}
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{path}: is not JSON ({error}); repair or remove the file") from None
    return value if isinstance(value, dict) else {}
