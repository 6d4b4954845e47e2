"""The formats that are recognised, in the order in which they are tried: the narrow ones first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from curation.formats import alpaca, guanaco, llama2, messages, prompt_completion, question_answer, sharegpt
from curation.validate import Validator, format_validator


@dataclass(frozen=True, slots=True)
class Format:
    """A way to read an object: `valid` decides whether it is one of these, `convert` makes the record."""

    name: str
    fields: tuple[str, ...]  # by which it is known; not all need be there
    validator: Validator
    convert: Callable[[dict[str, Any]], dict[str, Any]]
    note: Callable[[list[dict[str, Any]]], str] | None = None


_MODULES: Final[dict[str, Any]] = {
    "messages": messages,
    "sharegpt": sharegpt,
    "guanaco": guanaco,
    "llama2": llama2,
    "alpaca": alpaca,
    "prompt_completion": prompt_completion,
    "question_answer": question_answer,
}
NAMES: Final = tuple(_MODULES)


def known(name: str) -> Format:
    module = _MODULES[name]
    return Format(name, module.FIELDS, format_validator(module.SCHEMA), module.convert, getattr(module, "note", None))
