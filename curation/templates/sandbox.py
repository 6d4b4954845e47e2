"""Compiles chat templates that nobody has looked at: no escape, no endless loop, no flood of memory.

The environment is the one transformers gives to chat templates. Beside the sandbox, every loop step, call, and
text that a template makes is counted against a budget that grows with the conversation; the budget counts work,
never time, so a template that renders here renders on every machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from datetime import date
from typing import Any, Final, cast

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

# `strftime_now` of every render: rendered text must not depend on the day. It is the day Llama 3.2 falls back to.
TODAY: Final = date(2024, 7, 26)
_SOURCE_LIMIT: Final = 1_000_000  # characters of a template
_WIDEST_INDENT: Final = 100
_STEPS: Final = 20_000
_CHARACTERS: Final = 1_000_000
_GROWING: Final = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "replace", "join"})
# Filters that no chat template needs and that can grow text without limit, or draw at random.
_NO_FILTERS: Final = (
    *("batch", "center", "format", "indent", "join", "pprint", "random", "replace", "round", "slice"),
    *("urlize", "wordwrap", "xmlattr"),
)
_NO_METHODS: Final = frozenset({"encode", "to_bytes", "translate", "maketrans"})
# A width, or one that is an argument, in `%` and in `format`.
_WIDE_PERCENT: Final = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")
_WIDE_FIELD: Final = re.compile(r":[^}]*[\d{]")


class _Meter:
    """What one render may still do."""

    def __init__(self, size: int) -> None:
        self.steps = _STEPS + size
        self.longest = _CHARACTERS + 8 * size
        self.characters = 50 * self.longest

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise TemplateError("it runs for too many steps; is there an endless loop?")

    def charge(self, length: int) -> None:
        self.characters -= length
        if length > self.longest or self.characters < 0:
            raise TemplateError("it makes too much text")


_METER: Final[ContextVar[_Meter]] = ContextVar("meter")


def compile_template(source: str) -> jinja2.Template:
    """A template ready for `run`; raises jinja2.TemplateError (a syntax error among them)."""
    if len(source) > _SOURCE_LIMIT:
        raise TemplateError(f"it is longer than {_SOURCE_LIMIT:,} characters")
    try:
        return _environment().from_string(source)
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None


def run(template: jinja2.Template, variables: dict[str, Any], size: int) -> str:
    """Rendered text; `size` is the length of the contents. Whatever the template does wrong is a TemplateError."""
    token = _METER.set(_Meter(size))
    try:
        return template.render(variables)
    except TemplateError:
        raise
    except RecursionError:
        raise TemplateError("it calls itself without end") from None
    except (MemoryError, OverflowError):
        raise TemplateError("it makes too much text") from None
    except Exception as error:  # a template can provoke any error of the methods it calls
        raise TemplateError(f"{type(error).__name__}: {error}") from None
    finally:
        _METER.reset(token)


class _Counting(Extension):
    """Counts loop steps and joined text; tolerates `{% generation %}`, which marks what transformers trains on."""

    tags = {"generation"}  # noqa: RUF012 -- as jinja2 declares it

    def parse(self, parser: Any) -> nodes.Node | list[nodes.Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("whole"), [], [], body).set_lineno(line)

    def whole(self, caller: Any) -> str:
        text: str = caller()
        return text

    def counted(self, iterable: Iterable[Any]) -> Iterator[Any]:
        meter = _METER.get()
        for item in iterable:
            meter.step()
            yield item

    def joined(self, *parts: Any) -> str:
        texts = [str(part) for part in parts]
        _METER.get().charge(sum(map(len, texts)))
        return "".join(texts)


class _Instrument(NodeTransformer):
    """Puts `counted` around what a loop runs over and `joined` in place of `~`."""

    def __init__(self, extension: Extension) -> None:
        self._extension = extension

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 -- jinja2 calls visitors by the node's name
        self.generic_visit(node)
        node.iter = self._extension.call_method("counted", [cast(nodes.Expr, node.iter)], lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 -- as above
        self.generic_visit(node)
        return self._extension.call_method("joined", node.nodes, lineno=node.lineno)


def _bounded_concat(parts: Iterable[str]) -> str:
    meter, pieces = _METER.get(), []
    for part in parts:
        meter.charge(len(part))
        pieces.append(part)
    return "".join(pieces)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(_bounded_concat)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        extension = self.extensions[_Counting.identifier]
        _Instrument(extension).visit(tree)
        return tree

    def wrap_str_format(self, value: Any) -> Any:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDE_FIELD.search(value.__self__):
            raise SecurityError("format() with a width is not allowed")
        return wrapped

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and type(left) is str and type(right) is str:  # most of what templates do
            _METER.get().charge(len(left) + len(right))
            return left + right
        _refuse_growth(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, (str, list, tuple)):
            _METER.get().charge(len(result))
        return result

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 -- jinja2's signature
        meter = _METER.get()
        meter.step()
        name = getattr(__obj, "__name__", "")
        if name in _NO_METHODS and isinstance(getattr(__obj, "__self__", None), (str, int, type)):
            raise SecurityError(f"{name}() is not allowed")
        if name in _GROWING and isinstance(getattr(__obj, "__self__", None), str):
            _charge_method(meter, name, __obj.__self__, args)
        return super().call(__context, __obj, *args, **kwargs)


def _refuse_growth(operator: str, left: Any, right: Any) -> None:
    """Refuse a product, power, or formatting whose result could be huge, before it is computed."""
    if operator == "%" and isinstance(left, str) and _WIDE_PERCENT.search(left):
        raise SecurityError("% with a wide field is not allowed")
    if operator == "*":
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, (str, list, tuple)) and isinstance(times, int):
                _METER.get().charge(len(sequence) * max(times, 0))
    numbers = [abs(side).bit_length() for side in (left, right) if isinstance(side, int)]
    if (
        operator in ("*", "**")
        and len(numbers) == 2
        and (max(numbers) > 4096 or (operator == "**" and numbers[1] > 12))
    ):
        raise TemplateError("it makes too large a number")


def _charge_method(meter: _Meter, name: str, text: str, args: tuple[Any, ...]) -> None:
    """Charge for the most that a text method could return."""
    if name == "replace" and len(args) >= 2:
        found = text.count(str(args[0])) if args[0] else len(text) + 1
        meter.charge(len(text) + found * len(str(args[1])))
    elif name == "join" and args:
        parts = args[0] if isinstance(args[0], (str, list, tuple)) else []
        meter.charge(len(parts) * len(text) + sum(len(part) for part in parts if isinstance(part, str)))
        if not parts:
            raise SecurityError("join takes a list here")
    else:
        width = max((arg for arg in args if isinstance(arg, int)), default=8)
        meter.charge(len(text) * (max(width, 1) if name == "expandtabs" else 1) + max(width, 0))


def _join(value: Any, d: str = "", attribute: str | None = None) -> str:
    items = [item[attribute] if attribute else item for item in value]
    texts = [str(item) for item in items]
    _METER.get().charge(sum(map(len, texts)) + len(d) * len(texts))
    return d.join(texts)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    text = str(text)
    _charge_method(_METER.get(), "replace", text, (old, new))
    return text.replace(old, new, count)


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text, by = str(text), width if isinstance(width, str) else ""
    by = by or " " * min(int(width), _WIDEST_INDENT)
    _METER.get().charge(len(text) + (text.count("\n") + 1) * len(by))
    lines = text.splitlines(keepends=True)
    return "".join(by + line if (i or first) and (blank or line.strip()) else line for i, line in enumerate(lines))


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """As transformers writes it: no HTML escapes, letters of every script as they are."""
    if isinstance(indent, int) and indent > _WIDEST_INDENT:
        raise TemplateError("tojson is indented too far")
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    _METER.get().charge(len(text))
    return text


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(layout: str) -> str:
    if len(layout) > 100:
        raise TemplateError("a date layout is too long")
    return TODAY.strftime(layout)


class _Namespace(Namespace):
    """A namespace without names that begin with an underscore."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f'a namespace cannot hold "{name}"')
        super().__setitem__(name, value)


def _environment() -> _Environment:
    made = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[_Counting, loopcontrols])
    for name in _NO_FILTERS:
        del made.filters[name]
    made.filters.update(tojson=_tojson, join=_join, replace=_replace, indent=_indent)
    del made.globals["lipsum"]  # draws at random
    made.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now, namespace=_Namespace)
    return made
