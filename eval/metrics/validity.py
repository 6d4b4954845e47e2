"""Whether an output has the form that was asked for: JSON of a schema, a pattern, Python that parses."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import jsonschema_rs

from curation.errors import ConfigError
from eval.metrics.metric import Items, Measured, mean_of, take

_FENCE: Final = re.compile(r"\s*(```+|~~~+)[^\n`]*\n(.*?)\n?\1\s*", re.DOTALL)


def json_valid(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of outputs that are JSON (RFC 8259: no NaN) and fit the option schema. Option fence: see _body."""
    chosen = take(options, "json_valid", schema=None, fence=True)
    check, digest = _schema(chosen["schema"])

    def fits(text: str) -> bool:
        try:
            return check(json.loads(text, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            return False

    return _valid("json_valid", f"json_valid|schema:{digest}", items, fits, bool(chosen["fence"]))


def _schema(schema: Any) -> tuple[Callable[[Any], bool], str]:
    if schema is None:
        return (lambda _: True), "any"
    try:
        validator = jsonschema_rs.validator_for(schema)
    except (ValueError, TypeError, jsonschema_rs.ValidationError) as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"metric json_valid: schema is no JSON Schema ({said})") from None
    digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:8]
    return validator.is_valid, digest


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def regex_match(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of outputs that match the option pattern as a whole, outer white space aside."""
    chosen = take(options, "regex_match", pattern=None)
    if not isinstance(chosen["pattern"], str):
        raise ConfigError("metric regex_match: it needs a pattern, for instance pattern: '[A-D]'")
    try:
        pattern = re.compile(chosen["pattern"])
    except re.error as error:
        raise ConfigError(f"metric regex_match: pattern: {error}") from None
    return _valid(
        "regex_match",
        f"regex_match|pattern:{chosen['pattern']}",
        items,
        lambda text: pattern.fullmatch(text) is not None,
        fence=False,
    )


def python_parses(items: Items, options: Mapping[str, Any]) -> Measured:
    """Share of outputs that are Python source of this interpreter's grammar; nothing is run."""
    chosen = take(options, "python_parses", fence=True)

    def parses(text: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes and the like: it parses
                ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        return True

    return _valid("python_parses", "python_parses", items, parses, bool(chosen["fence"]))


def _valid(name: str, signature: str, items: Items, fits: Callable[[str], bool], fence: bool) -> Measured:
    values = [float("nan") if text is None else _fits(text, fits, fence) for text in items.outputs]
    return mean_of(name, f"{signature}|fence:{'stripped' if fence else 'kept'}", values)


def _fits(text: str, fits: Callable[[str], bool], fence: bool) -> bool:
    body = _body(text) if fence else text.strip()
    return bool(body) and fits(body)


def _body(text: str) -> str:
    """The text without the one Markdown code fence that encloses all of it."""
    match = _FENCE.fullmatch(text)
    return (match[2] if match else text).strip()
