"""JSON Schema checks: jsonschema-rs decides, jsonschema (loaded for failures only) explains with JSON pointers."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from curation.errors import ConfigError

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "schemas"
_SHOWN: Final = 60
_TYPES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
# Words found in role names of the wild that no close spelling leads to the right role.
_ROLE_HINTS: Final = {
    "assistant": ("gpt", "bot", "model", "claude", "llama", "assist", "answer", "agent"),
    "user": ("human", "prompter", "customer", "client", "question"),
}


class Validator:
    """One schema, compiled once. References to anything outside the file are refused; nothing is fetched."""

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.schema = _load(path, _read(path) if content is None else content)
        try:
            compiled = jsonschema_rs.validator_for(self.schema, retriever=_refuse)
        except ValueError as error:
            raise ConfigError(f"{path}: not a usable JSON Schema: {_complaint(error)}; repair it") from None
        self.is_valid = compiled.is_valid

    def explain(self, obj: Any) -> str:
        """`/pointer: what is wrong; what to do` for the most telling violation; "" if the object is valid."""
        if self.is_valid(obj):
            return ""
        from jsonschema.validators import validator_for

        errors = validator_for(self.schema)(self.schema).iter_errors(obj)
        deepest = [_deepest(error) for error in errors]
        if not deepest:  # the two libraries may differ in a corner of the standard
            return "row: does not fit the schema"
        return min((_sentence(error) for error in deepest), key=len)


@cache
def format_validator(name: str) -> Validator:
    """The validator of one of our own schemas, one per process."""
    return Validator(SCHEMAS / name)


def user_validator(path: Path) -> Validator:
    """The validator of a user's schema file, compiled once per process and content."""
    return _user_validator(path, _read(path))


_user_validator = cache(Validator)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such schema file; correct `schema` in the recipe") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); correct `schema` in the recipe") from None


def _load(path: Path, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg}; repair the schema") from None


def _refuse(uri: str) -> Any:
    raise ValueError(uri)


def _complaint(error: ValueError) -> str:
    line = str(error).strip().splitlines()[0]
    outside = re.match(r"Resource '(.*?)' is not present", line)
    return f"$ref {outside[1]} is outside the file, put it under $defs" if outside else line


def _deepest(error: Any) -> Any:
    """Down the branch of anyOf/oneOf that the object came closest to; the error itself if none is closer."""
    while error.context:
        branches: dict[Any, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        nearest, *others = sorted(branches.values(), key=lambda some: (_distance(some, error), len(some)))
        distance = _distance(nearest, error)
        if distance and others and _distance(others[0], error) == distance:
            return error
        error = max(nearest, key=lambda inner: len(inner.absolute_path))
    return error


def _distance(branch: list[Any], parent: Any) -> int:
    """2: the value is of another type than this branch wants; 1: fields are missing; 0: wrong further in."""
    here = {inner.validator for inner in branch if len(inner.absolute_path) == len(parent.absolute_path)}
    return 2 if "type" in here else int("required" in here)


def _sentence(error: Any) -> str:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path) or "row"
    return f"{pointer}: {_said(error, error.instance)}"


def _said(error: Any, value: Any) -> str:
    wanted = error.validator_value
    match error.validator:
        case "required":
            names = ", ".join(f'"{name}"' for name in wanted if name not in value)
            return f"{names} is missing; add it"
        case "type":
            kinds: list[str] = wanted if isinstance(wanted, list) else [wanted]
            return f"{_shown(value)} is not {_either([_TYPES.get(kind, kind) for kind in kinds])}; change it"
        case "enum":
            return f"{_shown(value)} is not one of {', '.join(map(str, wanted))}{_instead(value, wanted)}"
        case "const":
            return f"{_shown(value)} is not {_shown(wanted)}; change it"
        case "pattern":
            return f"{_shown(value)} does not match {wanted}; change it"
        case "anyOf" | "oneOf":
            needs = [" and ".join(branch["required"]) for branch in wanted if "required" in branch]
            return f"needs {_either(needs)}; add them" if needs else "fits none of the forms allowed; change it"
        case "minItems" | "minLength" | "minProperties":
            return f"is shorter than {wanted}; fill it, or leave the row out"
        case "additionalProperties" | "unevaluatedProperties":
            extra = ", ".join(f'"{k}"' for k in value if k not in error.schema.get("properties", {}))
            return f"{extra} is not allowed here; take it out"
    return f"{error.message[:200]}; change it"


def _either(names: list[str]) -> str:
    return " or ".join(names)


def _shown(value: Any) -> str:
    text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _instead(value: Any, allowed: list[Any]) -> str:
    if not isinstance(value, str):
        return "; use one of them"
    names = [name for name in allowed if isinstance(name, str)]
    hint = next((role for role, words in _ROLE_HINTS.items() if any(word in value.lower() for word in words)), None)
    if hint in names:
        return f'; use "{hint}"'
    close = difflib.get_close_matches(value.lower(), names, n=1)
    return f'; use "{close[0]}"' if close else "; use one of them"
