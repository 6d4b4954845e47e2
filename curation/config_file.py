"""YAML files of the user's, checked against a JSON Schema of `schemas/`; every complaint names file, line and key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import jsonschema_rs
import orjson
import yaml

from curation.errors import ConfigError, did_you_mean

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "schemas"
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """YAML 1.2's scalars: `on`, `no` and dates are text, 1e-4 is a number (PyYAML follows 1.1)."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        first: [(tag, pattern) for tag, pattern in known if not tag.endswith((":bool", ":timestamp", ":float"))]
        for first, known in _SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"),
    list("-+.0123456789"),
)
_TAGS: Final = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
_TYPE_NAMES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "empty",
}


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema of ours by file name, e.g. `recipe.schema.json`."""
    loaded: dict[str, Any] = orjson.loads((SCHEMAS / name).read_bytes())
    return loaded


def load_config(path: Path, schema_name: str) -> dict[str, Any]:
    """The mapping in a YAML file, valid under the schema, or a ConfigError that names the first thing wrong."""
    text = _read(path)
    try:
        node = _compose(path, text)
        _refuse_odd_nodes(path, node)
        value = yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply, or within itself; write it out plainly") from None
    check_config(value, schema_name, where=str(path), lines=lambda at: _line(node, at))
    assert isinstance(value, dict)
    return whole_numbers(value, schema_name)


def yaml_value(text: str, *, where: str) -> Any:
    """One value as a YAML file of ours would hold it: 1e-4 is a number, [a, b] a list, nothing is null."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is not None:
            _refuse_odd_nodes(Path(where), node)
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(f'{where}: "{text}" is not a YAML value; put it in quotes') from None


def check_config(value: Any, schema_name: str, *, where: str, lines: Any = None) -> None:
    """Raise ConfigError for the first violation; `lines(path)` gives the line of a key, if known."""
    if jsonschema_rs.validator_for(schema(schema_name)).is_valid(value):
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema(schema_name)).iter_errors(value))
    assert error is not None
    at, message = _explain(error)
    line = lines(at) if lines else None
    raise ConfigError(f"{where}{f':{line}' if line else ''}: {message}")


def whole_numbers(value: dict[str, Any], schema_name: str) -> dict[str, Any]:
    """The same with 8 for 8.0 where a whole number is wanted: one and the same to JSON Schema, and not to Python."""
    root = schema(schema_name)
    made: dict[str, Any] = _whole(value, root, root)
    return made


def _whole(value: Any, told: Any, root: dict[str, Any]) -> Any:
    told = told if isinstance(told, dict) else {}
    if "$ref" in told:
        told = root["$defs"][told["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        known, other = told.get("properties", {}), told.get("additionalProperties")
        return {key: _whole(one, known.get(key, other), root) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one, told.get("items"), root) for one in value]
    kinds = told.get("type", ())
    is_whole = "integer" in ((kinds,) if isinstance(kinds, str) else kinds) and "number" not in kinds
    return int(value) if is_whole and isinstance(value, float) and value.is_integer() else value


def _explain(error: Any) -> tuple[list[Any], str]:
    at = list(error.absolute_path)
    name = ".".join(map(str, at)) or "the file"
    match error.validator:
        case "additionalProperties":
            unknown = sorted(set(error.instance) - set(error.schema["properties"]), key=str)[0]
            where = f"{name}.{unknown}" if at else str(unknown)
            return [*at, unknown], f"{where} is not a known key{did_you_mean(str(unknown), error.schema['properties'])}"
        case "enum":
            allowed = [str(v) for v in error.validator_value]
            return at, f"{name}: {_shown(error.instance)} is not allowed{did_you_mean(str(error.instance), allowed)}"
        case "type":
            wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
            names = " or ".join(_TYPE_NAMES[t] for t in wanted)
            only = error.schema.get("required", [])
            hint = f"; write {only[0]}: {error.instance}" if len(only) == 1 and isinstance(error.instance, str) else ""
            return at, f"{name} must be {names}, not {_shown(error.instance)}{hint}"
        case "required":
            missing = sorted(set(error.validator_value) - set(error.instance))[0]
            where = f"{name}.{missing}" if at else missing
            return at, f"{where} is missing; add it"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            word = {
                "minimum": "at least",
                "exclusiveMinimum": "above",
                "maximum": "at most",
                "exclusiveMaximum": "below",
            }
            limit = f"{word[error.validator]} {error.validator_value}"
            return at, f"{name} must be {limit}, not {_shown(error.instance)}"
        case "minItems" | "minProperties" | "minLength":
            return at, f"{name} must not be empty"
    return at, f"{name}: {error.message}"


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `curate init` writes one") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the YAML file in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def _compose(path: Path, text: str) -> Any:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is not valid YAML ({getattr(error, 'problem', None) or error})") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}: must hold a mapping of keys to values")
    return node


def _refuse_odd_nodes(path: Path, node: Any) -> None:
    """What YAML allows and no setting can mean: a key twice, a key that is no text, a tag, a number without end."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                raise ConfigError(f"{path}:{at}: {key.value} must be text to be a key; put it in quotes")
            if key.value in seen:
                raise ConfigError(f"{path}:{at}: {key.value} stands here and on line {seen[key.value]}; keep one")
            seen[key.value] = at
            _refuse_odd_nodes(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_odd_nodes(path, child)
    elif node.tag.endswith(":float") and node.value.lower().lstrip("+-") in (".inf", ".nan"):
        raise ConfigError(f"{path}:{line}: {node.value} is not a number that a setting can have; write another")
    if node.tag not in _TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise ConfigError(f"{path}:{line}: the tag {tag} is not known here; leave it out")


def _line(node: Any, at: Sequence[Any]) -> int:
    """1-based line of the key (or list item) that `at` leads to; of the deepest one that exists."""
    line = node.start_mark.line + 1
    for step in at:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                return int(line)
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return int(line)


def key_lines(text: str, key: str) -> tuple[int, int]:
    """The lines (0-based, end excluded) of a top-level key and its value, without comments that follow it."""
    node: Any = yaml.compose(text, Loader=_Loader)
    name, value = next((k, v) for k, v in node.value if k.value == key)
    lines = text.splitlines()
    end = value.end_mark.line + (value.end_mark.column > 0)
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    return name.start_mark.line, end
